import * as appengine from "@pulumi/gcp/appengine/index.js";
import type * as pulumi from "@pulumi/pulumi";
import { AppService, serviceProblems } from "./lib/app-service.ts";
import { refuseProblems } from "./lib/arguments.ts";
import {
  connectorProblems,
  standardDefinition,
  type StandardScaling,
  standardScalingProblems,
  type StandardVersionArgs,
} from "./lib/standard-version.ts";
import { isVersionId } from "./lib/version-id.ts";

export interface StandardServiceArgs extends StandardVersionArgs {
  readonly scaling: StandardScaling;
  /**
   * The quick rollback: an earlier version, all of whose archive and image still exist, gets the
   * traffic. The program's own version is deployed beside it and gets none. Manual scaling has none.
   * The ordinary rollback needs no argument: deploy the earlier commit. It has the same digest, so
   * the same version id, and its build replaces the version that was kept.
   * @example "v0a1b2c3d4e"
   * @default the version that this program declares
   */
  readonly trafficVersion?: string;
}

/**
 * A service of App Engine standard on Node 24: its account, an immutable version named by what
 * defines it, and its traffic. With automatic scaling earlier versions stay, without traffic and
 * without cost, for rollback; a project may have 210 versions, so old ones have to be deleted from
 * time to time.
 */
export class StandardService extends AppService {
  constructor(name: string, args: StandardServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProblems("StandardService", name, standardProblems(args));
    const definition = standardDefinition(args, args.scaling);
    super("StandardService", name, args, definition, opts);
    const version = new appengine.StandardAppVersion(
      `${name}-version`,
      { ...definition, versionId: this.versionId },
      this.child({ dependsOn: [...this.grants(args.source)] }),
    );
    this.sendTraffic(args.trafficVersion ?? this.versionId, [version]);
    this.registerOutputs({ service: this.service, versionId: this.versionId });
  }
}

/** What is wrong with the arguments; empty when nothing is. */
export function standardProblems(args: StandardServiceArgs): string[] {
  const { scaling, trafficVersion } = args;
  const problems = [
    ...serviceProblems(args),
    ...standardScalingProblems(scaling).map((problem) => `scaling.${problem}`),
    ...connectorProblems(args),
  ];
  if (trafficVersion !== undefined && !isVersionId(trafficVersion)) {
    problems.push(
      `trafficVersion: "${trafficVersion}" is no version of this program; "v" and 10 hex digits`,
    );
  }
  if (trafficVersion !== undefined && scaling.kind === "manual") {
    problems.push(
      `trafficVersion: "${trafficVersion}" was not kept; with manual scaling deploy the earlier commit`,
    );
  }
  return problems;
}
