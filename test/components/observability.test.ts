import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { alertsOf, type Watched } from "../../components/lib/alerts.ts";
import { type Dashboard, dashboardOf } from "../../components/lib/dashboard.ts";
import { logMetrics } from "../../components/lib/log-metrics.ts";
import { Observability, type ObservabilityArgs } from "../../components/observability.ts";
import { repository } from "../support/checkout.ts";
import { record, refuses } from "../support/pulumi.ts";

const args: ObservabilityArgs = {
  project: "my-project",
  defaultHostname: "my-project.uc.r.appspot.com",
  natsMachines: ["nats-0", "nats-1", "nats-2"],
  replicas: 3,
  awake: ["web", "add", "ws", "m"],
};
const declared = (changes: Partial<ObservabilityArgs> = {}, preview = false) =>
  record(() => new Observability("operations", { ...args, ...changes }), { preview });

const whole: Watched = { natsMachines: args.natsMachines, replicas: 3 };
const single: Watched = { natsMachines: ["nats-0"], replicas: undefined };

/** Every query of alerts and dashboard, with and without m. */
function queriesOf(watched: Watched): string[] {
  const replicated = watched.replicas !== undefined;
  const dashboard = dashboardOf({ title: "t", project: "p", replicated, runbook: "r" });
  return [
    ...alertsOf(watched).flatMap(({ trigger }) =>
      trigger.kind === "query" ? [trigger.query] : [],
    ),
    ...[...JSON.stringify(dashboard).matchAll(/"prometheusQuery":("(?:[^"\\]|\\.)*")/g)].map(
      ([, text = ""]) => String(JSON.parse(text)),
    ),
  ];
}

