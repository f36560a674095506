import * as secretmanager from "@pulumi/gcp/secretmanager/index.js";
import * as pulumi from "@pulumi/pulumi";
import { refuseProblems } from "./lib/arguments.ts";
import { labelsOf } from "./lib/labels.ts";
import { childOf } from "./lib/options.ts";

export interface ServiceSecretsArgs {
  /** The project's id. */
  readonly project: string;
  /** Ids of the secrets, e.g. `ws-token-hmac`. One that is taken away is deleted with all its versions. */
  readonly ids: readonly string[];
  /** Refuses to delete or replace the secrets. */
  readonly protect: boolean;
}

/**
 * Secrets that a service's options name, without any version: what they hold never passes through the
 * program. A person adds it, before the service that reads it can start:
 * `printf %s "$(openssl rand -base64 48)" | gcloud secrets versions add <id> --data-file=-`.
 *
 * Who may read them is the business of the service (`readableSecrets`).
 */
export class ServiceSecrets extends pulumi.ComponentResource {
  /** As given; a service that takes them from here is meant to depend on this component, too. */
  readonly ids: readonly string[];

  constructor(name: string, args: ServiceSecretsArgs, opts?: pulumi.ComponentResourceOptions) {
    const { project, ids, protect } = args;
    refuseProblems("ServiceSecrets", name, [
      ...ids
        .filter((id) => !/^[A-Za-z0-9_-]{1,255}$/.test(id))
        .map((id) => `ids: "${id}" is no secret id; 1 to 255 letters, digits, "_" and "-"`),
      ...(new Set(ids).size === ids.length ? [] : ["ids: one is there twice; each once"]),
    ]);
    super("appengine-realtime:secrets:ServiceSecrets", name, {}, opts);
    this.ids = ids;
    for (const secretId of ids) {
      new secretmanager.Secret(
        `${name}-${secretId}`,
        {
          project,
          secretId,
          replication: { auto: {} },
          labels: labelsOf(name),
          deletionProtection: protect,
        },
        childOf(this, opts, { protect }),
      );
    }
    this.registerOutputs({ ids });
  }
}
