import * as logging from "@pulumi/gcp/logging/index.js";
import * as monitoring from "@pulumi/gcp/monitoring/index.js";
import type * as inputs from "@pulumi/gcp/types/input.js";
import * as pulumi from "@pulumi/pulumi";
import { type Alert, alertsOf, documentationOf, runbookPlace, type Trigger } from "./lib/alerts.ts";
import { refuseProblems } from "./lib/arguments.ts";
import { dashboardOf } from "./lib/dashboard.ts";
import { labelsOf } from "./lib/labels.ts";
import { logMetricInputs, logMetrics } from "./lib/log-metrics.ts";
import { childOf } from "./lib/options.ts";
import { type UptimePath, uptimePaths, type UptimeService } from "./lib/uptime.ts";

/** Who is told, and where they read on. */
export interface AlertSettings {
  /** Gets an e-mail for each alert. */
  readonly email?: string;
  /** Channels that exist already, `projects/<project>/notificationChannels/<number>`. */
  readonly channels?: readonly string[];
  /** Address of docs/runbook.md as people read it; its sections are anchors there. */
  readonly runbookUrl?: string;
}

export interface ObservabilityArgs {
  /** The project's id. */
  readonly project: string;
  /** The host of the front door. */
  readonly defaultHostname: pulumi.Input<string>;
  /** Names of the NATS machines. */
  readonly natsMachines: readonly string[];
  /** How many instances of m there are; left out where there is no m. */
  readonly replicas?: number;
  /** Services whose instances never sleep: a probe each minute would keep others awake, and cost. */
  readonly awake: readonly UptimeService[];
  /** Without it there are incidents, and nobody is told. */
  readonly alerts?: AlertSettings;
}

interface Probe {
  readonly path: UptimePath;
  readonly check: monitoring.UptimeCheckConfig;
}

/**
 * How an operator sees the stack: metrics of what the apps log, a dashboard, probes from outside, and
 * alerts, each with a section in docs/runbook.md.
 */
export class Observability extends pulumi.ComponentResource {
  /** Names of the channels that are told. */
  readonly channels: readonly pulumi.Input<string>[];
  readonly #name: string;
  readonly #args: ObservabilityArgs;
  readonly #opts: pulumi.ComponentResourceOptions | undefined;

  constructor(name: string, args: ObservabilityArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProblems("Observability", name, alertProblems(args.alerts));
    super("appengine-realtime:operations:Observability", name, {}, opts);
    this.#name = name;
    this.#args = args;
    this.#opts = opts;
    const { replicas, natsMachines, alerts = {} } = args;

    this.channels = this.#channels(alerts);
    const metrics = this.#metrics(replicas !== undefined);
    const probes = this.#probes();
    for (const alert of alertsOf({ natsMachines, replicas })) this.#policy(alert, metrics, probes);
    this.#dashboard(replicas !== undefined, alerts.runbookUrl);
    this.registerOutputs({});
  }

  #child(extra?: pulumi.CustomResourceOptions): pulumi.CustomResourceOptions {
    return childOf(this, this.#opts, extra);
  }

  #channels({ email, channels = [] }: AlertSettings): readonly pulumi.Input<string>[] {
    if (email === undefined) return channels;
    const { project } = this.#args;
    const channel = new monitoring.NotificationChannel(
      `${this.#name}-email`,
      {
        project,
        displayName: "Operators, by e-mail",
        type: "email",
        labels: { email_address: email },
        userLabels: labelsOf(this.#name),
      },
      this.#child(),
    );
    return [channel.name, ...channels];
  }

  #metrics(replicated: boolean): readonly logging.Metric[] {
    return logMetrics({ replicated }).map(
      (metric) =>
        new logging.Metric(
          `${this.#name}-${metric.name.replaceAll("_", "-")}`,
          { project: this.#args.project, ...logMetricInputs(metric) },
          // One name cannot be there twice.
          this.#child({ deleteBeforeReplace: true }),
        ),
    );
  }

  #probes(): readonly Probe[] {
    const { project, defaultHostname, awake } = this.#args;
    return uptimePaths(awake).map((path) => ({
      path,
      check: new monitoring.UptimeCheckConfig(
        `${this.#name}-${path.service}-answers`,
        {
          project,
          displayName: `${path.service}: GET ${path.path}`,
          monitoredResource: {
            type: "uptime_url",
            labels: { project_id: project, host: defaultHostname },
          },
          httpCheck: {
            requestMethod: "GET",
            path: path.path,
            port: 443,
            useSsl: true,
            validateSsl: true,
            acceptedResponseStatusCodes: [{ statusValue: path.status }],
          },
          contentMatchers: [{ content: path.contains, matcher: "CONTAINS_STRING" }],
          // Five places; what fails from one of them only is that place's trouble.
          selectedRegions: ["USA", "EUROPE", "ASIA_PACIFIC"],
          checkerType: "STATIC_IP_CHECKERS",
          period: "60s",
          timeout: "10s",
          userLabels: labelsOf(this.#name),
        },
        this.#child(),
      ),
    }));
  }

