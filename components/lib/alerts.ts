/**
 * Who is woken, and by what: pure data. Each alert is something that a person can do something about at
 * night; docs/runbook.md has a section for each, under its id. What is only good to know is on the dashboard.
 */
import { filterOf } from "./log-metrics.ts";
import { deadLetters, mean, onDataDisk, perMinute, platformSeries, total } from "./promql.ts";

/** The stack as far as alerts look at it. */
export interface Watched {
  /** Names of the NATS machines. */
  readonly natsMachines: readonly string[];
  /** How many instances of m there are meant to be; undefined: the stack has no m. */
  readonly replicas: number | undefined;
}

/** When it is told. */
export type Trigger =
  /** As soon as such a line is logged; again after the time at the earliest. */
  | { readonly kind: "log"; readonly filter: string; readonly atMostEvery: string }
  /** When the query has had a result for so long. */
  | { readonly kind: "query"; readonly query: string; readonly duration: string }
  /** When probers in two places or more do not get the answer that they should. */
  | { readonly kind: "uptime" };

export interface Alert {
  /** Also the anchor of its section in docs/runbook.md. */
  readonly id: string;
  readonly title: string;
  /** What it means for those who use the system, in a sentence. */
  readonly meaning: string;
  readonly severity: "CRITICAL" | "ERROR" | "WARNING";
  readonly trigger: Trigger;
}

/** Responses of these services count as errors from 500 on; the site has none, and ws has the gateway's own alerts. */
const answering = ["add", "m"] as const;

/** @param watched decides which alerts there are: one on what does not exist could never end */
export function alertsOf(watched: Watched): readonly Alert[] {
  const { natsMachines, replicas } = watched;
  const services = answering.filter((service) => service !== "m" || replicas !== undefined);
  const machines = { instance_name: `=~"${natsMachines.join("|")}"` };
  const dataDisk = { ...machines, ...onDataDisk };
  return [
    {
      id: "front-door-does-not-answer",
      title: "The front door does not answer",
      meaning: "A path of the application does not give the answer that it should.",
      severity: "CRITICAL",
      trigger: { kind: "uptime" },
    },
    {
      id: "gateway-without-nats",
      title: "A gateway has no NATS and closes its websockets",
      meaning: "Every websocket of a gateway is told to reconnect. No message reaches it.",
      severity: "CRITICAL",
      trigger: {
        kind: "log",
        filter: filterOf({ message: "NATS is away, closing connections" }),
        atMostEvery: "900s",
      },
    },
    {
      id: "nats-machine-down",
      title: "A NATS machine is down",
      meaning:
        natsMachines.length === 1
          ? "There is no NATS: add answers 503, and websockets are closed."
          : "The others go on; when one more goes, streams take nothing any more.",
      severity: natsMachines.length === 1 ? "CRITICAL" : "ERROR",
      trigger: {
        kind: "query",
        query: `(count(${platformSeries("compute.googleapis.com/instance/uptime_total", machines)}) or vector(0)) < ${natsMachines.length}`,
        duration: "300s",
      },
    },
    {
      id: "nats-disk-filling",
      title: "The data disk of a NATS machine fills",
      meaning: "At 85% JetStream takes nothing any more, and publications with a history fail.",
      severity: "WARNING",
      trigger: {
        kind: "query",
        query: `sum by (instance_name)(${platformSeries("compute.googleapis.com/guest/disk/bytes_used", { ...dataDisk, state: "used" })}) / sum by (instance_name)(${platformSeries("compute.googleapis.com/guest/disk/bytes_used", dataDisk)}) > 0.7`,
        duration: "600s",
      },
    },
    {
      id: "server-errors",
      title: "Requests are answered with errors of the server",
      meaning: "More than one request of twenty to add or m fails.",
      severity: "ERROR",
      trigger: {
        kind: "query",
        // A share alone would wake somebody for one request of two.
        query: `(${responses(services, "5..")} / ${responses(services)} > 0.05) and (${responses(services, "5..")} > 10)`,
        duration: "300s",
      },
    },
    {
      id: "slow-consumers",
      title: "Many websockets are closed for being slow",
      meaning: "Clients cannot keep up with what is sent to them, and lose their connection.",
      severity: "WARNING",
      trigger: {
        kind: "query",
        // A phone that goes into a tunnel is one, too.
        query: `${total("gateway_slow_closes", "10m")} > 20`,
        duration: "0s",
      },
    },
    {
      id: "failed-recoveries",
      title: "Clients that return cannot be given what they missed",
      meaning: "They are told so, and have to load anew; a history may have been lost.",
      severity: "WARNING",
      trigger: {
        kind: "query",
        query: `(${total("gateway_failed_recoveries", "15m")} / ${total("gateway_recoveries", "15m")} > 0.05) and (${total("gateway_failed_recoveries", "15m")} > 20)`,
        duration: "0s",
      },
    },
    ...(replicas === undefined ? [] : replicaAlerts(replicas)),
  ];
}

function replicaAlerts(replicas: number): readonly Alert[] {
  return [
    {
      id: "unconfirmed-posts",
      title: "Writes of M are not confirmed in time",
      meaning: "POSTs are answered 202: they are committed, but not on every replica yet.",
      severity: "ERROR",
      trigger: {
        kind: "query",
        query: `${total("m_unconfirmed", "10m")} > 5`,
        duration: "0s",
      },
    },
    {
      id: "replica-behind",
      title: "A replica of M is behind or does not serve",
      meaning: "Some reads are refused or wait; with none that serves, all of them.",
      severity: "ERROR",
      trigger: {
        kind: "query",
        // Under load a line may meet a replica that is a revision behind, but not two lines of three.
        // Each line that says so counts for one, and a line may fall out of the ten minutes.
        query: `(${mean("m_missing", "3m", ["instance"])} > 0.5) or (${perMinute("m_serving", 10)} < ${replicas - 0.5})`,
        duration: "600s",
      },
    },
    {
      id: "dead-letters",
      title: "News of M could not be delivered to an instance",
      meaning: "An instance refused the push of a revision for minutes.",
      severity: "WARNING",
      trigger: {
        kind: "query",
        query: `sum by (subscription_id)(${deadLetters}) > 0`,
        duration: "0s",
      },
    },
  ];
}

function responses(services: readonly string[], code?: string): string {
  const series = platformSeries("appengine.googleapis.com/http/server/response_count", {
    module_id: `=~"${services.join("|")}"`,
    ...(code === undefined ? {} : { response_code: `=~"${code}"` }),
  });
  return `sum by (module_id)(increase(${series}[5m]))`;
}

/** Where a person reads on: a page, or a place in the repository. */
export function runbookPlace(id: string, runbookUrl: string | undefined): string {
  return `${runbookUrl ?? "docs/runbook.md"}#${id}`;
}

/** What the notification says, in Markdown. */
export function documentationOf(alert: Alert, runbookUrl: string | undefined): string {
  const place = runbookPlace(alert.id, runbookUrl);
  const link =
    runbookUrl === undefined ? `\`${place}\` in the project's repository` : `[${place}](${place})`;
  return `${alert.meaning}\n\nWhat to look at, what to do and how to see that it is over: ${link}`;
}
