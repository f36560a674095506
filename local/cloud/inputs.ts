/** What the local cloud reads of a resource's inputs; the provider has checked them already. */
import { z } from "zod";
import type { Resource } from "../provider/backend.ts";
import { lastSegment } from "../wire/values.ts";
import type { VersionSpec } from "./app-version.ts";
import { natsConfigOf } from "./nats-translate.ts";
import type { NatsNode } from "./nats.ts";
import type { Subscription, Topic } from "./pubsub.ts";
import type { DispatchRule } from "./routing.ts";

const count = z.coerce.number().int().min(0);

const versionInputs = z.object({
  service: z.string(),
  versionId: z.string(),
  runtime: z.string(),
  project: z.string().optional(),
  serviceAccount: z.string().optional(),
  entrypoint: z.object({ shell: z.string() }).optional(),
  deployment: z
    .object({
      zip: z.object({ sourceUrl: z.string() }).optional(),
      container: z.object({ image: z.string() }).optional(),
    })
    .optional(),
  envVariables: z.record(z.string(), z.string()).optional(),
  instanceClass: z.string().optional(),
  manualScaling: z.object({ instances: count }).optional(),
  automaticScaling: z
    .object({
      minTotalInstances: count.optional(),
      standardSchedulerSettings: z.object({ minInstances: count.optional() }).optional(),
    })
    .optional(),
  readinessCheck: z.object({ path: z.string() }).optional(),
  resources: z.object({ memoryGb: z.coerce.number().optional() }).optional(),
  noopOnDestroy: z.boolean().optional(),
  deleteServiceOnDestroy: z.boolean().optional(),
});

const memoryOfClass: Readonly<Record<string, number>> = {
  ...{ F1: 384, F2: 768, F4: 1536, F4_1G: 3072 },
  ...{ B1: 384, B2: 768, B4: 1536, B4_1G: 3072, B8: 3072 },
};

export const standardVersion = "gcp:appengine/standardAppVersion:StandardAppVersion";
export const flexibleVersion = "gcp:appengine/flexibleAppVersion:FlexibleAppVersion";

/** @throws Error that says why this version cannot run on one machine */
export function versionSpec(resource: Resource): VersionSpec {
  const inputs = read(versionInputs, resource);
  const kind = resource.type === flexibleVersion ? "flexible" : "standard";
  const name = `version ${inputs.versionId} of service ${inputs.service}`;
  if (inputs.deployment?.container !== undefined) {
    throw new Error(
      `${name} is deployed from the image ${inputs.deployment.container.image}; the local cloud runs archives, not containers: deploy it from an archive in this stack`,
    );
  }
  const sourceUrl = inputs.deployment?.zip?.sourceUrl;
  if (sourceUrl === undefined) {
    throw new Error(`${name} has no deployment.zip.sourceUrl; the local cloud runs archives only`);
  }
  const project = inputs.project ?? projectOf(resource);
  const automatic = inputs.automaticScaling;
  const minimum =
    kind === "flexible"
      ? // The platform's own default is 2; one machine gains nothing by a second.
        (automatic?.minTotalInstances ?? 1)
      : (automatic?.standardSchedulerSettings?.minInstances ?? 1);
  return {
    service: inputs.service,
    version: inputs.versionId,
    kind,
    runtime: inputs.runtime,
    sourceUrl,
    entrypoint: inputs.entrypoint?.shell ?? "node server.js",
    env: inputs.envVariables ?? {},
    account: inputs.serviceAccount ?? `${project}@appspot.gserviceaccount.com`,
    project,
    manual: inputs.manualScaling !== undefined,
    instances: Math.max(1, inputs.manualScaling?.instances ?? minimum),
    memoryMb:
      kind === "flexible"
        ? Math.round((inputs.resources?.memoryGb ?? 0.6) * 1024)
        : (memoryOfClass[inputs.instanceClass ?? "F1"] ?? 384),
    readinessPath: inputs.readinessCheck?.path,
  };
}

/** What deleting the resource does to the version. */
export function versionEnd(resource: Resource): {
  readonly service: string;
  readonly version: string;
  readonly effect: "nothing" | "delete version" | "delete service";
} {
  const inputs = read(versionInputs, resource);
  const effect = inputs.noopOnDestroy
    ? "nothing"
    : inputs.deleteServiceOnDestroy
      ? "delete service"
      : "delete version";
  return { service: inputs.service, version: inputs.versionId, effect };
}

const instanceInputs = z.object({
  name: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
  networkInterfaces: z.array(z.object({ networkIp: z.string().optional() })).optional(),
  attachedDisks: z.array(z.object({ source: z.string() })).optional(),
});

/** The NATS node that a machine is; undefined for a machine that is none. */
export function natsNode(resource: Resource): NatsNode | undefined {
  const inputs = read(instanceInputs, resource);
  const userData = inputs.metadata?.["user-data"] ?? "";
  const config = natsConfigOf(userData);
  if (config === undefined) return undefined;
  const version = /\/nats:(\d+\.\d+\.\d+)/.exec(userData)?.[1];
  const name = inputs.name ?? lastSegment(resource.id);
  const address = inputs.networkInterfaces?.[0]?.networkIp;
  if (address === undefined) {
    throw new Error(`machine ${name} has no networkInterfaces[0].networkIp: nobody could find it`);
  }
  const disk = inputs.attachedDisks?.[0]?.source;
  return {
    ...{ name, address, config, version },
    disk: disk === undefined ? undefined : lastSegment(disk),
  };
}

export function address(resource: Resource): string | undefined {
  return read(z.object({ address: z.string().optional() }), resource).address;
}

