/**
 * The settings of a stack: read once, checked once, then plain typed values. Nothing else in the
 * program reads configuration. Pulumi.yaml declares the same keys for the CLI, and docs/config.md is
 * written from what is said of them here; test/config holds the three together.
 */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { isProjectNumber } from "./components/build-deployer.ts";
import { flexibleScalingProblems, machineProblems } from "./components/flexible-service.ts";
import { isProjectId } from "./components/lib/checks.ts";
import { demoTokenArgs } from "./components/lib/console-config.ts";
import { type GatewayOptions, gatewayProblems } from "./components/lib/gateway-config.ts";
import {
  isBranch,
  isEnvironment,
  isOwner,
  isRepository,
  isRepositoryId,
} from "./components/lib/github.ts";
import { isPinnedImage } from "./components/lib/image.ts";
import { natsProblems } from "./components/lib/nats-arguments.ts";
import { hideSeeds, isUserKey } from "./components/lib/nkey.ts";
import { standardScalingProblems } from "./components/lib/standard-version.ts";
import { isVersionId } from "./components/lib/version-id.ts";
import { isChannel, isEmail, isRunbookUrl } from "./components/observability.ts";
import { networkProblems } from "./components/private-network.ts";

/** The namespace of this project's own keys. */
export const namespace = "appengine-realtime";

/** A value of one kind; `allowed` says in words which, and is what a mistake is answered with. */
const text = (allowed: string, isAllowed: (value: string) => boolean = () => true) =>
  z.string({ error: allowed }).refine(isAllowed, { error: allowed });
const wholeNumber = z.int({ error: "a whole number" });
const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: values.join(", ") });
const number = z.number({ error: "a number" });
const flag = z.boolean({ error: "true or false" });
const object = <T extends z.core.$ZodLooseShape>(shape: T) =>
  z.strictObject(shape, {
    error: ({ code }) =>
      code === "unrecognized_keys"
        ? Object.keys(shape).join(", ")
        : `an object with ${Object.keys(shape).join(", ")}`,
  });

/**
 * App Engine locations, each with the region of its machines and the location of the database that
 * such an application has. The two oldest locations are not called like their regions, and their
 * databases are in a multi-region.
 */
const multiRegions: Readonly<Record<string, { region: string; database: string }>> = {
  "us-central": { region: "us-central1", database: "nam5" },
  "europe-west": { region: "europe-west1", database: "eur3" },
};
const locations = [
  ...["us-central", "us-west1", "us-west2", "us-west3", "us-west4", "us-east1", "us-east4"],
  ...["northamerica-northeast1", "southamerica-east1"],
  ...["europe-west", "europe-west2", "europe-west3", "europe-west6", "europe-central2"],
  ...["asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3"],
  ...["asia-south1", "asia-southeast1", "asia-southeast2", "australia-southeast1"],
] as const;

/**
 * A field as docs/config.md explains it (`npm run config-reference` writes that page).
 *
 * @param what what it is, and which values there are
 * @param changing what a change of it does to an environment that exists
 */
const explained = <T extends z.ZodType>(schema: T, what: string, changing: string): T =>
  schema.meta({ description: what, changing });

/** The settings of a service on App Engine standard; the first one has the explanations in full. */
const standardService = (name: string, like?: string) => object(standardServiceFields(name, like));
const standardServiceFields = (name: string, like?: string) => {
  const say = (text: string): string => (like === undefined ? text : `as for ${like}`);
  return {
    scaling: object({
      instanceClass: explained(
        oneOf(["F1", "F2", "F4", "F4_1G"]),
        say("`F1`, `F2`, `F4` or `F4_1G`"),
        `a new version of ${name}`,
      ),
      minInstances: explained(
        wholeNumber,
        say("instances that run without any request; 0 lets the service sleep"),
        "a new version",
      ),
      maxInstances: explained(wholeNumber, say("the most instances"), "a new version"),
    }),
    trafficVersion: explained(
      text("a version's id, e.g. v0a1b2c3d4e", isVersionId).exactOptional(),
      say("id of an earlier version that gets all traffic: the quick way back"),
      "moves the traffic, builds nothing",
    ),
  };
};

const userKeyRule =
  "a user's public NKey (U and 55 more characters), as `npm run nats-keys` writes it";
const userKey = text(userKeyRule, isUserKey);

/** The provider's keys that a stack sets; Pulumi itself hands them to the provider. */
export const providerSchemas = {
  "gcp:project": explained(
    text(
      "a project's id: 6 to 30 lower-case letters, digits and hyphens, a letter first",
      isProjectId,
    ),
    "id of the Google Cloud project; one stack for each project, because a project has one App Engine application",
    "is another environment: make a new stack",
  ),
  "gcp:region": explained(
    text("a region, e.g. us-central1"),
    "region of everything that has one; it follows from `location`",
    "see `location`",
  ),
} as const;

