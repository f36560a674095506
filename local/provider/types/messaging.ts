/** Topics, subscriptions, secrets. */
import type { Props, Resource } from "../backend.ts";
import type { Registry } from "../registry.ts";
import { at, isUnknown, numberAt, objectAt, textAt } from "../values.ts";
import {
  accountMustExist,
  grant,
  grantId,
  grantOutputs,
  inRange,
  labels,
  matches,
  mustExist,
  name,
  projectOf,
} from "./checks.ts";
import { grantOn } from "./iam.ts";
import { Refusal, type Place, type Report, type Types } from "./type.ts";

const topic = "gcp:pubsub/topic:Topic";
const subscription = "gcp:pubsub/subscription:Subscription";
const secret = "gcp:secretmanager/secret:Secret";

const pubsubName = /^(?!goog)[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}$/;
const pubsubRule = "3–255 letters, digits or -_.~+%, beginning with a letter and not with goog";

export const messaging: Types = {
  [topic]: {
    replaces: ["name", "project"],
    autoNamed: "name",
    deleteBeforeReplace: "when named",
    check: (inputs, report) => {
      matches(inputs, "name", pubsubName, `a topic name: ${pubsubRule}`, report);
      labels(inputs, report);
      duration(inputs, "messageRetentionDuration", 600, 2_678_400, report);
    },
    id: (inputs, place) => `projects/${projectOf(inputs, place)}/topics/${name(inputs)}`,
  },
  [subscription]: {
    replaces: ["name", "project", "topic", "filter", "enableMessageOrdering"],
    autoNamed: "name",
    deleteBeforeReplace: "when named",
    check: checkSubscription,
    id: (inputs, place) => `projects/${projectOf(inputs, place)}/subscriptions/${name(inputs)}`,
    admit: admitSubscription,
  },
  "gcp:pubsub/topicIAMMember:TopicIAMMember": {
    replaces: ["project", "topic", "role", "member", "condition"],
    upsert: true,
    check: grant,
    id: grantId("topic"),
    computed: grantOutputs,
    admit: grantOn(topic, "topic", (reference) => `Resource not found (resource=${reference}).`),
  },
  "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember": {
    replaces: ["project", "subscription", "role", "member", "condition"],
    upsert: true,
    check: grant,
    id: grantId("subscription"),
    computed: grantOutputs,
    admit: grantOn(
      subscription,
      "subscription",
      (reference) => `Resource not found (resource=${reference}).`,
    ),
  },
  [secret]: {
    replaces: ["secretId", "project", "replication"],
    autoNamed: "secretId",
    deleteBeforeReplace: "when named",
    check: (inputs, report) => {
      matches(
        inputs,
        "secretId",
        /^[A-Za-z0-9_-]{1,255}$/,
        "1–255 letters, digits, _ or hyphens",
        report,
      );
      labels(inputs, report);
      const replication = objectAt(inputs, "replication");
      const kinds = ["auto", "userManaged"].filter((kind) => replication[kind] !== undefined);
      if (kinds.length !== 1 && !isUnknown(inputs["replication"])) {
        report("replication", "exactly one of auto and userManaged must be given");
      }
    },
    id: (inputs, place) =>
      `projects/${projectOf(inputs, place)}/secrets/${name(inputs, "secretId")}`,
    computed: (inputs, place, id) => ({
      name: id,
      project: projectOf(inputs, place),
      createTime: "2026-01-01T00:00:00Z",
    }),
    onDelete: (resource) => {
      if (resource.inputs["deletionProtection"] === true) {
        throw new Refusal(
          `cannot destroy secret ${resource.id} without setting deletionProtection=false`,
        );
      }
      return "delete";
    },
  },
  "gcp:secretmanager/secretVersion:SecretVersion": {
    replaces: ["secret", "secretData", "secretDataWoVersion"],
    // Write-only: a new value is sent with a new secretDataWoVersion, never by itself.
    suppressDiff: (property) => property === "secretDataWo",
    check: (inputs, report) => {
      if (inputs["secretData"] === undefined && inputs["secretDataWo"] === undefined) {
        report("secretData", "one of secretData and secretDataWo must be given");
      }
      const data = textAt(inputs, "secretData") ?? textAt(inputs, "secretDataWo") ?? "";
      if (Buffer.byteLength(data) > 65_536) report("secretData", "is over 64 KiB");
    },
    // Versions are numbered by the cloud; the content's own key keeps them apart here.
    id: (inputs) =>
      `${name(inputs, "secret")}/versions/${String(numberAt(inputs, "secretDataWoVersion") ?? 1)}`,
    computed: (inputs, _place, id) => ({
      name: id,
      version: String(numberAt(inputs, "secretDataWoVersion") ?? 1),
    }),
    upsert: true,
    admit: (resource, live) => {
      const given = textAt(resource.inputs, "secret");
      mustExist(live, secret, given, `secret: Secret [${String(given)}] not found.`);
    },
  },
  "gcp:secretmanager/secretIamMember:SecretIamMember": {
    replaces: ["project", "secretId", "role", "member", "condition"],
    upsert: true,
    check: grant,
    id: grantId("secretId"),
    computed: grantOutputs,
    admit: grantOn(secret, "secretId", (reference) => `secretId: Secret [${reference}] not found.`),
  },
};

