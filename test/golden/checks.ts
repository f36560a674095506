/**
 * What must hold in the graph of every stack, whatever it declares: how it hangs together, and what only the
 * recording shows. What single resources must be like is said by `policies/`. Each check answers with problems.
 */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { RecordedGraph, RecordedResource } from "../../local/record.ts";
import { evaluate } from "../../policies/evaluate.ts";
import { holdsData } from "../../policies/rules/protected-data.ts";
import { ruleResources } from "../../scripts/policies/recorded.ts";
import { typeAndName } from "./golden.ts";

type Resources = readonly RecordedResource[];

/** Every problem of the graph; `protect` says whether the stack is a protected one. */
export function graphProblems(graph: RecordedGraph, { protect }: { protect: boolean }): string[] {
  const { resources } = graph;
  return [
    ...graph.problems,
    ...textProblems(graph),
    ...orderProblems(resources),
    ...familyProblems(resources),
    ...policyProblems(resources),
    ...replacementProblems(resources, protect),
    ...retentionProblems(resources),
    ...secretProblems(resources),
    ...deliveryProblems(resources),
  ];
}

/** A text that an Output, an unknown or an undefined value went into. */
export function textProblems({
  resources,
  outputs,
}: Pick<RecordedGraph, "resources" | "outputs">): string[] {
  const wrong = [
    { what: "undefined", pattern: /\bundefined\b/ },
    {
      what: "an unknown value",
      pattern: /04da6b54-80e4-46f7-96ec-b56ff0331ba9|.\[unknown\]|\[unknown\]./,
    },
    { what: "an Output", pattern: /Calling \[to(String|JSON)\]|Output<T>/ },
    { what: "an object", pattern: /\[object \w+\]/ },
    { what: "not a number", pattern: /\bNaN\b/ },
  ];
  const found: string[] = [];
  const visit = (where: string, value: unknown): void => {
    if (typeof value === "string") {
      for (const { what, pattern } of wrong) {
        if (pattern.test(value))
          found.push(`${where}: ${what} in the text ${JSON.stringify(value)}`);
      }
    } else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        visit(where, key);
        visit(`${where}.${key}`, inner);
      }
    }
  };
  for (const { urn, inputs } of resources) visit(typeAndName(urn), inputs);
  visit("outputs", outputs);
  return found;
}

/** What the policies say of the graph. */
export function policyProblems(resources: Resources): string[] {
  return evaluate(ruleResources(resources)).map(
    ({ rule, urn, problem }) => `${typeAndName(urn)}: ${problem} (${rule})`,
  );
}

const versionTypes = [
  "gcp:appengine/standardAppVersion:StandardAppVersion",
  "gcp:appengine/flexibleAppVersion:FlexibleAppVersion",
];

/**
 * The order in which a stack comes to be: APIs, application and database, network with connector and
 * NATS, the default service, the other services, the traffic of each, dispatch rules. Each thing must
 * depend on every thing of the step before it, by itself or through others.
 */
export function orderProblems(resources: Resources): string[] {
  const ofType = (...types: string[]): RecordedResource[] =>
    resources.filter(({ type }) => types.some((end) => type.endsWith(end)));
  const versions = ofType(...versionTypes);
  const byDefault = versions.filter(({ inputs }) => inputs["service"] === "default");
  const others = versions.filter(({ inputs }) => inputs["service"] !== "default");
  const traffic = ofType(":EngineSplitTraffic");
  const steps: [string, RecordedResource[]][] = [
    ["APIs", ofType("projects/service:Service")],
    ["application and database", ofType(":Application", "firestore/database:Database")],
    [
      "network, connector and NATS",
      [...ofType(":Network", ":Subnetwork", ":Connector", ":Instance")],
    ],
    ["the default service", byDefault],
    ["the other services", others],
  ];
  const problems: string[] = [];
  const reaches = reachability(resources);
  const need = (later: RecordedResource, earlier: RecordedResource): void => {
    if (!reaches(later.urn, earlier.urn)) {
      problems.push(`${typeAndName(later.urn)} does not wait for ${typeAndName(earlier.urn)}`);
    }
  };
  for (const [index, [name, members]] of steps.entries()) {
    if (members.length === 0) problems.push(`there is nothing of ${name}`);
    for (const later of members) {
      for (const earlier of steps[index - 1]?.[1] ?? []) need(later, earlier);
    }
  }
  for (const version of versions) {
    const own = traffic.filter(({ inputs }) => inputs["service"] === version.inputs["service"]);
    if (own.length !== 1) problems.push(`${typeAndName(version.urn)} has ${own.length} splits`);
    for (const split of own) need(split, version);
  }
  const rules = ofType(":ApplicationUrlDispatchRules");
  if (rules.length !== 1) problems.push(`there are ${rules.length} lists of dispatch rules`);
  for (const list of rules) for (const split of traffic) need(list, split);
  return problems;
}

