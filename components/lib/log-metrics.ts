/**
 * Metrics that Cloud Logging makes of what the apps log: pure data. The instances of App Engine cannot be
 * scraped, so each gateway and each replica writes its figures once a minute (apps/lib/figures.ts).
 * test/observability runs the code that logs and holds every text and every field here against it.
 */

/** What a metric is made of. */
export interface LogMetric {
  /** Also in `logging.googleapis.com/user/<name>`: small letters and "_", so that PromQL keeps it as it is. */
  readonly name: string;
  readonly description: string;
  /** The constant text of the log line. */
  readonly message: string;
  /** The line's field with the number; absent: the lines are counted. */
  readonly field?: string;
  readonly unit: string;
  /** Label → the line's field. Every value makes a time series of its own, so they are few. */
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * The instance, as App Engine calls it. A time series costs what 3.3 MiB of metrics cost a month, so only what
 * means nothing in the sum of all instances has it.
 */
const perInstance = { instance: "instance" } as const;
const perService = { service: "serviceContext.service" } as const;

const gateway = { message: "gateway figures", labels: {} } as const;
const replica = { message: "replica figures", labels: {} } as const;

const gatewayMetrics = [
  {
    ...gateway,
    name: "gateway_connections",
    description: "Open websockets",
    field: "connections",
    unit: "{connection}",
  },
  {
    ...gateway,
    name: "gateway_messages_in",
    description: "Messages that NATS brought, once for each channel and gateway",
    field: "messagesIn",
    unit: "{message}",
  },
  {
    ...gateway,
    name: "gateway_messages_out",
    description: "Copies of them that went to websockets",
    field: "messagesOut",
    unit: "{message}",
  },
  {
    ...gateway,
    name: "gateway_slow_closes",
    description: "Websockets that were closed because too much was waiting for them",
    field: "slowCloses",
    unit: "{connection}",
  },
  {
    ...gateway,
    name: "gateway_recoveries",
    description: "Subscriptions that asked for what they had missed",
    field: "recoveries",
    unit: "{subscription}",
  },
  {
    ...gateway,
    name: "gateway_failed_recoveries",
    description: "Those of them that could not be given all of it",
    field: "failedRecoveries",
    unit: "{subscription}",
  },
  {
    ...gateway,
    name: "gateway_nats_away_ms",
    description: "Time without a connection to NATS",
    field: "natsAwayMs",
    unit: "ms",
  },
] as const satisfies readonly LogMetric[];

const replicaMetrics = [
  {
    ...replica,
    name: "m_revision",
    description: "The revision that a replica has",
    field: "rev",
    labels: perInstance,
    unit: "{revision}",
  },
  {
    ...replica,
    name: "m_missing",
    description: "Revisions that a replica knows of and does not have",
    field: "missing",
    labels: perInstance,
    unit: "{revision}",
  },
  {
    ...replica,
    name: "m_serving",
    description: "1 for a replica that may answer reads, 0 for one that may not",
    field: "serving",
    unit: "1",
  },
  {
    ...replica,
    name: "m_posts",
    description: "POSTs that committed something",
    field: "posts",
    unit: "{request}",
  },
  {
    ...replica,
    name: "m_unconfirmed",
    description: "Those of them that were answered before every replica had the revision",
    field: "unconfirmed",
    unit: "{request}",
  },
  {
    ...replica,
    name: "m_confirm_ms",
    description: "From a commit until every replica has it: the mean of a minute",
    field: "confirmMs",
    unit: "ms",
  },
  {
    ...replica,
    name: "m_slowest_ms",
    description: "The same, of the slowest POST of a minute",
    field: "slowestMs",
    unit: "ms",
  },
  {
    ...replica,
    name: "m_nats_away_ms",
    description: "Time without a connection to NATS",
    field: "natsAwayMs",
    unit: "ms",
  },
] as const satisfies readonly LogMetric[];

const sharedMetrics = [
  {
    name: "nats_losses",
    description: "Connections to NATS that broke",
    message: "NATS connection lost",
    unit: "{connection}",
    labels: perService,
  },
] as const satisfies readonly LogMetric[];

export type LogMetricName = (
  (typeof gatewayMetrics)[number] | (typeof replicaMetrics)[number] | (typeof sharedMetrics)[number]
)["name"];

/**
 * @param replicated whether the stack has m
 */
export function logMetrics({ replicated }: { replicated: boolean }): readonly LogMetric[] {
  return [...sharedMetrics, ...gatewayMetrics, ...(replicated ? replicaMetrics : [])];
}

/** Which log entries a metric is made of, in the language of Cloud Logging. */
export function filterOf({ message }: Pick<LogMetric, "message">): string {
  return `resource.type="gae_app" AND jsonPayload.message="${message}"`;
}

/** What `gcp.logging.Metric` takes, but for the project. */
export interface LogMetricInputs {
  readonly name: string;
  readonly description: string;
  readonly filter: string;
  readonly metricDescriptor: {
    readonly metricKind: "DELTA";
    readonly valueType: "INT64" | "DISTRIBUTION";
    readonly unit: string;
    readonly labels: { readonly key: string; readonly valueType: "STRING" }[];
  };
  readonly labelExtractors: Record<string, string>;
  readonly valueExtractor?: string;
  readonly bucketOptions?: {
    readonly exponentialBuckets: {
      readonly numFiniteBuckets: number;
      readonly growthFactor: number;
      readonly scale: number;
    };
  };
}

/**
 * A metric made of logs counts lines or distributes numbers; there is no gauge. Of a distribution with one
 * line a minute the mean is the gauge, and the sum is the count.
 */
export function logMetricInputs(metric: LogMetric): LogMetricInputs {
  const { name, description, field, unit } = metric;
  const labels = Object.entries(metric.labels);
  return {
    name,
    description,
    filter: filterOf(metric),
    metricDescriptor: {
      metricKind: "DELTA",
      valueType: field === undefined ? "INT64" : "DISTRIBUTION",
      unit,
      labels: labels.map(([key]) => ({ key, valueType: "STRING" })),
    },
    labelExtractors: Object.fromEntries(
      labels.map(([key, from]) => [key, `EXTRACT(jsonPayload.${from})`]),
    ),
    ...(field === undefined
      ? {}
      : {
          valueExtractor: `EXTRACT(jsonPayload.${field})`,
          // Only sum and count are looked at, but a distribution has to have some: from 1 to 2^40.
          bucketOptions: {
            exponentialBuckets: { numFiniteBuckets: 40, growthFactor: 2, scale: 1 },
          },
        }),
  };
}