/**
 * The schema of each key of the project's namespace, with what docs/config.md says of each field. A
 * stack without the optional `m` has no replicated memory.
 */
export const schemas = {
  location: explained(
    z.enum(locations as unknown as [string, ...string[]], { error: locations.join(", ") }),
    "App Engine location. `us-central` is in region `us-central1`, `europe-west` in `europe-west1`, any other is called like its region",
    "impossible: an application never moves",
  ),
  protect: explained(
    flag,
    "whether Pulumi refuses to delete or replace the application, the database, NATS disks, seeds and other secrets, network and connector",
    "in place; turn it off in one deployment, delete in the next",
  ),
  adopt: object({
    application: explained(
      flag,
      "the project has an application already: take it over",
      "matters only before the stack knows the application",
    ),
    database: explained(
      flag,
      "the project has its `(default)` database already: take it over",
      "matters only before the stack knows the database",
    ),
  }),
  network: object({
    natsRange: explained(
      text("an IPv4 range"),
      "range of the NATS machines' subnet, a /29 or larger, private",
      "replaces the subnet, the addresses and the machines",
    ),
    flexRange: explained(
      text("an IPv4 range"),
      "range of the flexible services' subnet, one address for each machine",
      "growing: in place; otherwise replaces the subnet",
    ),
    connector: object({
      range: explained(
        text("a /28 range"),
        "a /28 for the connector of standard services, which nothing else uses",
        "replaces the connector",
      ),
      minInstances: explained(
        wholeNumber,
        "2 to 9 machines of the connector; they are never fewer again once they were more",
        "more: in place; **fewer: replaces the connector**, see below",
      ),
      maxInstances: explained(
        wholeNumber,
        "3 to 10, more than `minInstances`",
        "more: in place; **fewer: replaces the connector**, see below",
      ),
      machineType: explained(
        text("a machine type, e.g. e2-micro"),
        "`f1-micro`, `e2-micro` or `e2-standard-4`",
        "in place",
      ),
    }),
  }),
  nats: object({
    version: explained(
      text('three numbers in quotes, e.g. "2.15.1"'),
      "version of nats-server, and tag of its image",
      "replaces the machines, one after the other; disks and addresses stay",
    ),
    imageDigest: explained(
      text("sha256:… of the image").exactOptional(),
      "`sha256:…` of the image, so that a moved tag changes nothing",
      "as `nats.version`",
    ),
    zones: explained(
      z.array(text("a zone"), { error: "a list of 1 zone, or of 3 for a cluster" }),
      "one zone for one server, three different ones for a cluster",
      "replaces the machines and disks whose zone changes: what JetStream kept there is gone",
    ),
    machineType: explained(
      text("a machine type, e.g. e2-small"),
      "e.g. `e2-small`",
      "each machine is stopped, changed and started, one after the other",
    ),
    diskGb: explained(
      wholeNumber,
      "size of each data disk, 10 to 65536",
      "larger: in place, and used from the machine's next start; smaller: would replace the disk",
    ),
    memoryMb: explained(
      wholeNumber,
      "the most that JetStream keeps in memory, in MiB; leave the server half of the machine's",
      "as `nats.version`",
    ),
  }),
  natsKeys: object({
    add: explained(
      userKey,
      "public NKey of service add",
      "as `nats.version`; the service needs the new seed at the same time: use `npm run nats-keys`",
    ),
    ws: explained(userKey, "public NKey of service ws", "as `natsKeys.add`"),
    m: explained(
      userKey.exactOptional(),
      "public NKey of service m; needed where `m` is",
      "as `natsKeys.add`",
    ),
  }),
  web: object({
    ...standardServiceFields("the default service"),
    demoTokens: explained(
      flag.exactOptional(),
      "whether the console gives whoever opens it a token for the gateway, with the name of a visitor: what clients with a token may do, everybody may do then. False when left out",
      "a new version of the default service; gives or takes its right to read the gateway's key, so a person deploys it",
    ),
  }),
  add: standardService("add", "web"),
  ws: object({
    machine: object({
      cpu: explained(
        wholeNumber,
        "processors of each machine of ws: 1, or an even number",
        "a new version of ws; its clients reconnect",
      ),
      memoryGb: explained(
        number,
        "memory for the app: 1 to 6.5 GB for each processor, less the 0.4 GB that the platform takes",
        "a new version",
      ),
      diskGb: explained(wholeNumber, "disk of each machine, 10 or more", "a new version"),
    }),
    scaling: object({
      minInstances: explained(wholeNumber, "machines that always run, 1 or more", "a new version"),
      maxInstances: explained(wholeNumber, "the most machines", "a new version"),
    }),
    image: explained(
      text(
        "an image pinned by its digest: registry/name@sha256: and 64 hexadecimal digits",
        isPinnedImage,
      ).exactOptional(),
      "image that ws runs from, pinned by its digest; without it ws is built from its archive on the managed Node runtime",
      "a new version",
    ),
    // Whatever it is; `relations` looks at it, with messages that do not repeat what may be a secret.
    gateway: explained(
      z.custom<GatewayOptions>(() => true).exactOptional(),
      "options of the gateway, see [below](#the-options-of-the-gateway); without them nobody may do anything",
      "a new version of ws; its clients reconnect. One of the default service, where the console shows it",
    ),
  }),
  m: explained(
    object({
      instanceClass: explained(
        oneOf(["B1", "B2", "B4", "B4_1G", "B8"]),
        "`B1`, `B2`, `B4`, `B4_1G` or `B8`: 384, 768, 1536, 3072 or 3072 MB, which have to hold all data",
        "a new version of m",
      ),
      instances: explained(
        wholeNumber,
        "how many hold the data, 1 to 200, outside of `us-central` 25 at most; all of them run all the time, and a write waits for all",
        "a new version of m; for some minutes both run. One of the default service, which shows them",
      ),
    }).exactOptional(),
    "replicated memory, the service m; without it a stack has none",
    "more than a change of the file: [first-deploy.md](first-deploy.md#with-or-without-m)",
  ),
  alerts: explained(
    object({
      email: explained(
        text("an e-mail address", isEmail).exactOptional(),
        "address that gets an e-mail for each alert",
        "replaces nothing but the address; a person deploys it, for it is a notification channel",
      ),
      channels: explained(
        z
          .array(text("projects/<project>/notificationChannels/<number>", isChannel), {
            error: "a list of notification channels",
          })
          .exactOptional(),
        "names of notification channels that exist, `projects/<project>/notificationChannels/<number>`: `gcloud beta monitoring channels list`",
        "in place",
      ),
      runbookUrl: explained(
        text("an https address without #", isRunbookUrl).exactOptional(),
        "where people read docs/runbook.md; alerts link to its sections. When left out they name the file",
        "in place",
      ),
    }).exactOptional(),
    "who is told of alerts. Without it there are incidents in Cloud Monitoring, and nobody is woken",
    "in place",
  ),
  build: object({
    legacyProjectNumber: explained(
      text('the project\'s number in quotes, e.g. "123456789012"', isProjectNumber).exactOptional(),
      "the project's number, where builds run as the old account `<number>@cloudbuild.gserviceaccount.com`: it gets the deployer's rights too, and with it whoever may start a build in the project",
      "gives or takes the rights",
    ),
    github: explained(
      object({
        owner: explained(
          text("a user or an organization of GitHub", isOwner),
          "whose repository it is: a user or an organization of GitHub",
          "replaces who may act as the accounts",
        ),
        repository: explained(
          text("a repository's name without its owner", isRepository),
          "its name, without the owner",
          "replaces who may act as the accounts",
        ),
        repositoryId: explained(
          text('the repository\'s number in quotes, e.g. "123456789"', isRepositoryId),
          "its number, `gh api repos/<owner>/<repository> --jq .id`: a name that is given up can be taken by anybody, a number cannot",
          "replaces who may act as the accounts",
        ),
        deployBranch: explained(
          text("a branch, no pattern", isBranch).exactOptional(),
          "the branch that deploys this stack, with each push; `main` when neither this nor `deployEnvironment` is given",
          "changes who may deploy",
        ),
        deployEnvironment: explained(
          text("an environment of GitHub, e.g. prod", isEnvironment).exactOptional(),
          "in its place: release tags (`v…`) deploy this stack; from GitHub only protected ones, in a job of this environment",
          "changes who may deploy",
        ),
        previewTrigger: explained(
          flag.exactOptional(),
          "false where GitHub Actions makes the previews: then Cloud Build has no trigger for them, and a pull request can write no log of this project; true when left out",
          "makes or deletes the trigger",
        ),
        deployTrigger: explained(
          flag.exactOptional(),
          "false where only GitHub Actions starts the deployments: then Cloud Build has no trigger for it; true when left out",
          "makes or deletes the trigger",
        ),
        deployFromGithub: explained(
          flag.exactOptional(),
          "whether GitHub Actions may start deployments, too. No approval of Cloud Build's holds there: the rules are GitHub's, for the branch, the tags and the environment. False when left out",
          "gives or takes the right to act as the deployer",
        ),
      }).exactOptional(),
      "the repository on GitHub that this stack is deployed from: triggers of Cloud Build, and identities for GitHub Actions. Cloud Build's app is connected to it before",
      "makes or deletes triggers, pool and grants; the pool's name is not free again for 30 days",
    ),
    approval: explained(
      flag.exactOptional(),
      "whether a deployment that Cloud Build's trigger starts waits for somebody's approval; when left out, true with `deployEnvironment` and false without",
      "changes the trigger",
    ),
  }),
} as const;

