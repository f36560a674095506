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
    const input = labelInputs[type];
    const [where, given] =
      type === dashboard
        ? ["dashboardJson.labels", dashboardLabels(inputs)]
        : [input, input && inputs[input]];
    if (where === undefined || isUnknown(given)) return [];
    const found: Inputs = isObject(given) ? given : {};
    const missing = ["app", "stack", "component"].filter((key) => !found[key]);
    const problems = missing.length > 0 ? [`${where} has no ${missing.join(", no ")}`] : [];
    const stack = found["stack"];
    if (
      typeof stack === "string" &&
      stack !== "" &&
      !isUnknown(stack) &&
      stack !== labelValue(stackOf(urn))
    ) {
      problems.push(`${where}.stack is "${stack}" in the stack ${stackOf(urn)}`);
    }
    return problems;
  },
};

/** As components/lib/labels.ts writes it. */
function labelValue(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, "-")
    .slice(0, 63);
}

function dashboardLabels({ dashboardJson }: Inputs): unknown {
  if (typeof dashboardJson !== "string" || isUnknown(dashboardJson)) return dashboardJson;
  try {
    const parsed: unknown = JSON.parse(dashboardJson);
    return isObject(parsed) ? parsed["labels"] : undefined;
  } catch {
    return undefined;
  }
}