/** Metrics of logs that a query asks for, and the part of each. */
function logMetricsIn(query: string): { name: string; part: string }[] {
  return [...query.matchAll(/logging_googleapis_com:user_(\w+?)(_sum|_count|_bucket)?\{/g)].map(
    ([, name = "", part = ""]) => ({ name, part }),
  );
}

describe("the queries of alerts and dashboard", () => {
  for (const [what, watched] of Object.entries({
    "a whole stack": whole,
    "a stack without m": single,
  })) {
    const metrics = new Map(
      logMetrics({ replicated: watched.replicas !== undefined }).map((metric) => [
        metric.name,
        metric,
      ]),
    );
    const queries = queriesOf(watched);

    it(`of ${what} ask for metrics that it has: sums of distributions, and plain counts`, () => {
      assert.ok(queries.length > 15);
      for (const query of queries) {
        for (const { name, part } of logMetricsIn(query)) {
          const metric = metrics.get(name);
          assert.ok(metric, `${name} in ${query}`);
          assert.equal(part !== "", metric.field !== undefined, `${name} in ${query}`);
        }
      }
    });

    it(`of ${what} leave no metric out`, () => {
      const used = new Set(queries.flatMap(logMetricsIn).map(({ name }) => name));
      assert.deepEqual(
        [...metrics.keys()].filter((name) => !used.has(name)),
        [],
      );
    });

    it(`of ${what} group by labels that the metric has`, () => {
      for (const query of queries) {
        for (const [, label = "", inner = ""] of query.matchAll(
          /sum by \((instance|service)\)\(increase\(\w+:user_(\w+?)(?:_sum|_count)?\{/g,
        )) {
          assert.ok(Object.hasOwn(metrics.get(inner)?.labels ?? {}, label), `${label} of ${inner}`);
        }
      }
    });

    it(`of ${what} say which kind of resource they mean, and close what they open`, () => {
      for (const query of queries) {
        const bare = query.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
        for (const [, matchers = ""] of bare.matchAll(/\{([^}]*)\}/g)) {
          assert.match(matchers, /^monitored_resource=""(,[a-z_]+(=|=~)"")*$/, query);
        }
        for (const [open, close] of [
          ["(", ")"],
          ["{", "}"],
          ["[", "]"],
        ] as const) {
          assert.equal(bare.split(open).length, bare.split(close).length, query);
        }
        assert.doesNotMatch(query, /undefined|NaN|\[object/);
      }
    });
  }

  it("name metrics of Google's as PromQL has them", () => {
    const queries = queriesOf(whole).join("\n");
    for (const name of [
      'appengine_googleapis_com:http_server_response_latencies_bucket{monitored_resource="gae_app"}',
      'compute_googleapis_com:instance_uptime_total{monitored_resource="gce_instance",instance_name=~"nats-0|nats-1|nats-2"}',
      'pubsub_googleapis_com:subscription_dead_letter_message_count{monitored_resource="pubsub_subscription",subscription_id=~"m-.*"}',
      'vpcaccess_googleapis_com:connector_sent_bytes_count{monitored_resource="vpc_access_connector"}',
    ]) {
      assert.ok(queries.includes(name), name);
    }
  });
});

describe("the runbook", () => {
  const text = readFileSync(join(repository, "docs/runbook.md"), "utf8");
  const alerts = text.slice(
    text.indexOf("## Alerts"),
    text.indexOf("## What there is no alert for"),
  );
  const sections = alerts.split(/^### /m).slice(1);
  const anchor = (section: string): string =>
    (section.split("\n")[0] ?? "").toLowerCase().replaceAll(" ", "-");

  it("has a section for each alert, and an alert for each section", () => {
    assert.deepEqual(
      sections.map(anchor),
      alertsOf(whole).map(({ id }) => id),
    );
    const known = new Set(sections.map(anchor));
    for (const { id } of alertsOf(single)) assert.ok(known.has(id), id);
  });

  for (const section of sections) {
    it(`says of ${anchor(section)} what it means, what to look at, what to do, and when it is over`, () => {
      const parts = [...section.matchAll(/^\*\*(.+?)\.\*\* ?/gm)].map(([, part]) => part);
      assert.deepEqual(parts, [
        "What it means",
        "What to look at",
        "What to do",
        "How you see that it is over",
      ]);
    });
  }
});

describe("the dashboard", () => {
  const of = (replicated: boolean): Dashboard =>
    dashboardOf({ title: "t", project: "p", replicated, runbook: "docs/runbook.md" });
  const titles = ({ mosaicLayout }: Dashboard) =>
    mosaicLayout.tiles.map(({ widget }) => widget["title"]);

  it("shows what an operator asks for", () => {
    for (const title of [
      "Open websockets",
      "Messages per second",
      "Closed for being slow, in 10 minutes",
      "Recoveries in 15 minutes",
      "Seconds without NATS in a minute, of all instances",
      "Connector, bytes per second",
      "Revision of each replica",
      "From commit to confirmation",
      "POSTs in 10 minutes",
      "Pub/Sub: oldest unacknowledged, dead letters",
      "Responses per second",
      "Latency, 95th percentile",
      "CPU of the flexible machines",
    ]) {
      assert.ok(titles(of(true)).includes(title), title);
    }
    assert.equal(titles(of(false)).includes("Revision of each replica"), false);
  });

  it("puts no tile over another one, and none beside the columns", () => {
    for (const { mosaicLayout } of [of(true), of(false)]) {
      const taken = new Set<string>();
      for (const { xPos, yPos, width, height } of mosaicLayout.tiles) {
        assert.ok(xPos >= 0 && xPos + width <= mosaicLayout.columns);
        for (let x = xPos; x < xPos + width; x++) {
          for (let y = yPos; y < yPos + height; y++) {
            assert.ok(!taken.has(`${x} ${y}`), `two tiles at ${x}, ${y}`);
            taken.add(`${x} ${y}`);
          }
        }
      }
    }
  });

  it("has one kind of widget in each tile, and a line in each chart", () => {
    for (const { widget } of of(true).mosaicLayout.tiles) {
      const { title, ...kind } = widget;
      assert.equal(typeof title, "string");
      assert.equal(Object.keys(kind).length, 1);
      const { xyChart } = kind as { xyChart?: { dataSets: unknown[] } };
      if (xyChart !== undefined) assert.ok(xyChart.dataSets.length > 0);
    }
  });
});

describe("Observability", () => {
  it("declares metrics, probes, alerts and a dashboard, in a preview too", async () => {
    for (const preview of [false, true]) {
      const { all } = await declared({}, preview);
      assert.equal(all("Metric").length, logMetrics({ replicated: true }).length);
      assert.equal(all("UptimeCheckConfig").length, 4);
      assert.equal(all("AlertPolicy").length, alertsOf(whole).length);
      assert.equal(all("Dashboard").length, 1);
      assert.deepEqual(all("NotificationChannel"), []);
    }
  });

  it("makes alerts wait for the metrics that they ask for", async () => {
    const { all } = await declared();
    const metrics = all("Metric").map(({ type, name }) => `${type}::${name}`);
    for (const { dependsOn, name } of all("AlertPolicy")) {
      assert.deepEqual(
        metrics.filter((metric) => !dependsOn.includes(metric)),
        [],
        name,
      );
    }
  });

  it("asks for no validation of metrics that are not known for ten minutes", async () => {
    const { all } = await declared();
    let queries = 0;
    for (const { inputs } of all("AlertPolicy")) {
      const [condition] = inputs["conditions"] as Record<string, Record<string, unknown>>[];
      const query = condition?.["conditionPrometheusQueryLanguage"];
      if (query === undefined) continue;
      queries += 1;
      assert.equal(query["disableMetricValidation"], true);
    }
    assert.ok(queries > 5);
  });

  it("gives each alert its place in the runbook, a severity, an end and labels", async () => {
    const page = "https://example.com/runbook";
    for (const [alerts, place] of [
      [{}, "docs/runbook.md#"],
      [{ runbookUrl: page }, `${page}#`],
    ] as const) {
      for (const { name, inputs } of (await declared({ alerts })).all("AlertPolicy")) {
        const id = name.replace("operations-", "");
        const { documentation, alertStrategy, userLabels, severity } = inputs as {
          documentation: { content: string; links?: { url: string }[] };
          alertStrategy: { autoClose: string };
          userLabels: Record<string, string>;
          severity: string;
        };
        assert.ok(documentation.content.includes(`${place}${id}`), documentation.content);
        assert.deepEqual(
          documentation.links?.map(({ url }) => url),
          "runbookUrl" in alerts ? [`${page}#${id}`] : undefined,
        );
        assert.equal(alertStrategy.autoClose, "1800s");
        assert.equal(userLabels["component"], "operations");
        assert.ok(["CRITICAL", "ERROR", "WARNING"].includes(severity));
      }
    }
  });

  it("tells who is named: by e-mail, and on channels that exist", async () => {
    const existing = "projects/other/notificationChannels/123";
    const { all, one } = await declared({
      alerts: { email: "ops@example.com", channels: [existing] },
    });
    assert.deepEqual(one("NotificationChannel").inputs["labels"], {
      email_address: "ops@example.com",
    });
    for (const { inputs, dependsOn } of all("AlertPolicy")) {
      assert.equal((inputs["notificationChannels"] as unknown[])[1], existing);
      assert.ok(
        dependsOn.includes(
          "gcp:monitoring/notificationChannel:NotificationChannel::operations-email",
        ),
      );
    }
    for (const { inputs } of (await declared()).all("AlertPolicy")) {
      assert.deepEqual(inputs["notificationChannels"], []);
    }
  });

  it("probes only what never sleeps, each with a condition of the one alert on the front door", async () => {
    const { all, one } = await declared({ awake: ["ws"] });
    assert.deepEqual(
      all("UptimeCheckConfig").map(({ name }) => name),
      ["operations-ws-answers"],
    );
    const conditions = (name: string) =>
      one("AlertPolicy", name).inputs["conditions"] as Record<string, unknown>[];
    assert.equal(conditions("operations-front-door-does-not-answer").length, 1);
    const none = await declared({ awake: [] });
    assert.equal(none.all("AlertPolicy").length, alertsOf(whole).length - 1);
  });

  it("watches no m where there is none", async () => {
    const { project, defaultHostname, natsMachines } = args;
    const without = { project, defaultHostname, natsMachines, awake: ["ws"] as const };
    const { all } = await record(() => new Observability("operations", without));
    assert.doesNotMatch(
      JSON.stringify([all("Metric"), all("Dashboard")]),
      /user_m_|replica figures/,
    );
    assert.deepEqual(
      all("AlertPolicy").filter(({ name }) => /posts|replica|dead/.test(name)),
      [],
    );
  });

  it("refuses settings that Monitoring would refuse, before it declares anything", async () => {
    await refuses(
      () =>
        new Observability("operations", {
          ...args,
          alerts: { email: "nobody", channels: ["123"], runbookUrl: "http://example.com/#a" },
        }),
      [
        'Observability "operations" cannot be declared:',
        '  - alerts.email: "nobody" is no address',
        '  - alerts.channels: "123" is no channel; projects/<project>/notificationChannels/<number>',
        '  - alerts.runbookUrl: "http://example.com/#a" is no page; an https address without #',
      ].join("\n"),
    );
  });
});