type Decoded = Readonly<z.infer<z.ZodObject<typeof schemas>>>;

/** Everything that the program is told, checked. */
export interface Settings extends Decoded {
  /** `gcp:project`: the project's id. */
  readonly project: string;
  /** `gcp:region`: the region that belongs to `location`. */
  readonly region: string;
  /** Where the database of an application in `location` is. */
  readonly databaseLocation: string;
}

/**
 * Decodes the settings of a stack.
 *
 * @param raw `namespace:key` → text, JSON for objects, as Pulumi hands them to a program. Keys of other
 *   namespaces than this project's are left alone, but for `gcp:project` and `gcp:region`.
 * @param stack the stack's name
 * @throws RunError, which ends a program without a stack trace, that lists every mistake, each with its
 *   key, the value and what is allowed
 */
export function decodeSettings(raw: Readonly<Record<string, string>>, stack: string): Settings {
  const problems: string[] = [];
  const known = Object.keys(schemas);
  for (const key of Object.keys(raw)
    .filter((name) => name.startsWith(`${namespace}:`))
    .sort()) {
    if (!known.includes(key.slice(namespace.length + 1))) {
      problems.push(`${key}: is not known; allowed: ${known.join(", ")}`);
    }
  }
  const project = decodeText(raw, "gcp:project", problems);
  const region = decodeText(raw, "gcp:region", problems);
  const decoded: Partial<Record<string, unknown>> = {};
  for (const [key, schema] of Object.entries(schemas)) {
    const value = parse(raw[`${namespace}:${key}`], schema);
    if (value === undefined && schema instanceof z.ZodExactOptional) continue;
    const result = schema.safeParse(value);
    if (result.success) decoded[key] = result.data;
    else problems.push(...result.error.issues.flatMap((issue) => explain(key, value, issue)));
  }
  const values = decoded as Partial<Decoded>;
  problems.push(...relations(values, region, stack));
  if (problems.length > 0) {
    // A seed may be anywhere that a person mistook for its place, in a key's name too.
    const lines = problems.map((problem) => `  - ${hideSeeds(problem)}`);
    throw new pulumi.RunError(["The settings of this stack are wrong:", ...lines].join("\n"));
  }
  const all = values as Decoded;
  return deepFreeze({
    ...all,
    project,
    region,
    databaseLocation: multiRegions[all.location]?.database ?? all.location,
  });
}

