/** The dashboard of a stack, as the JSON that Cloud Monitoring takes: a pure function. */
import {
  deadLetters,
  logSeries,
  mean,
  ofReplicas,
  onDataDisk,
  perMinute,
  platformSeries,
  total,
} from "./promql.ts";

export interface DashboardArgs {
  readonly title: string;
  readonly project: string;
  /** Whether the stack has m. */
  readonly replicated: boolean;
  /** Page of the runbook, or where it is in the repository. */
  readonly runbook: string;
}

interface Line {
  readonly query: string;
  /** What the legend says; left out where there is a line for each of its labels' values, which it then shows. */
  readonly legend?: string;
}

interface Chart {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly unit?: string;
}

interface Section {
  readonly title: string;
  readonly text: string;
  readonly charts: readonly Chart[];
}

/** A widget and its place, as the API takes it. */
export interface Tile {
  readonly xPos: number;
  readonly yPos: number;
  readonly width: number;
  readonly height: number;
  readonly widget: Readonly<Record<string, unknown>>;
}

export interface Dashboard {
  readonly displayName: string;
  readonly mosaicLayout: { readonly columns: number; readonly tiles: readonly Tile[] };
}

const columns = 12;
const chartWidth = 4;
const chartHeight = 4;
const textHeight = 1;

const gateway: Section = {
  title: "Gateway",
  text: "What each instance of ws says of itself once a minute.",
  charts: [
    {
      title: "Open websockets",
      lines: [{ query: perMinute("gateway_connections", 5), legend: "websockets" }],
    },
    {
      title: "Messages per second",
      lines: [
        { query: `${total("gateway_messages_in", "5m")} / 300`, legend: "in, from NATS" },
        { query: `${total("gateway_messages_out", "5m")} / 300`, legend: "out, to websockets" },
      ],
    },
    {
      title: "Closed for being slow, in 10 minutes",
      lines: [{ query: total("gateway_slow_closes", "10m"), legend: "websockets" }],
    },
    {
      title: "Recoveries in 15 minutes",
      lines: [
        { query: total("gateway_recoveries", "15m"), legend: "asked for" },
        { query: total("gateway_failed_recoveries", "15m"), legend: "failed" },
      ],
    },
    {
      title: "CPU of the flexible machines",
      lines: [
        {
          query: platformSeries("appengine.googleapis.com/flex/cpu/utilization", {
            module_id: "ws",
          }),
        },
      ],
    },
  ],
};

function nats(replicated: boolean): Section {
  return {
    title: "NATS",
    text: "What its clients see of it, and its machines.",
    charts: [
      {
        title: "Seconds without NATS in a minute, of all instances",
        lines: [
          { query: `${perMinute("gateway_nats_away_ms", 5)} / 1000`, legend: "ws" },
          ...(replicated
            ? [{ query: `${perMinute("m_nats_away_ms", 5)} / 1000`, legend: "m" }]
            : []),
        ],
        unit: "s",
      },
      {
        title: "Connections that broke, in 10 minutes",
        lines: [
          {
            query: `sum by (service)(increase(${logSeries("nats_losses", undefined)}[10m]))`,
          },
        ],
      },
      {
        title: "CPU of the machines",
        lines: [
          {
            query: platformSeries("compute.googleapis.com/instance/cpu/utilization", {
              instance_name: '=~"nats-.*"',
            }),
          },
        ],
      },
      {
        title: "Data on the disks",
        lines: [
          {
            query: platformSeries("compute.googleapis.com/guest/disk/bytes_used", {
              instance_name: '=~"nats-.*"',
              ...onDataDisk,
              state: "used",
            }),
          },
        ],
        unit: "By",
      },
      {
        title: "Connector, bytes per second",
        lines: (["received", "sent"] as const).map((way) => ({
          query: `sum(rate(${platformSeries(`vpcaccess.googleapis.com/connector/${way}_bytes_count`)}[5m]))`,
          legend: way,
        })),
        unit: "By/s",
      },
    ],
  };
}