/** Answers whether the first depends on the second, by itself or through others. */
function reachability(resources: Resources): (from: string, to: string) => boolean {
  const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
  return (from, to) => {
    const seen = new Set<string>();
    const queue = [from];
    for (let urn = queue.pop(); urn !== undefined; urn = queue.pop()) {
      for (const next of byUrn.get(urn)?.dependencies ?? []) {
        if (next === to) return true;
        if (!seen.has(next)) {
          seen.add(next);
          queue.push(next);
        }
      }
    }
    return false;
  };
}

/** Every resource of the cloud belongs to a component, and every name begins with its parent's. */
export function familyProblems(resources: Resources): string[] {
  const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
  return resources.flatMap(({ urn, name, custom, parent }) => {
    const of = parent === undefined ? undefined : byUrn.get(parent);
    const inComponent = of !== undefined && of.type !== "pulumi:pulumi:Stack";
    if (custom && !inComponent) return [`${typeAndName(urn)} belongs to no component`];
    if (inComponent && !name.startsWith(`${of.name}-`)) {
      return [`${typeAndName(urn)} is not called after its parent ${of.name}`];
    }
    return [];
  });
}

/** What is protected although it has to be replaceable; what has to be protected is a policy's business. */
export function replacementProblems(resources: Resources, protect: boolean): string[] {
  return resources
    .filter((resource) => resource.protect && !(protect && holdsData(resource)))
    .map(({ urn }) => `${typeAndName(urn)} is protected`);
}

/** Archives stay in their bucket for a rollback. (The engine does not tell policies what is retained.) */
export function retentionProblems(resources: Resources): string[] {
  return resources
    .filter(({ type, retainOnDelete }) => type.endsWith(":BucketObject") && !retainOnDelete)
    .map(({ urn }) => `${typeAndName(urn)} is deleted with its version`);
}

/** The accounts that sign tokens with a secret of another service. */
function tokenGivers(resources: Resources, secretId: string): string[] {
  return resources.flatMap(({ type, inputs }) => {
    if (!versionTypes.includes(type) || inputs["service"] !== "default") return [];
    const { DEMO_TOKEN_SECRET: name } = inputs["envVariables"] as Record<string, string>;
    return name?.endsWith(`/secrets/${secretId}`) === true && secretId === "ws-token-hmac"
      ? [String(inputs["serviceAccount"])]
      : [];
  });
}

/**
 * Each secret may be read by the account of its own service, and by nobody else: `nats-seed-<service>`
 * and `<service>-<what it is>`; but that a default service that gives demo tokens may read the gateway's
 * key for them.
 */