function checkSubscription(inputs: Props, report: Report): void {
  matches(inputs, "name", pubsubName, `a subscription name: ${pubsubRule}`, report);
  labels(inputs, report);
  inRange(inputs, "ackDeadlineSeconds", 10, 600, report);
  duration(inputs, "messageRetentionDuration", 600, 2_678_400, report);
  duration(inputs, "retryPolicy.minimumBackoff", 0, 600, report);
  duration(inputs, "retryPolicy.maximumBackoff", 0, 600, report);
  const [least, most] = ["minimumBackoff", "maximumBackoff"].map((key) =>
    parseFloat(textAt(inputs, `retryPolicy.${key}`) ?? ""),
  );
  if (least !== undefined && most !== undefined && least > most) {
    report("retryPolicy.maximumBackoff", `${most}s is below the minimum of ${least}s`);
  }
  matches(
    inputs,
    "deadLetterPolicy.deadLetterTopic",
    /^projects\/[^/]+\/topics\/[^/]+$/,
    "a full name projects/<p>/topics/<t>",
    report,
  );
  inRange(inputs, "deadLetterPolicy.maxDeliveryAttempts", 5, 100, report);
  const ttl = textAt(inputs, "expirationPolicy.ttl");
  if (ttl !== undefined && ttl !== "")
    duration(inputs, "expirationPolicy.ttl", 86_400, Infinity, report);
  matches(inputs, "pushConfig.pushEndpoint", /^https:\/\//, "an https address", report);
  const filter = textAt(inputs, "filter");
  if (filter !== undefined && Buffer.byteLength(filter) > 256)
    report("filter", "is over 256 bytes");
  if (at(inputs, "pushConfig") !== undefined && inputs["enableExactlyOnceDelivery"] === true) {
    report("enableExactlyOnceDelivery", "does not go with a push subscription");
  }
}

function admitSubscription(resource: Resource, live: Registry, place: Place): void {
  for (const path of ["topic", "deadLetterPolicy.deadLetterTopic"]) {
    const reference = textAt(resource.inputs, path);
    mustExist(
      live,
      topic,
      reference,
      `${path}: Resource not found (resource=${String(reference)}).`,
    );
  }
  const account = "pushConfig.oidcToken.serviceAccountEmail";
  accountMustExist(live, textAt(resource.inputs, account), account, place);
}

function duration(inputs: Props, path: string, low: number, high: number, report: Report): void {
  const text = textAt(inputs, path);
  if (text === undefined) return;
  const seconds = /^(\d+(\.\d+)?)s$/.exec(text)?.[1];
  if (seconds === undefined) {
    report(path, `"${text}" is not a duration in seconds, for example 600s`);
  } else if (Number(seconds) < low || Number(seconds) > high) {
    report(
      path,
      `${text} is ${high === Infinity ? `below ${low}s` : `not between ${low}s and ${high}s`}`,
    );
  }
}
