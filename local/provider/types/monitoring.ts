/** What is watched: metrics that are made of logs, alerts, probes, dashboards. None of it runs here. */
import type { Props, Resource } from "../backend.ts";
import type { Registry } from "../registry.ts";
import { at, isUnknown, listAt, objectAt, textAt } from "../values.ts";
import { matches, name, oneOf, projectOf } from "./checks.ts";
import { numberFrom } from "./numbers.ts";
import { Refusal, type Report, type ResourceType, type Types } from "./type.ts";

const metric = "gcp:logging/metric:Metric";

/** Things that the cloud names itself; the shown name keeps them apart here. */
function numbered(
  kind: string,
  shown: string,
): Required<Pick<ResourceType, "id" | "numbered" | "computed">> {
  return {
    numbered: true,
    id: (inputs, place) =>
      `projects/${projectOf(inputs, place)}/${kind}/${numberFrom(JSON.stringify(inputs[shown] ?? inputs))}`,
    computed: (_inputs, _place, id) => ({ name: id }),
  };
}

export const monitoring: Types = {
  [metric]: {
    replaces: [],
    autoNamed: "name",
    deleteBeforeReplace: "when named",
    check: checkMetric,
    id: (inputs) => name(inputs),
  },
  "gcp:monitoring/dashboard:Dashboard": {
    replaces: ["project"],
    check: checkDashboard,
    numbered: true,
    id: (inputs, place) =>
      `projects/${projectOf(inputs, place)}/dashboards/${numberFrom(name(inputs, "dashboardJson"))}`,
  },
  "gcp:monitoring/alertPolicy:AlertPolicy": {
    replaces: ["project"],
    check: checkPolicy,
    ...numbered("alertPolicies", "displayName"),
    admit: admitPolicy,
  },
  "gcp:monitoring/notificationChannel:NotificationChannel": {
    replaces: ["project"],
    check: (inputs, report) => {
      if (inputs["type"] === "email" && textAt(inputs, "labels.email_address") === undefined) {
        if (!isUnknown(at(inputs, "labels.email_address"))) {
          report("labels.email_address", "is missing, which a channel of the type email needs");
        }
      }
    },
    ...numbered("notificationChannels", "displayName"),
  },
  "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": {
    replaces: ["project", "monitoredResource"],
    check: (inputs, report) => {
      matches(inputs, "timeout", /^([1-9]|[1-5]\d|60)s$/, "a time from 1s to 60s", report);
      oneOf(inputs, "period", ["60s", "300s", "600s", "900s"], report);
      matches(inputs, "httpCheck.path", /^\//, "a path that begins with /", report);
      // A region has one place for probes, but for the USA, which has three; three are the least.
      const regions = listAt(inputs, "selectedRegions");
      if (regions.length > 0 && regions.length < 3 && !regions.includes("USA")) {
        report("selectedRegions", "have fewer than three places to probe from");
      }
    },
    ...numbered("uptimeCheckConfigs", "displayName"),
    computed: (_inputs, _place, id) => ({ name: id, uptimeCheckId: id.split("/").at(-1) ?? "" }),
  },
};

/** `EXTRACT(field)` or `REGEXP_EXTRACT(field, "regex")`. */
const extractor = /^(EXTRACT\([\w.]+\)|REGEXP_EXTRACT\([\w.]+,\s*"(?:[^"\\]|\\.)*"\))$/;

function checkMetric(inputs: Props, report: Report): void {
  matches(
    inputs,
    "name",
    /^[A-Za-z0-9_\-.,+!*',()%/]{1,100}$/,
    "1–100 of its allowed characters",
    report,
  );
  checkLogFilter(inputs, "filter", report);
  matches(inputs, "valueExtractor", extractor, "EXTRACT(field)", report);
  for (const key of Object.keys(objectAt(inputs, "labelExtractors"))) {
    matches(inputs, `labelExtractors.${key}`, extractor, "EXTRACT(field)", report);
  }
  const described = listAt(inputs, "metricDescriptor.labels").map((label) => textAt(label, "key"));
  const extracted = Object.keys(objectAt(inputs, "labelExtractors"));
  if (
    described.length !== extracted.length ||
    described.some((key) => !extracted.includes(key ?? ""))
  ) {
    report("labelExtractors", "must name exactly the labels of metricDescriptor");
  }
  const distribution = textAt(inputs, "metricDescriptor.valueType") === "DISTRIBUTION";
  if (distribution && inputs["valueExtractor"] === undefined) {
    report("valueExtractor", "is missing, which a DISTRIBUTION needs");
  }
  if (!distribution && inputs["valueExtractor"] !== undefined) {
    report("valueExtractor", "goes only with the valueType DISTRIBUTION");
  }
}

/** Comparisons with a field on the left, joined by AND and OR; quotes and parentheses are even. */
function checkLogFilter(inputs: Props, path: string, report: Report): void {
  const filter = textAt(inputs, path);
  if (filter === undefined) return;
  const bare = filter.replaceAll(/"(?:[^"\\]|\\.)*"/g, "x");
  const open = bare.split("(").length;
  const comparisons = bare.split(/\s+(?:AND|OR)\s+/);
  const wrong =
    bare.includes('"') ||
    open !== bare.split(")").length ||
    comparisons.some((one) => !/^\(*(NOT )?[\w.]+\s*(=|!=|>=|<=|>|<|:|=~|!~)\s*\S+$/.test(one));
  if (wrong) report(path, `"${filter}" is no filter: comparisons of fields, joined by AND or OR`);
}

function checkDashboard(inputs: Props, report: Report): void {
  const text = textAt(inputs, "dashboardJson");
  if (text === undefined) return;
  let dashboard: unknown;
  try {
    dashboard = JSON.parse(text);
  } catch (error) {
    report("dashboardJson", `is not JSON: ${String(error)}`);
    return;
  }
  if (textAt(dashboard, "displayName") === undefined) report("dashboardJson", "has no displayName");
  const layouts = ["gridLayout", "mosaicLayout", "rowLayout", "columnLayout"];
  if (layouts.filter((layout) => at(dashboard, layout) !== undefined).length !== 1) {
    report("dashboardJson", `must have exactly one of ${layouts.join(", ")}`);
  }
}

const kinds = [
  "conditionAbsent",
  "conditionMatchedLog",
  "conditionMonitoringQueryLanguage",
  "conditionPrometheusQueryLanguage",
  "conditionSql",
  "conditionThreshold",
] as const;

function checkPolicy(inputs: Props, report: Report): void {
  oneOf(inputs, "combiner", ["AND", "OR", "AND_WITH_MATCHING_RESOURCE"], report);
  oneOf(inputs, "severity", ["CRITICAL", "ERROR", "WARNING"], report);
  const conditions = listAt(inputs, "conditions");
  if (conditions.length === 0 || conditions.length > 6) {
    report("conditions", `are ${conditions.length}, and must be 1 to 6`);
  }
  for (const [index, condition] of conditions.entries()) {
    const given = kinds.filter((kind) => at(condition, kind) !== undefined);
    if (given.length !== 1) {
      report(`conditions.${index}`, `must have exactly one of ${kinds.join(", ")}`);
    }
    const path = `conditions.${index}.conditionPrometheusQueryLanguage.evaluationInterval`;
    matches(inputs, path, /^\d*[036]0s$/, "a multiple of 30 seconds", report);
    checkLogFilter(inputs, `conditions.${index}.conditionMatchedLog.filter`, report);
  }
  const alone = ["conditionMatchedLog", "conditionPrometheusQueryLanguage"];
  if (conditions.length > 1) {
    for (const kind of alone) {
      if (conditions.some((condition) => at(condition, kind) !== undefined)) {
        report("conditions", `a ${kind} must be the policy's only condition`);
      }
    }
  }
  const ofLogs = conditions.some((condition) => at(condition, "conditionMatchedLog") !== undefined);
  const limited = at(inputs, "alertStrategy.notificationRateLimit") !== undefined;
  if (ofLogs !== limited) {
    report(
      "alertStrategy.notificationRateLimit",
      ofLogs ? "is missing, which a condition on logs needs" : "goes only with a condition on logs",
    );
  }
  const content = textAt(inputs, "documentation.content");
  if (content !== undefined && content.length > 8_192) {
    report("documentation.content", "is longer than 8192 characters");
  }
}

/** A condition on a metric that is made of logs needs that metric, unless it says that it may be missing. */
function admitPolicy({ inputs }: Resource, live: Registry): void {
  for (const condition of listAt(inputs, "conditions")) {
    const query = objectAt(condition, "conditionPrometheusQueryLanguage");
    const unchecked = query["disableMetricValidation"] === true;
    const texts = [
      textAt(condition, "conditionThreshold.filter"),
      textAt(condition, "conditionAbsent.filter"),
      unchecked ? undefined : textAt(query, "query"),
    ];
    for (const text of texts) {
      const named = /logging[._]googleapis[._]com[/:]user[/_](\w+)/.exec(text ?? "")?.[1];
      if (named === undefined) continue;
      const known = live
        .all(metric)
        .some(({ inputs: { name: own } }) =>
          new RegExp(`^${String(own)}(_sum|_count|_bucket)?$`).test(named),
        );
      if (!known) {
        throw new Refusal(
          `Cannot find metric(s) that match type = "logging.googleapis.com/user/${named}".`,
        );
      }
    }
  }
}