/** The settings of the stack that this program runs for. */
export function readSettings(): Settings {
  return decodeSettings(pulumi.runtime.allConfig(), pulumi.getStack());
}

function decodeText(
  raw: Readonly<Record<string, string>>,
  key: keyof typeof providerSchemas,
  problems: string[],
): string {
  const result = providerSchemas[key].safeParse(raw[key]);
  if (result.success) return result.data;
  problems.push(`${describe(key, raw[key])}; allowed: ${result.error.issues[0]?.message ?? ""}`);
  return "";
}

/** What is more than the type of a value: ranges, and how values fit together. The components know it, and
 * are asked here too, so that all mistakes come at once. Each check runs when the parts that it needs
 * have the right type. */
function relations(values: Partial<Decoded>, region: string, stack: string): string[] {
  const problems: string[] = [];
  const { location, protect, network, nats, natsKeys, web, add, ws, m, build } = values;
  if (location !== undefined && region !== "") {
    const fitting = multiRegions[location]?.region ?? location;
    if (region !== fitting) {
      problems.push(
        `gcp:region: "${region}"; allowed with ${namespace}:location ${location}: ${fitting}`,
      );
    }
  }
  if (network) {
    problems.push(...networkProblems(network).map((p) => `${namespace}:network.${p}`));
  }
  if (nats && region !== "") {
    problems.push(...natsProblems(nats, region).map((p) => `${namespace}:nats.${p}`));
  }
  if (natsKeys) {
    const seen = new Map<string, string>();
    for (const [service, key] of Object.entries(natsKeys)) {
      const other = seen.get(key);
      if (other === undefined) seen.set(key, service);
      else {
        problems.push(
          `${namespace}:natsKeys.${service}: the same as natsKeys.${other}; allowed: one key for each service`,
        );
      }
    }
    if (m && natsKeys.m === undefined) {
      problems.push(`${namespace}:natsKeys.m: is missing; allowed with m: ${userKeyRule}`);
    }
  }
  for (const [key, service] of Object.entries({ web, add })) {
    if (service) {
      const scaling = { kind: "automatic", ...service.scaling } as const;
      problems.push(
        ...standardScalingProblems(scaling).map((p) => `${namespace}:${key}.scaling.${p}`),
      );
    }
  }
  if (m) {
    problems.push(
      ...standardScalingProblems({ kind: "manual", ...m }).map((p) => `${namespace}:m.${p}`),
    );
  }
  if (build?.github?.deployBranch !== undefined && build.github.deployEnvironment !== undefined) {
    problems.push(
      `${namespace}:build.github.deployEnvironment: "${build.github.deployEnvironment}"; allowed: not together with deployBranch`,
    );
  }
  if (
    build?.github?.deployFromGithub === true &&
    build.github.deployTrigger !== false &&
    needsApproval(build)
  ) {
    problems.push(
      `${namespace}:build.github.deployFromGithub: true; allowed: not beside a trigger that waits for an approval, which it would go around`,
    );
  }
  if (build?.approval !== undefined && build.github === undefined) {
    problems.push(
      `${namespace}:build.approval: ${build.approval}; allowed: only with build.github`,
    );
  }
  if (web?.demoTokens === true && ws) {
    const where = `${namespace}:web.demoTokens`;
    if (stack === "prod" || protect !== false) {
      problems.push(
        `${where}: is refused where \`protect\` is true and in stack prod; allowed: false`,
      );
    }
    if (demoTokenArgs(ws.gateway ?? {}) === undefined) {
      problems.push(
        `${where}: true; allowed: only with ws.gateway.client.token.hmac_secret_key, which signs them`,
      );
    }
  }
  if (ws) {
    // By the name, since `protect` is turned off for a deployment that is to delete something; and by
    // `protect`, since a production stack may be called otherwise. So no single change gets around it.
    const strict = stack === "prod" || protect !== false;
    problems.push(
      ...machineProblems(ws.machine).map((p) => `${namespace}:ws.machine.${p}`),
      ...flexibleScalingProblems(ws.scaling).map((p) => `${namespace}:ws.scaling.${p}`),
      ...("gateway" in ws
        ? gatewayProblems(ws.gateway, { where: `${namespace}:ws.gateway`, strict })
        : []),
    );
  }
  return problems;
}