export function secretProblems(resources: Resources): string[] {
  const readers = resources.filter(({ type }) => type.endsWith(":SecretIamMember"));
  const secrets = resources.filter(({ type }) => type.endsWith("secretmanager/secret:Secret"));
  if (secrets.length === 0) return ["there are no secrets"];
  const problems = secrets.flatMap(({ inputs }) => {
    const id = String(inputs["secretId"]);
    const members = readers
      .filter((reader) => reader.inputs["secretId"] === id)
      .map((reader) => `${String(reader.inputs["role"])} ${String(reader.inputs["member"])}`);
    const service = id.replace("nats-seed-", "").split("-")[0];
    const version = resources.find(
      ({ type, inputs: { service: of } }) => versionTypes.includes(type) && of === service,
    );
    const account = String(version?.inputs["serviceAccount"]);
    const accounts = [account, ...tokenGivers(resources, id)];
    const wanted = accounts.map(
      (email) => `roles/secretmanager.secretAccessor serviceAccount:${email}`,
    );
    return isDeepStrictEqual(members.sort(), wanted.sort())
      ? []
      : [`${id} may be read by ${members.join(", ") || "nobody"} and not by ${wanted.join(", ")}`];
  });
  const wide = resources.filter(
    ({ type, inputs }) =>
      type.endsWith("projects/iAMMember:IAMMember") &&
      /secretmanager\.(secretAccessor|admin)/.test(String(inputs["role"])),
  );
  return [...problems, ...wide.map(({ urn }) => `${typeAndName(urn)} opens every secret`)];
}

/**
 * Each instance of a replicated service is told of every change: by a subscription of its own that lasts,
 * and before its version serves. Pushes are signed for an account that can do nothing else.
 */
export function deliveryProblems(resources: Resources): string[] {
  const ofType = (end: string): RecordedResource[] =>
    resources.filter(({ type }) => type.endsWith(end));
  const reaches = reachability(resources);
  const problems: string[] = [];
  const subscriptions = ofType(":Subscription");
  const used = new Set<string>();
  for (const version of ofType(":StandardAppVersion")) {
    const { service, versionId, manualScaling } = version.inputs;
    const { instances } = z
      .object({ instances: z.number() })
      .parse(manualScaling ?? { instances: 0 });
    const splits = ofType(":EngineSplitTraffic").filter(
      ({ inputs }) => inputs["service"] === service,
    );
    for (let index = 0; index < instances; index++) {
      const host = `https://${index}-dot-${String(versionId)}-dot-${String(service)}-dot-`;
      const own = subscriptions.filter(({ inputs }) =>
        pushOf(inputs).pushEndpoint.startsWith(host),
      );
      if (own.length !== 1) {
        problems.push(
          `${typeAndName(version.urn)}: instance ${index} has ${own.length} subscriptions`,
        );
      }
      for (const { urn } of own) {
        used.add(urn);
        if (!reaches(urn, version.urn))
          problems.push(`${typeAndName(urn)} does not wait for its version`);
        for (const split of splits) {
          if (!reaches(split.urn, urn)) {
            problems.push(`${typeAndName(split.urn)} does not wait for ${typeAndName(urn)}`);
          }
        }
      }
    }
  }
  const accounts = new Set<string>();
  for (const { urn, inputs } of subscriptions) {
    const { oidcToken } = pushOf(inputs);
    accounts.add(oidcToken.serviceAccountEmail);
    if (!used.has(urn)) problems.push(`${typeAndName(urn)} pushes to no instance that is declared`);
    if (oidcToken.audience === "") problems.push(`${typeAndName(urn)} has no audience`);
  }
  for (const { urn, inputs } of resources.filter(({ inputs }) => inputs["role"] !== undefined)) {
    const [, member = ""] = String(inputs["member"]).split(":");
    if (accounts.has(member)) problems.push(`${typeAndName(urn)} gives a role to who only pushes`);
    if (inputs["role"] !== "roles/iam.serviceAccountTokenCreator") continue;
    const [, account = ""] = String(inputs["serviceAccountId"]).split("/serviceAccounts/");
    if (!accounts.has(account) || !member.endsWith("@gcp-sa-pubsub.iam.gserviceaccount.com")) {
      problems.push(`${typeAndName(urn)} makes tokens of more than pushes`);
    }
  }
  return problems;
}

const push = z.object({
  pushEndpoint: z.string(),
  oidcToken: z.object({ serviceAccountEmail: z.string(), audience: z.string() }),
});

function pushOf(inputs: RecordedResource["inputs"]): z.infer<typeof push> {
  return push.parse(inputs["pushConfig"]);
}
