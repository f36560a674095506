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
import { refuseProblems } from "./lib/arguments.ts";
import { isCount } from "./lib/checks.ts";
import { isPinnedImage } from "./lib/image.ts";

/** How many virtual machines there are; each has one instance. */
export interface FlexibleScaling {
  /** At least 1: a flexible service never sleeps. */
  readonly minInstances: number;
  readonly maxInstances: number;
}

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
export class FlexibleService extends AppService {
  constructor(name: string, args: FlexibleServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProblems("FlexibleService", name, flexibleProblems(args));
    const definition = definitionOf(args);
    super("FlexibleService", name, args, definition, opts);
    const source = "source" in args.deployment ? args.deployment.source : undefined;
    const version = new appengine.FlexibleAppVersion(
      `${name}-version`,
      { ...definition, versionId: this.versionId },
      // The agents on the machines report their load as this account.
      this.child({ dependsOn: [...this.grants(source, ["monitoring.metricWriter"])] }),
    );
    this.sendTraffic(this.versionId, [version]);
    this.registerOutputs({ service: this.service, versionId: this.versionId });
  }
}

/** What is wrong with the arguments; empty when nothing is. */
export function flexibleProblems(args: FlexibleServiceArgs): string[] {
  const problems = serviceProblems(args);
  const { deployment, machine, network, scaling } = args;
  if ("image" in deployment && !isPinnedImage(deployment.image)) {
    problems.push(
      `deployment.image: "${deployment.image}" can change its content; <registry>/<name>@sha256:<64 hex digits>`,
    );
  }
  problems.push(...flexibleScalingProblems(scaling).map((problem) => `scaling.${problem}`));
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

/** What is wrong with the scaling, as `field: what is wrong; what is allowed`; empty when nothing is. */
export function flexibleScalingProblems({ minInstances, maxInstances }: FlexibleScaling): string[] {
  const problems: string[] = [];
  if (!isCount(minInstances, 1, 1000)) {
    problems.push(`minInstances: ${minInstances} is not possible; 1 to 1000`);
  }
  if (!isCount(maxInstances, minInstances, 1000)) {
    problems.push(`maxInstances: ${maxInstances} is not possible; minInstances to 1000`);
  }
  return problems;
}

/** The version without its id; every field that the API would fill in is given. */
function definitionOf(args: FlexibleServiceArgs) {
  const { project, service, deployment, machine, network, scaling } = args;
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
    automaticScaling: {
      minTotalInstances: scaling.minInstances,
      maxTotalInstances: scaling.maxInstances,
      coolDownPeriod: "120s",
      // Leaves room for the sockets that come over from an instance that is being replaced.
      cpuUtilization: { targetUtilization: 0.6, aggregationWindowLength: "60s" },
    },
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