/** Whether a deployment that a trigger starts waits for an approval. */
export function needsApproval({ approval, github }: Settings["build"]): boolean {
  return approval ?? github?.deployEnvironment !== undefined;
}

/**
 * A stack file's value as Pulumi hands it over: text; what is not meant to be text is JSON. A null takes
 * away what a stack file says, for who can lay values over it and not remove them.
 */
function parse(value: string | undefined, schema: z.ZodType): unknown {
  if (value === undefined || schema instanceof z.ZodString || schema instanceof z.ZodEnum) {
    return value;
  }
  try {
    const parsed: unknown = JSON.parse(value);
    return parsed ?? undefined;
  } catch {
    return value;
  }
}

function explain(key: string, value: unknown, issue: z.core.$ZodIssue): string[] {
  const path = [key, ...issue.path.map(String)].join(".");
  const bad = issue.path.reduce<unknown>(
    (inner, part) =>
      typeof inner === "object" && inner !== null ? Reflect.get(inner, part) : undefined,
    value,
  );
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map(
      (unknown) => `${namespace}:${path}.${unknown}: is not known; allowed: ${issue.message}`,
    );
  }
  const at = `${namespace}:${path}`;
  // No object, but it may hold the gateway's secrets all the same.
  const hidden = path === "ws" && bad !== undefined;
  return [`${hidden ? `${at}: (not shown)` : describe(at, bad)}; allowed: ${issue.message}`];
}

function describe(key: string, value: unknown): string {
  return `${key}: ${value === undefined ? "is missing" : shown(value)}`;
}

/** A value as JSON, but with its own name for each number that JSON would call null. */
function shown(value: unknown): string {
  const isNamed = (inner: unknown): boolean => typeof inner === "number" && !Number.isFinite(inner);
  if (isNamed(value)) return String(value);
  return JSON.stringify(value, (_, inner: unknown) => (isNamed(inner) ? String(inner) : inner));
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