const replicatedMemory: Section = {
  title: "Replicated memory",
  text: "What each replica of m says of itself once a minute.",
  charts: [
    {
      title: "Revision of each replica",
      lines: [{ query: mean("m_revision", "3m", ["instance"]) }],
    },
    {
      title: "Revisions that a replica knows of and lacks",
      lines: [{ query: mean("m_missing", "3m", ["instance"]) }],
    },
    {
      title: "Replicas that serve",
      lines: [{ query: perMinute("m_serving", 5), legend: "replicas" }],
    },
    {
      title: "From commit to confirmation",
      lines: [
        { query: mean("m_confirm_ms", "5m"), legend: "mean" },
        { query: mean("m_slowest_ms", "5m"), legend: "slowest of each minute" },
      ],
      unit: "ms",
    },
    {
      title: "POSTs in 10 minutes",
      lines: [
        { query: total("m_posts", "10m"), legend: "committed" },
        { query: total("m_unconfirmed", "10m"), legend: "answered unconfirmed" },
      ],
    },
    {
      title: "Pub/Sub: oldest unacknowledged, dead letters",
      lines: [
        {
          query: `max(${platformSeries("pubsub.googleapis.com/subscription/oldest_unacked_message_age", ofReplicas)})`,
          legend: "oldest, seconds",
        },
        {
          query: `sum(${deadLetters})`,
          legend: "dead letters in 10 minutes",
        },
      ],
    },
  ],
};

const appEngine: Section = {
  title: "App Engine",
  text: "What the platform counts of every service.",
  charts: [
    {
      title: "Responses per second",
      lines: [
        {
          query: `sum by (module_id, response_code)(rate(${platformSeries("appengine.googleapis.com/http/server/response_count")}[5m]))`,
        },
      ],
    },
    {
      title: "Latency, 95th percentile",
      lines: [
        {
          query: `histogram_quantile(0.95, sum by (module_id, le)(rate(${platformSeries("appengine.googleapis.com/http/server/response_latencies", {}, "_bucket")}[5m])))`,
        },
      ],
      unit: "ms",
    },
    {
      title: "Instances of standard services",
      lines: [
        {
          query: `sum by (module_id)(${platformSeries("appengine.googleapis.com/system/instance_count")})`,
        },
      ],
    },
  ],
};

export function dashboardOf({ title, project, replicated, runbook }: DashboardArgs): Dashboard {
  const sections = [
    gateway,
    nats(replicated),
    ...(replicated ? [replicatedMemory] : []),
    appEngine,
  ];
  const tiles: Tile[] = [];
  let y = 0;
  const row = (height: number, widgets: readonly Record<string, unknown>[]): void => {
    const width = columns / widgets.length;
    for (const [index, widget] of widgets.entries()) {
      tiles.push({ xPos: index * width, yPos: y, width, height, widget });
    }
    y += height;
  };
  row(chartHeight, [
    { title: "Open incidents", incidentList: {} },
    {
      title: "Warnings and errors of the services",
      logsPanel: {
        filter: 'resource.type="gae_app" AND severity>=WARNING',
        resourceNames: [`projects/${project}`],
      },
    },
  ]);
  for (const section of sections) {
    row(textHeight, [
      {
        title: section.title,
        text: { content: `${section.text} Runbook: ${runbook}`, format: "MARKDOWN" },
      },
    ]);
    for (const [index, chart] of section.charts.entries()) {
      const place = index % (columns / chartWidth);
      tiles.push({
        xPos: place * chartWidth,
        yPos: y,
        width: chartWidth,
        height: chartHeight,
        widget: widgetOf(chart),
      });
      const lastOfRow = place === columns / chartWidth - 1 || index === section.charts.length - 1;
      if (lastOfRow) y += chartHeight;
    }
  }
  return { displayName: title, mosaicLayout: { columns, tiles } };
}

function widgetOf({ title, lines, unit }: Chart): Record<string, unknown> {
  return {
    title,
    xyChart: {
      dataSets: lines.map(({ query, legend }) => ({
        timeSeriesQuery: {
          prometheusQuery: query,
          ...(unit === undefined ? {} : { unitOverride: unit }),
        },
        ...(legend === undefined ? {} : { legendTemplate: legend }),
        plotType: "LINE",
        targetAxis: "Y1",
      })),
      yAxis: { scale: "LINEAR" },
    },
  };
}
