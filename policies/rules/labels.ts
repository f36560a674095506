import { type ResourceRule, stackOf } from "../lib/rule.ts";
import { type Inputs, isObject, isUnknown } from "../lib/values.ts";

/** The input that holds the labels, by type; a test holds that no type is missing which a stack declares. */
export const labelInputs: Readonly<Record<string, "labels" | "userLabels">> = {
  "gcp:artifactregistry/repository:Repository": "labels",
  "gcp:compute/address:Address": "labels",
  "gcp:compute/disk:Disk": "labels",
  "gcp:compute/instance:Instance": "labels",
  "gcp:monitoring/alertPolicy:AlertPolicy": "userLabels",
  "gcp:monitoring/notificationChannel:NotificationChannel": "userLabels",
  "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": "userLabels",
  "gcp:pubsub/subscription:Subscription": "labels",
  "gcp:pubsub/topic:Topic": "labels",
  "gcp:secretmanager/secret:Secret": "labels",
  "gcp:storage/bucket:Bucket": "labels",
};
const dashboard = "gcp:monitoring/dashboard:Dashboard";

/**
 * A line of the bill, an alert at night, a disk that nobody knows: labels say which program and which part of
 * it to look at.
 */
export const labels: ResourceRule = {
  name: "labels",
  description: "What can have labels says by them its app, its stack and its component.",
  remedy:
    "Give it labels: labelsOf(name), from components/lib/labels.ts; userLabels in Monitoring.",
  severity: "medium",
  check({ type, urn, inputs }) {
    const stack = labelValue(stackOf(urn));
    if (type === dashboard) return dashboardProblems(inputs, stack);
    const input = labelInputs[type];
    const given = input && inputs[input];
    if (input === undefined || isUnknown(given)) return [];
    const found: Inputs = isObject(given) ? given : {};
    const missing = ["app", "stack", "component"].filter((key) => !found[key]);
    const problems = missing.length > 0 ? [`${input} has no ${missing.join(", no ")}`] : [];
    const said = found["stack"];
    if (typeof said === "string" && said !== "" && !isUnknown(said) && said !== stack) {
      problems.push(`${input}.stack is "${said}" in the stack ${stack}`);
    }
    return problems;
  },
};

/** Labels of dashboards are words without values, since only their keys are shown. */
function dashboardProblems({ dashboardJson }: Inputs, stack: string): string[] {
  if (typeof dashboardJson !== "string" || isUnknown(dashboardJson)) return [];
  let words: readonly string[] = [];
  try {
    const parsed: unknown = JSON.parse(dashboardJson);
    const given = isObject(parsed) ? parsed["labels"] : undefined;
    words = isObject(given) ? Object.keys(given) : [];
  } catch {
    // What is no JSON has no labels.
  }
  return words.length >= 3 && words.includes(stack)
    ? []
    : [`dashboardJson.labels are not app, stack and component, of which the stack is ${stack}`];
}

/** As components/lib/labels.ts writes it. */
function labelValue(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, "-")
    .slice(0, 63);
}
