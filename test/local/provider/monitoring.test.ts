import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { recordOnly } from "../../../local/provider/backend.ts";
import { createProvider } from "../../../local/provider/provider.ts";
import { unknownValue } from "../../../local/wire/values.ts";

const start = () =>
  createProvider(
    { project: "demo-project", region: "us-central1", defaultHostname: "localhost" },
    recordOnly,
  );
const tokens = {
  metric: "gcp:logging/metric:Metric",
  dashboard: "gcp:monitoring/dashboard:Dashboard",
  policy: "gcp:monitoring/alertPolicy:AlertPolicy",
  channel: "gcp:monitoring/notificationChannel:NotificationChannel",
  check: "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig",
} as const;

async function problemsOf(
  kind: keyof typeof tokens,
  inputs: Readonly<Record<string, unknown>>,
): Promise<string[]> {
  const urn = `urn:pulumi:test::test::${tokens[kind]}::name`;
  const answer = await start().check?.(urn, {}, inputs);
  return (answer?.failures ?? []).map(({ property, reason }) => `${property}: ${reason}`);
}

const metric = {
  name: "a",
  filter: 'resource.type="gae_app" AND jsonPayload.message="some (text) AND more"',
  metricDescriptor: {
    ...{ metricKind: "DELTA", valueType: "DISTRIBUTION" },
    labels: [{ key: "instance", valueType: "STRING" }],
  },
  labelExtractors: { instance: "EXTRACT(jsonPayload.instance)" },
  valueExtractor: 'REGEXP_EXTRACT(jsonPayload.text, "([0-9]+) ms")',
};
const query = {
  displayName: "a",
  conditionPrometheusQueryLanguage: { query: "up > 1", evaluationInterval: "60s" },
};
const onLogs = { displayName: "a", conditionMatchedLog: { filter: "severity>=ERROR" } };
const threshold = (type: string) => ({
  displayName: "a",
  conditionThreshold: { filter: `resource.type="gae_app" AND metric.type="${type}"` },
});
const policy = { displayName: "a", combiner: "OR", severity: "ERROR", conditions: [query] };
const limited = { alertStrategy: { notificationRateLimit: { period: "900s" } } };

/** Each with what it is refused for; nothing when it passes. */
const cases: readonly (readonly [keyof typeof tokens, Record<string, unknown>, string[]])[] = [
  ["metric", metric, []],
  ["metric", { ...metric, filter: unknownValue }, []],
  [
    "metric",
    { ...metric, filter: 'jsonPayload.message="a' },
    ['filter: "jsonPayload.message="a" is no filter: comparisons of fields, joined by AND or OR'],
  ],
  [
    "metric",
    { ...metric, filter: "a=1 AND b" },
    ['filter: "a=1 AND b" is no filter: comparisons of fields, joined by AND or OR'],
  ],
  [
    "metric",
    { ...metric, valueExtractor: "jsonPayload.rev" },
    ['valueExtractor: "jsonPayload.rev" is not EXTRACT(field)'],
  ],
  [
    "metric",
    { ...metric, valueExtractor: undefined },
    ["valueExtractor: is missing, which a DISTRIBUTION needs"],
  ],
  [
    "metric",
    { ...metric, labelExtractors: {} },
    ["labelExtractors: must name exactly the labels of metricDescriptor"],
  ],
  ["dashboard", { dashboardJson: '{"displayName":"a","mosaicLayout":{}}' }, []],
  [
    "dashboard",
    { dashboardJson: '{"gridLayout":{},"mosaicLayout":{}}' },
    [
      "dashboardJson: has no displayName",
      "dashboardJson: must have exactly one of gridLayout, mosaicLayout, rowLayout, columnLayout",
    ],
  ],
  ["policy", policy, []],
  ["policy", { ...policy, conditions: [onLogs], ...limited }, []],
  ["policy", { ...policy, conditions: [threshold("a"), threshold("b")] }, []],
  ["policy", { ...policy, conditions: [] }, ["conditions: are 0, and must be 1 to 6"]],
  [
    "policy",
    { ...policy, conditions: [query, threshold("a")] },
    ["conditions: a conditionPrometheusQueryLanguage must be the policy's only condition"],
  ],
  [
    "policy",
    { ...policy, conditions: [onLogs] },
    ["alertStrategy.notificationRateLimit: is missing, which a condition on logs needs"],
  ],
  [
    "policy",
    { ...policy, ...limited },
    ["alertStrategy.notificationRateLimit: goes only with a condition on logs"],
  ],
  [
    "policy",
    { ...policy, documentation: { content: "x".repeat(8_193) } },
    ["documentation.content: is longer than 8192 characters"],
  ],
  ["channel", { type: "email", labels: { email_address: "a@example.com" } }, []],
  [
    "channel",
    { type: "email" },
    ["labels.email_address: is missing, which a channel of the type email needs"],
  ],
  ["check", { displayName: "a", timeout: "10s", selectedRegions: ["USA"] }, []],
  [
    "check",
    { displayName: "a", timeout: "10s", selectedRegions: ["EUROPE", "ASIA_PACIFIC"] },
    ["selectedRegions: have fewer than three places to probe from"],
  ],
];

describe("the local cloud takes what Monitoring would take", () => {
  for (const [index, [kind, inputs, problems]] of cases.entries()) {
    it(`case ${index}: a ${kind} ${problems.length === 0 ? "that is right" : `that is wrong: ${problems.join("; ")}`}`, async () => {
      assert.deepEqual(await problemsOf(kind, inputs), problems);
    });
  }

  it("and no alert on a metric of logs that there is not, unless the alert says that it may be so", async () => {
    const cloud = start();
    const create = (kind: keyof typeof tokens, name: string, inputs: Record<string, unknown>) =>
      cloud.create?.(`urn:pulumi:test::test::${tokens[kind]}::${name}`, {
        ...inputs,
        displayName: name,
      });
    const alert = { ...policy, conditions: [threshold("logging.googleapis.com/user/a")] };
    await assert.rejects(
      async () => create("policy", "early", alert),
      /Cannot find metric\(s\) that match type = "logging\.googleapis\.com\/user\/a"/,
    );
    const rule = { query: "increase(logging_googleapis_com:user_a_sum[5m]) > 1" };
    const asQuery = (more: Record<string, unknown>) => ({
      ...policy,
      conditions: [{ displayName: "a", conditionPrometheusQueryLanguage: { ...rule, ...more } }],
    });
    await assert.rejects(async () => create("policy", "query", asQuery({})), /Cannot find metric/);
    await create("policy", "unchecked", asQuery({ disableMetricValidation: true }));
    await create("metric", "a", metric);
    await create("policy", "late", alert);
    await create("policy", "known", asQuery({}));
  });
});
