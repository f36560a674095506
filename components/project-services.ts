import * as gcp from "@pulumi/gcp/projects/index.js";
import * as pulumi from "@pulumi/pulumi";
import { childOf } from "./lib/options.ts";

export interface ProjectServicesArgs {
  /** The project's id, e.g. `my-project-dev`. */
  readonly project: string;
}

/**
 * Every API that this stack calls, with the resource that needs it. `cloudresourcemanager` and
 * `serviceusage` are missing on purpose: without them this program could not turn on any other,
 * so they are part of the bootstrap (docs/first-deploy.md).
 */
export const requiredServices = [
  "appengine", // the application, its versions, traffic and dispatch rules
  "appengineflex", // the websocket service
  "artifactregistry", // the images of NATS and of the websocket service
  "cloudbuild", // App Engine builds every version with it, and the deployer is run by it
  "compute", // network and NATS machines
  "datastore", // the database's API for clients
  "firestore", // the database's API for administrators
  "iam", // service accounts
  "iamcredentials", // GitHub Actions acts as the pipelines' accounts
  "logging",
  "monitoring",
  "pubsub", // the topics of replicated services
  "secretmanager", // seeds of the NKeys
  "storage", // archives of the services
  "sts", // GitHub Actions exchanges its token here
  "vpcaccess", // the connector
] as const;

/**
 * Turns on the APIs that the stack needs. Destroying it leaves them on: other things in the project
 * may have come to need them, and an API that is turned off takes its resources with it.
 */
export class ProjectServices extends pulumi.ComponentResource {
  /** The enabled APIs, e.g. `compute.googleapis.com`. */
  readonly services: pulumi.Output<string[]>;

  constructor(name: string, args: ProjectServicesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("appengine-realtime:project:ProjectServices", name, {}, opts);
    const enabled = requiredServices.map(
      (service) =>
        new gcp.Service(
          `${name}-${service}`,
          {
            project: args.project,
            service: `${service}.googleapis.com`,
            disableOnDestroy: false,
            disableDependentServices: false,
          },
          childOf(this, opts),
        ),
    );
    this.services = pulumi.output(enabled.map(({ service }) => service));
    this.registerOutputs({ services: this.services });
  }
}