  #policy(alert: Alert, metrics: readonly logging.Metric[], probes: readonly Probe[]): void {
    const { project, alerts: { runbookUrl } = {} } = this.#args;
    const conditions = conditionsOf(alert, probes);
    if (conditions.length === 0) return;
    new monitoring.AlertPolicy(
      `${this.#name}-${alert.id}`,
      {
        project,
        displayName: alert.title,
        severity: alert.severity,
        combiner: "OR",
        conditions,
        alertStrategy: {
          // The least there is: an incident without new trouble ends by itself.
          autoClose: "1800s",
          ...(alert.trigger.kind === "log"
            ? { notificationRateLimit: { period: alert.trigger.atMostEvery } }
            : {}),
        },
        documentation: {
          content: documentationOf(alert, runbookUrl),
          mimeType: "text/markdown",
          subject: `${alert.severity}: ${alert.title} (${project})`,
          ...(runbookUrl === undefined
            ? {}
            : { links: [{ displayName: "Runbook", url: runbookPlace(alert.id, runbookUrl) }] }),
        },
        notificationChannels: [...this.channels],
        userLabels: labelsOf(this.#name),
      },
      this.#child({ dependsOn: [...metrics] }),
    );
  }

  #dashboard(replicated: boolean, runbookUrl: string | undefined): void {
    const { project } = this.#args;
    const dashboard = dashboardOf({
      title: `Realtime and replicated memory (${project})`,
      project,
      replicated,
      runbook: runbookUrl ?? "docs/runbook.md",
    });
    new monitoring.Dashboard(
      `${this.#name}-dashboard`,
      {
        project,
        dashboardJson: JSON.stringify({ ...dashboard, labels: dashboardLabels(this.#name) }),
      },
      this.#child(),
    );
  }
}

/** A dashboard's labels are in its JSON, and only their keys are shown. */
function dashboardLabels(component: string): Record<string, string> {
  return Object.fromEntries(
    Object.values(labelsOf(component)).map((value): [string, string] => [value, ""]),
  );
}

function conditionsOf(
  { id, title, trigger }: Alert,
  probes: readonly Probe[],
): inputs.monitoring.AlertPolicyCondition[] {
  switch (trigger.kind) {
    case "log":
      // Of no metric, which nobody could name before it had been there for ten minutes.
      return [{ displayName: title, conditionMatchedLog: { filter: trigger.filter } }];
    case "query":
      return [{ displayName: title, conditionPrometheusQueryLanguage: rule(id, trigger) }];
    case "uptime":
      return probes.map(({ path, check }) => ({
        displayName: `${path.service} does not answer GET ${path.path}`,
        conditionThreshold: {
          filter: pulumi.interpolate`resource.type="uptime_url" AND metric.type="monitoring.googleapis.com/uptime_check/check_passed" AND metric.labels.check_id="${check.uptimeCheckId}"`,
          aggregations: [
            {
              alignmentPeriod: "300s",
              perSeriesAligner: "ALIGN_NEXT_OLDER",
              crossSeriesReducer: "REDUCE_COUNT_FALSE",
              groupByFields: ["resource.label.*"],
            },
          ],
          comparison: "COMPARISON_GT",
          thresholdValue: 1,
          duration: "120s",
          trigger: { count: 1 },
        },
      }));
  }
}

function rule(id: string, { query, duration }: Extract<Trigger, { kind: "query" }>) {
  return {
    query,
    duration,
    evaluationInterval: "60s",
    ruleGroup: "appengine-realtime",
    alertRule: id.replaceAll("-", "_"),
    // A metric that is made of logs is known ten minutes after its declaration, or with the first line. Without
    // this the first deployment would end with "Cannot find metric(s) that match type …".
    disableMetricValidation: true,
  };
}

/** What is wrong with the settings; empty when nothing is. */
export function alertProblems({ email, channels = [], runbookUrl }: AlertSettings = {}): string[] {
  return [
    ...(email === undefined || isEmail(email) ? [] : [`alerts.email: "${email}" is no address`]),
    ...channels
      .filter((channel) => !isChannel(channel))
      .map(
        (channel) =>
          `alerts.channels: "${channel}" is no channel; projects/<project>/notificationChannels/<number>`,
      ),
    ...(runbookUrl === undefined || isRunbookUrl(runbookUrl)
      ? []
      : [`alerts.runbookUrl: "${runbookUrl}" is no page; an https address without #`]),
  ];
}

export function isEmail(text: string): boolean {
  return /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text);
}

export function isChannel(text: string): boolean {
  return /^projects\/[^/\s]+\/notificationChannels\/\d+$/.test(text);
}

export function isRunbookUrl(text: string): boolean {
  return /^https:\/\/[^\s#]+$/.test(text);
}
