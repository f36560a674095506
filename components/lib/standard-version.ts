/** What the components for services of App Engine standard have in common. */

import type * as appengine from "@pulumi/gcp/appengine/index.js";
import type { AppSource } from "../app-source.ts";
import { accountEmail, type AppServiceArgs, environmentOf } from "./app-service.ts";
import { isCount } from "./checks.ts";

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

export interface StandardVersionArgs extends AppServiceArgs {
  readonly source: AppSource;
  /**
   * Full id of the connector through which the service reaches the VPC,
   * `projects/<project>/locations/<region>/connectors/<name>`. Plain, because it is part of the
   * version's id: `dependsOn` what declares the connector.
   */
  readonly vpcConnector?: string;
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

/** What is wrong with the connector; empty when nothing is. */
export function connectorProblems({ vpcConnector }: StandardVersionArgs): string[] {
  return vpcConnector === undefined ||
    /^projects\/[^/]+\/locations\/[^/]+\/connectors\/[^/]+$/.test(vpcConnector)
    ? []
    : [
        `vpcConnector: "${vpcConnector}" is no id of a connector; projects/<project>/locations/<region>/connectors/<name>`,
      ];
}

/**
 * A version on Node 24 without its id. Every scaling field is given: the API fills in what is left out,
 * and the next `up` would see a difference.
 */
export function standardDefinition(
  args: StandardVersionArgs,
  scaling: StandardScaling,
): Omit<appengine.StandardAppVersionArgs, "versionId"> {
  const { project, service, source, vpcConnector } = args;
  return {
    project,
    service,
    runtime: "nodejs24",
    entrypoint: { shell: "node main.js" },
    deployment: { zip: { sourceUrl: source.url } },
    envVariables: environmentOf(args),
    serviceAccount: accountEmail(args),
    instanceClass: scaling.instanceClass,
    ...scalingOf(scaling),
    ...(vpcConnector === undefined
      ? {}
      : {
          vpcAccessConnector: { name: vpcConnector, egressSetting: "PRIVATE_IP_RANGES" },
        }),
    // Both are read from the state when the version is replaced: they count from the first deployment.
    // Without traffic a version of automatic scaling has no instances, so the old one stays for rollback;
    // one of manual scaling would keep all of them, and their cost, so it is deleted.
    // (The other flag deletes the whole service, new version and all.)
    noopOnDestroy: scaling.kind === "automatic",
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
