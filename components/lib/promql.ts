/** Queries of Cloud Monitoring in PromQL, whose names it derives from its own: pure functions. */
import type { LogMetricName } from "./log-metrics.ts";

/** Label → value, or the whole of a matcher, for example `=~"5.."`. */
export type Matchers = Readonly<Record<string, string>>;

/**
 * Metrics of Google's own that are looked at, by the resource that has them; from its lists of metrics. A
 * query must say which kind of resource it means wherever more than one kind has the metric.
 */
const platform = {
  gae_app: [
    "appengine.googleapis.com/http/server/response_count",
    "appengine.googleapis.com/http/server/response_latencies",
    "appengine.googleapis.com/system/instance_count",
    "appengine.googleapis.com/flex/cpu/utilization",
  ],
  gce_instance: [
    "compute.googleapis.com/instance/cpu/utilization",
    "compute.googleapis.com/instance/uptime_total",
    "compute.googleapis.com/guest/disk/bytes_used",
  ],
  pubsub_subscription: [
    "pubsub.googleapis.com/subscription/dead_letter_message_count",
    "pubsub.googleapis.com/subscription/oldest_unacked_message_age",
  ],
  vpc_access_connector: [
    "vpcaccess.googleapis.com/connector/received_bytes_count",
    "vpcaccess.googleapis.com/connector/sent_bytes_count",
  ],
} as const;

type Resource = keyof typeof platform;
export type PlatformMetric = (typeof platform)[Resource][number];

const resourceOf = new Map<string, Resource>(
  Object.entries(platform).flatMap(([resource, metrics]) =>
    metrics.map((metric): [string, Resource] => [metric, resource as Resource]),
  ),
);

/** Machines of NATS, whose data disk is mounted with noatime; the system's own is read-only and always full. */
export const onDataDisk: Matchers = { mount_option: '=~".*noatime.*"' };

/** The subscriptions that bring news to the replicas of m. */
export const ofReplicas: Matchers = { subscription_id: '=~"m-.*"' };

/** The time series of a metric of Google's. */
export function platformSeries(
  metric: PlatformMetric,
  matchers: Matchers = {},
  suffix: "" | "_bucket" = "",
): string {
  return selector(`${promName(metric)}${suffix}`, resourceOf.get(metric) ?? "", matchers);
}

/** The time series of a metric that is made of logs. */
export function logSeries(
  name: LogMetricName,
  part: "sum" | "count" | undefined,
  matchers: Matchers = {},
): string {
  const suffix = part === undefined ? "" : `_${part}`;
  return selector(`${promName(logMetricType(name))}${suffix}`, "gae_app", matchers);
}

/** The metric's name in Cloud Monitoring. */
export function logMetricType(name: LogMetricName): string {
  return `logging.googleapis.com/user/${name}`;
}

/** How many messages to replicas of m were given up in ten minutes. */
export const deadLetters = `increase(${platformSeries("pubsub.googleapis.com/subscription/dead_letter_message_count", ofReplicas)}[10m])`;

/** How many there were within the time, as the lines said. */
export function total(name: LogMetricName, within: string, by: readonly string[] = []): string {
  return `sum${group(by)}(increase(${logSeries(name, "sum")}[${within}]))`;
}

/** What all instances together said in a minute, in the mean of some: each of them says it once. */
export function perMinute(name: LogMetricName, minutes: number): string {
  return `${total(name, `${minutes}m`)} / ${minutes}`;
}

/** The mean of what the lines said within the time. */
export function mean(name: LogMetricName, within: string, by: readonly string[] = []): string {
  return `${total(name, within, by)} / sum${group(by)}(increase(${logSeries(name, "count")}[${within}]))`;
}

/** ` by (a, b)`, or nothing. */
export function group(by: readonly string[]): string {
  return by.length === 0 ? "" : ` by (${by.join(", ")})`;
}

/** The first slash becomes a colon, everything else that PromQL does not know an underscore. */
function promName(type: string): string {
  return type.replace("/", ":").replaceAll(/[^A-Za-z0-9_:]/g, "_");
}

function selector(name: string, resource: string, matchers: Matchers): string {
  const all = { monitored_resource: resource, ...matchers };
  const texts = Object.entries(all).map(([label, value]) =>
    /^(=~|!~|!=)"/.test(value) ? `${label}${value}` : `${label}="${value}"`,
  );
  return `${name}{${texts.join(",")}}`;
}
