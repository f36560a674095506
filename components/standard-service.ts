import * as appengine from "@pulumi/gcp/appengine/index.js";
import type * as pulumi from "@pulumi/pulumi";
import type { AppSource } from "./app-source.ts";
import {
  accountEmail,
  AppService,
  type AppServiceArgs,
  environmentOf,
  serviceProblems,
} from "./lib/app-service.ts";
import { isCount, refuseProblems } from "./lib/arguments.ts";
import { isVersionId } from "./lib/version-id.ts";

/** How many instances there are, and of which class; each kind of scaling has classes of its own. */
export type StandardScaling =
  | {
      readonly kind: "automatic";
      readonly instanceClass: "F1" | "F2" | "F4" | "F4_1G";
      /** Kept running without any request; 0 lets the service go to sleep. */
      readonly minInstances: number;
      readonly maxInstances: number;
    }
  | {
      readonly kind: "manual";
      readonly instanceClass: "B1" | "B2" | "B4" | "B4_1G" | "B8";
      readonly instances: number;
    };

export interface StandardServiceArgs extends AppServiceArgs {
  readonly source: AppSource;
  readonly scaling: StandardScaling;
  /**
   * Full id of the connector through which the service reaches the VPC,
   * `projects/<project>/locations/<region>/connectors/<name>`. Plain, because it is part of the
   * version's id: `dependsOn` what declares the connector.
   */
  readonly vpcConnector?: string;
  /**
   * The quick rollback: an earlier version, all of whose archive and image still exist, gets the
   * traffic. The program's own version is deployed beside it and gets none.
   * The ordinary rollback needs no argument: deploy the earlier commit. It has the same digest, so
   * the same version id, and its build replaces the version that was kept.
   * @example "v0a1b2c3d4e"
   * @default the version that this program declares
   */
  readonly trafficVersion?: string;
}

/**
 * A service of App Engine standard on Node 24: its account, an immutable version named by what
 * defines it, and its traffic. Earlier versions stay, without traffic and without cost, for rollback;
 * a project may have 210 versions, so old ones have to be deleted from time to time.
 */
export class StandardService extends AppService<appengine.StandardAppVersion> {
  constructor(name: string, args: StandardServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProblems("StandardService", name, standardProblems(args));
    const definition = definitionOf(args);
    super(
      name,
      args,
      {
        type: "StandardService",
        definition,
        makeVersion: (versionName, versionId, versionOpts) =>
          new appengine.StandardAppVersion(versionName, { ...definition, versionId }, versionOpts),
        source: args.source,
        roles: [],
        trafficTo: args.trafficVersion,
      },
      opts,
    );
  }
}

/** What is wrong with the arguments; empty when nothing is. */
export function standardProblems(args: StandardServiceArgs): string[] {
  const problems = serviceProblems(args);
  const { scaling, vpcConnector, trafficVersion } = args;
  problems.push(...standardScalingProblems(scaling).map((problem) => `scaling.${problem}`));
  if (
    vpcConnector !== undefined &&
    !/^projects\/[^/]+\/locations\/[^/]+\/connectors\/[^/]+$/.test(vpcConnector)
  ) {
    problems.push(
      `vpcConnector: "${vpcConnector}" is no id of a connector; projects/<project>/locations/<region>/connectors/<name>`,
    );
  }
  if (trafficVersion !== undefined && !isVersionId(trafficVersion)) {
    problems.push(
      `trafficVersion: "${trafficVersion}" is no version of this program; "v" and 10 hex digits`,
    );
  }
  return problems;
}

/** What is wrong with the scaling, as `field: what is wrong; what is allowed`; empty when nothing is. */
export function standardScalingProblems(scaling: StandardScaling): string[] {
  if (scaling.kind === "manual") {
    return isCount(scaling.instances, 1, 200)
      ? []
      : [`instances: ${scaling.instances} is not possible; 1 to 200`];
  }
  const { minInstances, maxInstances } = scaling;
  const problems: string[] = [];
  if (!isCount(minInstances, 0, 1000)) {
    problems.push(`minInstances: ${minInstances} is not possible; 0 to 1000`);
  }
  if (!isCount(maxInstances, Math.max(1, minInstances), 1000)) {
    problems.push(
      `maxInstances: ${maxInstances} is not possible; 1 to 1000, and no less than minInstances`,
    );
  }
  return problems;
}

/**
 * The version without its id. Every scaling field is given: the API fills in what is left out, and
 * the next `up` would see a difference.
 */
function definitionOf(args: StandardServiceArgs) {
  const { project, service, source, vpcConnector } = args;
  return {
    project,
    service,
    runtime: "nodejs24",
    entrypoint: { shell: "node main.js" },
    deployment: { zip: { sourceUrl: source.url } },
    envVariables: environmentOf(args),
    serviceAccount: accountEmail(args),
    instanceClass: args.scaling.instanceClass,
    ...scalingOf(args.scaling),
    ...(vpcConnector === undefined
      ? {}
      : {
          vpcAccessConnector: { name: vpcConnector, egressSetting: "PRIVATE_IP_RANGES" },
        }),
    // Both are read from the state when the version is replaced: they count from the first deployment.
    // The old version stays for rollback. (The other flag deletes the whole service, new version and all.)
    noopOnDestroy: true,
    deleteServiceOnDestroy: false,
  };
}

function scalingOf(scaling: StandardScaling) {
  if (scaling.kind === "manual") return { manualScaling: { instances: scaling.instances } };
  return {
    automaticScaling: {
      // A request costs these services little time of the processor: most of it is waiting.
      maxConcurrentRequests: 40,
      minIdleInstances: 0,
      maxIdleInstances: 1,
      minPendingLatency: "0.030s",
      maxPendingLatency: "1s",
      standardSchedulerSettings: {
        minInstances: scaling.minInstances,
        maxInstances: scaling.maxInstances,
        targetCpuUtilization: 0.6,
        targetThroughputUtilization: 0.6,
      },
    },
    // A new instance gets a request of its own to start with, and users' only when it answered.
    // Instances of manual scaling get none.
    inboundServices: ["INBOUND_SERVICE_WARMUP"],
  };
}
