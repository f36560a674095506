import * as appengine from "@pulumi/gcp/appengine/index.js";
import type * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import * as pulumi from "@pulumi/pulumi";
import type { AppSource } from "./app-source.ts";
import {
  accountEmail,
  type AppServiceArgs,
  declareAccount,
  declareTraffic,
  environmentOf,
  isCount,
  serviceProblems,
  versionIdOf,
} from "./lib/app-service.ts";
import { refuseProblems } from "./lib/arguments.ts";
import { childOf } from "./lib/options.ts";

/** How many virtual machines there are; each has one instance. */
export type FlexibleScaling =
  | {
      readonly kind: "automatic";
      readonly minInstances: number;
      readonly maxInstances: number;
      /**
       * Share of the processors' time that is aimed at, 0.1 to 0.95.
       * @default 0.6
       */
      readonly targetCpu?: number;
    }
  | { readonly kind: "manual"; readonly instances: number };

export interface FlexibleServiceArgs extends AppServiceArgs {
  /**
   * What runs: an archive on the managed Node 24 runtime, or an image pinned by its digest
   * (custom runtime), for example
   * `europe-west3-docker.pkg.dev/my-project/services/ws@sha256:<64 hex digits>`.
   */
  readonly deployment: { readonly source: AppSource } | { readonly image: string };
  readonly scaling: FlexibleScaling;
  /** Of each machine. `memoryGb` is what the app has, without the platform's 0.4. */
  readonly machine: { readonly cpu: number; readonly memoryGb: number; readonly diskGb: number };
  /** Where the machines are: short names of a network and of one of its subnets in the app's region. */
  readonly network: { readonly name: string; readonly subnetwork: string };
}

/**
 * A service of App Engine flexible, the environment with websockets: its account, an immutable
 * version named by what defines it, and its traffic.
 *
 * The platform closes every websocket after one hour, so the app has to close it more gently before.
 * A version without traffic would keep its machines, and their cost: the old version is deleted when
 * the new one has the traffic. A rollback deploys the earlier commit.
 */
export class FlexibleService extends pulumi.ComponentResource {
  public readonly service: string;
  /** Known in a preview. */
  public readonly versionId: string;
  public readonly account: serviceaccount.Account;
  public readonly version: appengine.FlexibleAppVersion;

  public constructor(
    name: string,
    args: FlexibleServiceArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    refuseProblems("FlexibleService", name, flexibleProblems(args));
    const definition = definitionOf(args);
    const versionId = versionIdOf(definition);
    super("appengine-realtime:app:FlexibleService", name, {}, opts);
    this.service = args.service;
    this.versionId = versionId;

    const source = "source" in args.deployment ? args.deployment.source : undefined;
    // The agents on the machines report their load as this account.
    const roles = ["monitoring.metricWriter"];
    const { account, grants } = declareAccount(this, name, args, source, roles, opts);
    this.account = account;
    this.version = new appengine.FlexibleAppVersion(
      `${name}-version`,
      { ...definition, versionId },
      childOf(this, opts, {
        dependsOn: [account, ...grants, ...(source === undefined ? [] : [source.object])],
      }),
    );
    declareTraffic(this, name, args, this.version, versionId, opts);
    this.registerOutputs({ service: this.service, versionId: this.versionId });
  }
}

/** What is wrong with the arguments; empty when nothing is. */
export function flexibleProblems(args: FlexibleServiceArgs): string[] {
  const problems = serviceProblems(args);
  const { deployment, machine, network, scaling } = args;
  if ("image" in deployment && !/^[^\s@]+\/[^\s@]+@sha256:[0-9a-f]{64}$/.test(deployment.image)) {
    problems.push(
      `deployment.image: "${deployment.image}" can change its content; <registry>/<name>@sha256:<64 hex digits>`,
    );
  }
  if (scaling.kind === "manual") {
    if (!isCount(scaling.instances, 1, 20)) {
      problems.push(`scaling.instances: ${scaling.instances} is not possible; 1 to 20`);
    }
  } else {
    if (!isCount(scaling.minInstances, 1, 1000)) {
      problems.push(`scaling.minInstances: ${scaling.minInstances} is not possible; 1 to 1000`);
    }
    if (!isCount(scaling.maxInstances, scaling.minInstances, 1000)) {
      problems.push(
        `scaling.maxInstances: ${scaling.maxInstances} is not possible; minInstances to 1000`,
      );
    }
    const { targetCpu = defaultTargetCpu } = scaling;
    if (!(targetCpu >= 0.1 && targetCpu <= 0.95)) {
      problems.push(`scaling.targetCpu: ${targetCpu} is not possible; 0.1 to 0.95`);
    }
  }
  problems.push(...machineProblems(machine).map((problem) => `machine.${problem}`));
  for (const [field, value] of Object.entries(network)) {
    if (!/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(value)) {
      problems.push(`network.${field}: "${value}" is no short name; it is not a path or a link`);
    }
  }
  return problems;
}