export function bucketObject(resource: Resource): {
  bucket: string;
  name: string;
  source?: unknown;
} {
  return read(
    z.object({ bucket: z.string(), name: z.string(), source: z.unknown().optional() }),
    resource,
  );
}

export function traffic(resource: Resource): { service: string; shares: Map<string, number> } {
  const inputs = read(
    z.object({
      service: z.string(),
      split: z.object({ allocations: z.record(z.string(), z.coerce.number()) }),
    }),
    resource,
  );
  return { service: inputs.service, shares: new Map(Object.entries(inputs.split.allocations)) };
}

export function dispatchRules(resource: Resource): DispatchRule[] {
  const rule = z.object({
    domain: z.string().default("*"),
    path: z.string(),
    service: z.string(),
  });
  return read(z.object({ dispatchRules: z.array(rule) }), resource).dispatchRules;
}

/** True for a database that the Datastore emulator plays. */
export function isDatastore(resource: Resource): boolean {
  return read(z.object({ type: z.string() }), resource).type === "DATASTORE_MODE";
}

export function topic(resource: Resource): Topic {
  const inputs = read(
    z.object({ name: z.string(), messageRetentionDuration: z.string().optional() }),
    resource,
  );
  const { messageRetentionDuration } = inputs;
  return {
    name: `projects/${projectOf(resource)}/topics/${inputs.name}`,
    settings: { messageRetentionDuration },
  };
}

const subscriptionInputs = z.object({
  name: z.string(),
  topic: z.string(),
  ackDeadlineSeconds: count.optional(),
  messageRetentionDuration: z.string().optional(),
  retainAckedMessages: z.boolean().optional(),
  enableMessageOrdering: z.boolean().optional(),
  enableExactlyOnceDelivery: z.boolean().optional(),
  filter: z.string().optional(),
  expirationPolicy: z.object({ ttl: z.string() }).optional(),
  retryPolicy: z
    .object({ minimumBackoff: z.string().optional(), maximumBackoff: z.string().optional() })
    .optional(),
  deadLetterPolicy: z
    .object({ deadLetterTopic: z.string().optional(), maxDeliveryAttempts: count.optional() })
    .optional(),
  pushConfig: z
    .object({
      pushEndpoint: z.string(),
      attributes: z.record(z.string(), z.string()).optional(),
      noWrapper: z.object({ writeMetadata: z.boolean() }).optional(),
      oidcToken: z
        .object({ serviceAccountEmail: z.string(), audience: z.string().optional() })
        .optional(),
    })
    .optional(),
  bigqueryConfig: z.unknown().optional(),
  cloudStorageConfig: z.unknown().optional(),
  messageTransforms: z.unknown().optional(),
});

/** Pub/Sub's own default, which is also how long a push may take. */
const ackDeadlineSeconds = 10;

/** @throws Error for a subscription whose messages would go where nothing stands for it here */
export function subscription(resource: Resource): Subscription {
  const inputs = read(subscriptionInputs, resource);
  for (const key of ["bigqueryConfig", "cloudStorageConfig", "messageTransforms"] as const) {
    if (inputs[key] === undefined || inputs[key] === null) continue;
    throw new Error(
      `${key}: the local cloud has nothing that does it; it pushes, or is pulled from`,
    );
  }
  const project = projectOf(resource);
  const push = inputs.pushConfig;
  const deadline = inputs.ackDeadlineSeconds ?? ackDeadlineSeconds;
  const { retryPolicy, deadLetterPolicy, messageRetentionDuration, filter } = inputs;
  const { retainAckedMessages, enableMessageOrdering, enableExactlyOnceDelivery } = inputs;
  const ttl = inputs.expirationPolicy?.ttl;
  return {
    name: `projects/${project}/subscriptions/${inputs.name}`,
    push: push && {
      target: {
        endpoint: push.pushEndpoint,
        account: push.oidcToken?.serviceAccountEmail,
        audience: push.oidcToken?.audience,
        deadlineMs: deadline * 1000,
      },
      settings: { attributes: push.attributes, noWrapper: push.noWrapper },
    },
    changeable: { ackDeadlineSeconds: deadline, retryPolicy, deadLetterPolicy },
    fixed: {
      topic: inputs.topic.includes("/")
        ? inputs.topic
        : `projects/${project}/topics/${inputs.topic}`,
      ...{ messageRetentionDuration, filter },
      ...{ retainAckedMessages, enableMessageOrdering, enableExactlyOnceDelivery },
      // An empty time means "never" here and is left out there.
      expirationPolicy: ttl === "" ? {} : inputs.expirationPolicy,
    },
  };
}

/** `projects/<p>/secrets/<id>` */
export function secretName(resource: Resource): string {
  const { secretId } = read(z.object({ secretId: z.string() }), resource);
  return `projects/${projectOf(resource)}/secrets/${secretId}`;
}

export function secretGrant(resource: Resource): { secret: string; role: string; member: string } {
  const inputs = read(
    z.object({ secretId: z.string(), role: z.string(), member: z.string() }),
    resource,
  );
  return { secret: inputs.secretId, role: inputs.role, member: inputs.member };
}

function projectOf(resource: Resource): string {
  const { project } = read(z.object({ project: z.string().optional() }), {
    ...resource,
    inputs: { ...resource.outputs, ...resource.inputs },
  });
  return project ?? /^(?:projects|apps)\/([^/]+)\//.exec(resource.id)?.[1] ?? "local";
}

function read<T>(schema: z.ZodType<T>, resource: Resource): T {
  const result = schema.safeParse(resource.inputs);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    (issue) => `${issue.path.map(String).join(".")}: ${issue.message}`,
  );
  throw new Error(`${resource.urn} cannot be read: ${problems.join("; ")}`);
}
