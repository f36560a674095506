import type { ResourceRule } from "../lib/rule.ts";
import { isUnknown, valueAt } from "../lib/values.ts";

/**
 * The default deletes a subscription after a month without a reader, and a replica would then never hear of a change
 * again. What cannot be delivered has to be found somewhere, and must not be tried for ever.
 */
export const lastingSubscriptions: ResourceRule = {
  name: "lasting-subscriptions",
  description:
    "Every subscription lasts, and has a topic of its project for what cannot be delivered.",
  remedy:
    'Give it expirationPolicy {ttl: ""} and a deadLetterPolicy with a topic of its own; push to https.',
  severity: "high",
  check({ type, inputs }) {
    if (type !== "gcp:pubsub/subscription:Subscription") return [];
    const problems: string[] = [];
    const ttl = valueAt(inputs, "expirationPolicy", "ttl");
    if (ttl !== "" && !isUnknown(ttl) && !isUnknown(inputs["expirationPolicy"])) {
      problems.push('expirationPolicy.ttl is not "", so it expires');
    }
    const dead = valueAt(inputs, "deadLetterPolicy", "deadLetterTopic");
    if ((dead === undefined || dead === "") && !isUnknown(inputs["deadLetterPolicy"])) {
      problems.push("deadLetterPolicy.deadLetterTopic is not given");
    } else if (dead === inputs["topic"] && !isUnknown(dead)) {
      problems.push("deadLetterPolicy.deadLetterTopic is the topic itself");
    } else if (isElsewhere(dead, inputs["project"])) {
      problems.push("deadLetterPolicy.deadLetterTopic is in another project");
    }
    const endpoint = valueAt(inputs, "pushConfig", "pushEndpoint");
    if (typeof endpoint === "string" && !isUnknown(endpoint) && !endpoint.startsWith("https://")) {
      problems.push("pushConfig.pushEndpoint is not https");
    }
    return problems;
  },
};

function isElsewhere(topic: unknown, project: unknown): boolean {
  const [, of] = /^projects\/([^/]+)\/topics\//.exec(typeof topic === "string" ? topic : "") ?? [];
  return of !== undefined && typeof project === "string" && !isUnknown(project) && of !== project;
}