/** What is wrong with the machines, as `field: what is wrong; what is allowed`; empty when nothing is. */
export function machineProblems(machine: FlexibleServiceArgs["machine"]): string[] {
  const problems: string[] = [];
  if (machine.cpu !== 1 && !(isCount(machine.cpu, 2, 96) && machine.cpu % 2 === 0)) {
    problems.push(`cpu: ${machine.cpu} is not possible; 1, or an even number to 96`);
  }
  // 1 to 6.5 GB per processor, of which the platform takes 0.4 of the whole.
  const [least, most] = [machine.cpu - 0.4, machine.cpu * 6.5 - 0.4];
  if (!(machine.memoryGb >= least && machine.memoryGb <= most)) {
    problems.push(
      `memoryGb: ${machine.memoryGb} is not possible with ${machine.cpu} processors; ${least} to ${most}`,
    );
  }
  if (!isCount(machine.diskGb, 10, 10_240)) {
    problems.push(`diskGb: ${machine.diskGb} is not possible; 10 to 10240`);
  }
  return problems;
}

const defaultTargetCpu = 0.6;

/** The version without its id; every field that the API would fill in is given. */
function definitionOf(args: FlexibleServiceArgs) {
  const { project, service, deployment, machine, network } = args;
  return {
    project,
    service,
    ...("image" in deployment
      ? { runtime: "custom", deployment: { container: { image: deployment.image } } }
      : {
          runtime: "nodejs",
          flexibleRuntimeSettings: { operatingSystem: "ubuntu24", runtimeVersion: "24" },
          entrypoint: { shell: "node main.js" },
          deployment: { zip: { sourceUrl: deployment.source.url } },
        }),
    envVariables: environmentOf(args),
    serviceAccount: accountEmail(args),
    resources: { cpu: machine.cpu, memoryGb: machine.memoryGb, diskGb: machine.diskGb },
    network: {
      name: network.name,
      subnetwork: network.subnetwork,
      // A client may come back to any instance: none keeps what another does not know.
      sessionAffinity: false,
    },
    ...scalingOf(args.scaling),
    // An instance that lost NATS gets no new clients within 10 s, and some again when it is back.
    readinessCheck: {
      path: "/healthz/ready",
      checkInterval: "5s",
      timeout: "4s",
      failureThreshold: 2,
      successThreshold: 2,
      appStartTimeout: "300s",
    },
    // Slow on purpose: a restart ends every websocket of the instance.
    livenessCheck: {
      path: "/healthz/live",
      checkInterval: "30s",
      timeout: "4s",
      failureThreshold: 4,
      successThreshold: 2,
      initialDelay: "300s",
    },
    servingStatus: "SERVING",
    // Both are read from the state when the version is replaced: they count from the first deployment.
    // (The second one deletes the whole service, new version and all.)
    noopOnDestroy: false,
    deleteServiceOnDestroy: false,
  };
}

function scalingOf(scaling: FlexibleScaling) {
  if (scaling.kind === "manual") return { manualScaling: { instances: scaling.instances } };
  return {
    automaticScaling: {
      minTotalInstances: scaling.minInstances,
      maxTotalInstances: scaling.maxInstances,
      coolDownPeriod: "120s",
      cpuUtilization: {
        targetUtilization: scaling.targetCpu ?? defaultTargetCpu,
        aggregationWindowLength: "60s",
      },
    },
  };
}
