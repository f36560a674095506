/** What a stack costs in a month, from the resources that it declares: a pure function. */
import { z } from "zod";
import { classFactors, free, type Price, type PriceName, prices } from "./prices.ts";

export interface Declared {
  /** `gcp:compute/instance:Instance` */
  readonly type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

export interface CostLine {
  readonly what: string;
  /** US dollars in a month; undefined: nobody wrote down a price. */
  readonly usd: number | undefined;
  /** What the figure assumes. */
  readonly assumption: string;
}

/** Of a month, as Google's own calculator has it. */
const hours = 730;
const minutes = hours * 60;

/** What costs nothing by being there. */
const freeTypes = new Set([
  "gcp:appengine/application:Application",
  "gcp:appengine/applicationUrlDispatchRules:ApplicationUrlDispatchRules",
  "gcp:appengine/engineSplitTraffic:EngineSplitTraffic",
  "gcp:appengine/serviceNetworkSettings:ServiceNetworkSettings",
  "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
  "gcp:cloudbuild/trigger:Trigger",
  // Internal ones; an external one would cost.
  "gcp:compute/address:Address",
  "gcp:compute/firewall:Firewall",
  "gcp:compute/network:Network",
  "gcp:compute/route:Route",
  "gcp:compute/subnetwork:Subnetwork",
  "gcp:compute/subnetworkIAMMember:SubnetworkIAMMember",
  "gcp:iam/workloadIdentityPool:WorkloadIdentityPool",
  "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
  "gcp:logging/metric:Metric",
  "gcp:monitoring/dashboard:Dashboard",
  "gcp:monitoring/notificationChannel:NotificationChannel",
  "gcp:projects/iAMCustomRole:IAMCustomRole",
  "gcp:projects/iAMMember:IAMMember",
  "gcp:projects/service:Service",
  "gcp:projects/serviceIdentity:ServiceIdentity",
  "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember",
  "gcp:pubsub/topicIAMMember:TopicIAMMember",
  "gcp:secretmanager/secretIamMember:SecretIamMember",
  "gcp:serviceaccount/account:Account",
  "gcp:serviceaccount/iAMMember:IAMMember",
  "gcp:storage/bucketIAMMember:BucketIAMMember",
]);

/** What costs by what is done with it, and next to nothing here without traffic. */
const byUse: Readonly<Record<string, string>> = {
  "gcp:firestore/database:Database": "Datastore: reads, writes, stored data",
  "gcp:pubsub/subscription:Subscription": "Pub/Sub: bytes",
  "gcp:pubsub/topic:Topic": "Pub/Sub: bytes",
  "gcp:storage/bucket:Bucket": "Cloud Storage: archives, a few MB each",
  "gcp:storage/bucketObject:BucketObject": "Cloud Storage: archives, a few MB each",
};

const count = z.number();
const standard = z.looseObject({
  service: z.string(),
  instanceClass: z.string(),
  automaticScaling: z
    .looseObject({
      standardSchedulerSettings: z.looseObject({ minInstances: count, maxInstances: count }),
    })
    .optional(),
  manualScaling: z.looseObject({ instances: count }).optional(),
});
const flexible = z.looseObject({
  service: z.string(),
  resources: z.looseObject({ cpu: count, memoryGb: count, diskGb: count }),
  automaticScaling: z
    .looseObject({ minTotalInstances: count, maxTotalInstances: count })
    .optional(),
  manualScaling: z.looseObject({ instances: count }).optional(),
});
const machine = z.looseObject({
  machineType: z.string(),
  bootDisk: z.looseObject({ initializeParams: z.looseObject({ size: count, type: z.string() }) }),
});
const disk = z.looseObject({ size: count, type: z.string() });
const connector = z.looseObject({
  machineType: z.string(),
  minInstances: count,
  maxInstances: count,
});
const policy = z.looseObject({ conditions: z.array(z.unknown()) });
const probe = z.looseObject({ period: z.string() });

/**
 * @param region of the machines, e.g. `us-central1`
 * @throws Error for a type of resource of which nobody has said whether it costs something
 */
export function estimate(resources: readonly Declared[], region: string): CostLine[] {
  const of = (type: string): Declared[] => resources.filter((each) => each.type === type);
  const priced = new Set<string>();
  const all = <T>(type: string, schema: z.ZodType<T>): T[] => {
    priced.add(type);
    return of(type).map(({ inputs }) => schema.parse(inputs));
  };
  const lines: CostLine[] = [];
  const add = (what: string, assumption: string, ...parts: readonly Part[]): void => {
    lines.push({ what, ...sum(parts, region, assumption) });
  };

  const machines = all("gcp:compute/instance:Instance", machine);
  for (const [type, same] of Map.groupBy(machines, ({ machineType }) => machineType)) {
    add(`${same.length} × NATS machine ${type}`, "runs all the time; no commitment", [
      type,
      same.length * hours,
    ]);
  }
  const boot = machines.map(({ bootDisk }) => bootDisk.initializeParams);
  const disks = [...boot, ...all("gcp:compute/disk:Disk", disk)];
  for (const [type, same] of Map.groupBy(disks, ({ type: kind }) => kind)) {
    const gb = same.reduce((total, { size }) => total + size, 0);
    add(`disks of NATS, ${gb} GB ${type}`, "boot and data disks, full or empty", [type, gb]);
  }
  for (const { machineType, minInstances, maxInstances } of all(
    "gcp:vpcaccess/connector:Connector",
    connector,
  )) {
    add(
      `connector, ${minInstances} × ${machineType}`,
      `the least there are; up to ${maxInstances} under load, and never fewer again`,
      [machineType, minInstances * hours],
    );
  }
  for (const { service, resources: size, ...scaling } of all(
    "gcp:appengine/flexibleAppVersion:FlexibleAppVersion",
    flexible,
  )) {
    const least =
      scaling.automaticScaling?.minTotalInstances ?? scaling.manualScaling?.instances ?? 0;
    const most = scaling.automaticScaling?.maxTotalInstances ?? least;
    add(
      `${service}, flexible, ${least} × ${size.cpu} CPU, ${size.memoryGb} GB`,
      `the least there are; up to ${most} under load, and twice as many during a deployment`,
      ["flexibleCore", least * size.cpu * hours],
      ["flexibleMemory", least * size.memoryGb * hours],
      ["flexibleDisk", least * size.diskGb],
    );
  }
  let replicas = 0;
  for (const { service, instanceClass, automaticScaling, manualScaling } of all(
    "gcp:appengine/standardAppVersion:StandardAppVersion",
    standard,
  )) {
    const settings = automaticScaling?.standardSchedulerSettings;
    const least = settings?.minInstances ?? manualScaling?.instances ?? 0;
    const most = settings?.maxInstances ?? least;
    if (manualScaling !== undefined) replicas += manualScaling.instances;
    const factor = classFactors[instanceClass];
    add(
      `${service}, standard, ${least} × ${instanceClass}`,
      manualScaling !== undefined
        ? "runs all the time; the free 9 hours a day of class B1 are not taken off"
        : least === 0
          ? `sleeps without requests; up to ${most} under load`
          : `the least there are; up to ${most} under load; the free 28 hours a day of class F1 are not taken off`,
      factor === undefined ? [instanceClass, least] : ["standardInstance", least * factor * hours],
    );
  }
  const secrets = all("gcp:secretmanager/secret:Secret", z.looseObject({})).length;
  add(
    `${secrets} secrets`,
    `one active version each; that ${free.secretVersions} are free in a billing account is not taken off, for its environments share them; old versions cost until they are destroyed`,
    ["secretVersion", secrets],
  );
  all("gcp:artifactregistry/repository:Repository", z.looseObject({}));
  add(
    "images in Artifact Registry",
    `2 GB, of which ${free.imageGb} GB are free: ten images of ws, which share their base, and that of NATS`,
    ["image", 2 - free.imageGb],
  );
  lines.push(...observed());
  const unknown = resources
    .map(({ type }) => type)
    .filter((type) => !priced.has(type) && !freeTypes.has(type) && byUse[type] === undefined);
  if (unknown.length > 0) {
    throw new Error(
      `nobody has said what these cost, in scripts/costs/estimate.ts: ${[...new Set(unknown)].join(", ")}`,
    );
  }
  for (const use of new Set(resources.flatMap(({ type }) => byUse[type] ?? []))) {
    lines.push({ what: use, usd: 0, assumption: "by use; without traffic what is free is enough" });
  }
  return lines;

  function observed(): CostLine[] {
    const gateways = of("gcp:appengine/flexibleAppVersion:FlexibleAppVersion").reduce(
      (total, { inputs }) =>
        total + (flexible.parse(inputs).automaticScaling?.minTotalInstances ?? 1),
      0,
    );
    const logGib = ((gateways + replicas) * minutes * 1_000) / 1024 ** 3;
    const metrics = of("gcp:logging/metric:Metric");
    const perInstance = metrics.filter(({ inputs }) =>
      JSON.stringify(inputs).includes('"instance"'),
    );
    const distributions = metrics.filter(({ inputs }) => inputs["valueExtractor"] !== undefined);
    const ofGateways = distributions.filter(({ inputs }) =>
      String(inputs["filter"]).includes("gateway"),
    );
    // A series for each zone of a gateway, one for all of m, and one for each instance where it is a label.
    const series =
      ofGateways.length * gateways +
      (distributions.length - ofGateways.length - perInstance.length) +
      perInstance.length * replicas;
    const mib = (series * minutes * 80) / 1024 ** 2;
    const conditions = all("gcp:monitoring/alertPolicy:AlertPolicy", policy).reduce(
      (total, { conditions: some }) => total + some.length,
      0,
    );
    const requests = all("gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig", probe).reduce(
      (total, { period }) => total + (5 * hours * 3_600) / Number.parseInt(period, 10),
      0,
    );
    const result: CostLine[] = [];
    const put = (what: string, assumption: string, ...parts: readonly Part[]): void => {
      result.push({ what, ...sum(parts, region, assumption) });
    };
    put(
      `figures in the logs, ${logGib.toFixed(2)} GiB`,
      `a line of 1 kB each minute from ${gateways} gateways and ${replicas} replicas; ${free.logGib} GiB are free in a project, requests and everything else that is logged included`,
      ["log", Math.max(0, logGib - free.logGib)],
    );
    put(
      `metrics of them, ${mib.toFixed(0)} MiB`,
      `${series} time series of 80 bytes a minute; ${free.metricMib} MiB are free in a billing account, for all its environments together, and taken off here as if it had no other`,
      ["metric", Math.max(0, mib - free.metricMib)],
    );
    put(
      `${requests.toLocaleString("en-US")} probes`,
      `each from five places; ${free.probes.toLocaleString("en-US")} are free in a project`,
      ["probe", Math.max(0, requests - free.probes) / 1_000],
    );
    put(
      `${conditions} conditions of alerts`,
      "each looks at two time series a minute; charged since May 2026",
      ["alertCondition", conditions],
      ["alertSeries", (conditions * minutes * 2) / 1_000_000],
    );
    return result;
  }
}

/** A price's name, and how much of it. */
type Part = readonly [name: string, amount: number];

function sum(
  parts: readonly Part[],
  region: string,
  assumption: string,
): Pick<CostLine, "usd" | "assumption"> {
  let usd = 0;
  const standIns = new Set<string>();
  for (const [name, amount] of parts) {
    if (!Object.hasOwn(prices, name)) {
      return { usd: undefined, assumption: `${assumption}; the price of ${name} is unknown` };
    }
    const price: Price = prices[name as PriceName];
    const here = price.usd[region];
    if (here === undefined && amount > 0) standIns.add(region);
    usd += amount * (here ?? price.usd["us-central1"]);
  }
  const remark =
    standIns.size === 0 ? "" : `; at the price of us-central1, that of ${region} is unknown`;
  return { usd, assumption: `${assumption}${remark}` };
}
