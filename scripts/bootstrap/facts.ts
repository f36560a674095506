/** What is there already, asked of gcloud and pulumi by questions that change nothing. */
import { fromSeed } from "nkeys.js";
import { z } from "zod";
import { stateBucketName } from "../../components/build-deployer.ts";
import { seedSecretId } from "../../components/lib/nkey.ts";
import { Refusal } from "../deploy/refusal.ts";
import { decodeState, judgeState } from "../deploy/state.ts";
import { type Cli, type Outcome, shellLine } from "./cli.ts";
import type { Declared } from "./declared.ts";
import { readSettingsOf, type Target } from "./target.ts";

/** The bucket that keeps Pulumi's state, as far as its settings matter. */
export interface StateBucket {
  readonly location: string;
  readonly uniformAccess: boolean;
  readonly neverPublic: boolean;
  readonly versioning: boolean;
  /** Whether older versions are deleted some day. */
  readonly cleanup: boolean;
}

/** What Pulumi knows of the stack. */
export interface StackState {
  /** URNs of the resources that exist, without those that wait for their deletion. */
  readonly urns: ReadonlySet<string>;
  /** URNs that an interrupted run left in the middle of something. */
  readonly pending: readonly string[];
  /** What would have Pulumi run something that is not this project's. */
  readonly strange: readonly string[];
  /** Versions of Google's provider that it was written by. */
  readonly versions: readonly string[];
  readonly outputs: Readonly<Record<string, unknown>>;
}

export interface Facts {
  /** Who gcloud is logged in as. */
  readonly account: string;
  readonly billing: boolean;
  /** Whether programs find credentials of their own. */
  readonly credentials: boolean;
  /** APIs that are on, e.g. `compute.googleapis.com`. */
  readonly apis: ReadonlySet<string>;
  readonly bucket: StateBucket | undefined;
  /** Where pulumi is logged in. */
  readonly backend: string | undefined;
  readonly stack: StackState | undefined;
  readonly declared: Declared;
  /** App Engine's application. */
  readonly application: { readonly location: string } | undefined;
  /** The database `(default)`. */
  readonly database: { readonly location: string; readonly type: string } | undefined;
  /** Secrets that have a version that can be read. */
  readonly filled: ReadonlySet<string>;
  /** Public NKey by service, as the stack file has it. */
  readonly keys: Readonly<Record<string, string>>;
  /** Public NKey by service, of the seed in Secret Manager; undefined where there is none. */
  readonly seedKeys: Readonly<Record<string, string | undefined>>;
  /** Whether a deployment would change nothing, and what is live is what the last one meant to be. */
  readonly live: boolean;
}

export type FactName = keyof Facts;

/** Versions of this bucket's objects that are kept beside the current one. */
export const keptStates = 100;

export function backendOf(project: string): string {
  return `gs://${stateBucketName(project)}`;
}

/** What every tool finds in its environment. */
export function toolEnvironment(project: string): Record<string, string> {
  return {
    PULUMI_BACKEND_URL: backendOf(project),
    // Nothing secret passes through the program, so there is nothing in the state to encrypt.
    PULUMI_CONFIG_PASSPHRASE: "",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // Pulumi would fetch whatever the state names, from where the state says.
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    // gcloud fails then where it would ask, for example whether to turn on an API.
    CLOUDSDK_CORE_DISABLE_PROMPTS: "1",
  };
}

/** One question at a time for each fact, asked when somebody wants to know, and kept until it is forgotten. */
export class Questions {
  readonly #cli: Cli;
  readonly #target: Target;
  readonly #root: string;
  readonly #declaredBy: (root: string, stack: string) => Promise<Declared>;
  readonly #answers = new Map<FactName, Promise<unknown>>();
  #ready: Promise<void> | undefined;

  constructor(
    cli: Cli,
    target: Target,
    root: string,
    declaredBy: (root: string, stack: string) => Promise<Declared>,
  ) {
    this.#cli = cli;
    this.#target = target;
    this.#root = root;
    this.#declaredBy = declaredBy;
  }

  /** All facts; those that nobody has asked for yet are asked for at the same time. */
  async all(): Promise<Facts> {
    await (this.#ready ??= this.#begin());
    const names = Object.keys(this.#asking) as FactName[];
    const answers = await Promise.all(names.map(async (name) => [name, await this.ask(name)]));
    return Object.fromEntries(answers) as Facts;
  }

  /** @throws Refusal when the answer cannot be had */
  ask<Name extends FactName>(name: Name): Promise<Facts[Name]> {
    const known = this.#answers.get(name) as Promise<Facts[Name]> | undefined;
    const answer = known ?? this.#asking[name]();
    this.#answers.set(name, answer);
    return answer;
  }

  /** What was changed is asked for again. */
  forget(names: readonly FactName[]): void {
    for (const name of names) this.#answers.delete(name);
  }

  readonly #asking: { readonly [Name in FactName]: () => Promise<Facts[Name]> } = {
    account: async () => {
      const accounts = z
        .array(z.object({ account: z.string() }))
        .parse(await this.#json("gcloud", "auth", "list", "--filter=status:ACTIVE"));
      const [active] = accounts;
      if (active === undefined) throw new Refusal("gcloud is not logged in: gcloud auth login");
      return active.account;
    },
    billing: async () =>
      z
        .object({ billingEnabled: z.boolean().default(false) })
        .parse(await this.#json("gcloud", "billing", "projects", "describe", this.#target.project))
        .billingEnabled,
    credentials: async () => {
      // It prints a token, which nobody looks at.
      const asked = await this.#run([
        "gcloud",
        "auth",
        "application-default",
        "print-access-token",
      ]);
      return asked.code === 0;
    },
    apis: async () => {
      const services = z
        .array(z.object({ config: z.object({ name: z.string() }) }))
        .parse(await this.#ofProject("services", "list", "--enabled"));
      return new Set(services.map(({ config }) => config.name));
    },
    bucket: async () => {
      if (!(await this.#isOn("storage"))) return undefined;
      // All of the project's own: a bucket of this name may be somebody else's.
      const buckets = rawBuckets.parse(
        await this.#ofProject("storage", "buckets", "list", "--raw"),
      );
      const found = buckets.find(({ name }) => name === stateBucketName(this.#target.project));
      return (
        found && {
          location: found.location.toLowerCase(),
          uniformAccess: found.iamConfiguration?.uniformBucketLevelAccess?.enabled ?? false,
          neverPublic: found.iamConfiguration?.publicAccessPrevention === "enforced",
          versioning: found.versioning?.enabled ?? false,
          cleanup: (found.lifecycle?.rule ?? []).some(
            ({ action, condition }) =>
              action.type === "Delete" && condition.numNewerVersions === keptStates,
          ),
        }
      );
    },
    backend: async () => {
      // As the user's own commands find it, hence without what the others are told.
      const asked = await this.#cli.run(["pulumi", "whoami", "--verbose", "--non-interactive"]);
      return asked.code === 0 ? /^Backend URL: *(\S+?)\/?$/m.exec(asked.stdout)?.[1] : undefined;
    },
    stack: async () => {
      if ((await this.ask("bucket")) === undefined || !(await this.ask("credentials"))) {
        return undefined;
      }
      const line = ["pulumi", "stack", "export", "--stack", this.#target.stack];
      const asked = await this.#run(line);
      if (asked.code !== 0 && /no stack named/.test(asked.stderr)) return undefined;
      if (asked.code !== 0) throw unanswered(line, asked);
      const state = decodeState(asked.stdout);
      const { resources, pending } = state;
      const { problems, versions } = judgeState(state, this.#target.provider);
      return {
        urns: new Set(resources.filter((one) => !one.delete).map(({ urn }) => urn)),
        pending: pending.map(({ type, resource }) => `${type} ${resource.urn}`),
        strange: problems,
        versions,
        outputs: resources.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {},
      };
    },
    declared: () => this.#declaredBy(this.#root, this.#target.stack),
    application: async () => {
      if (!(await this.#isOn("appengine"))) return undefined;
      const line = this.#line("app", "describe");
      const asked = await this.#run(line);
      if (asked.code !== 0 && /does not contain an App Engine application/.test(asked.stderr)) {
        return undefined;
      }
      const { locationId } = z.object({ locationId: z.string() }).parse(jsonOf(line, asked));
      return { location: locationId };
    },
    database: async () => {
      if (!(await this.#isOn("firestore"))) return undefined;
      const databases = z
        .array(z.object({ name: z.string(), locationId: z.string(), type: z.string() }))
        .parse(await this.#ofProject("firestore", "databases", "list"));
      const found = databases.find(({ name }) => name.endsWith("/databases/(default)"));
      return found && { location: found.locationId, type: found.type };
    },
    filled: async () => {
      if (!(await this.#isOn("secretmanager"))) return new Set();
      const named = z.array(z.object({ name: z.string() }));
      const secrets = named.parse(await this.#ofProject("secrets", "list"));
      const { newSecrets, earlierSecrets } = this.#target;
      const seeds = Object.keys(await this.ask("keys")).map(seedSecretId);
      const wanted = [...newSecrets, ...earlierSecrets, ...seeds];
      const there = wanted.filter((id) => secrets.some(({ name }) => name.endsWith(`/${id}`)));
      const states = z.array(z.object({ state: z.string() }));
      const versions = await Promise.all(
        there.map((id) => this.#ofProject("secrets", "versions", "list", id)),
      );
      return new Set(
        there.filter((_, n) =>
          states.parse(versions[n]).some(({ state }) => state.toUpperCase() === "ENABLED"),
        ),
      );
    },
    keys: () =>
      Promise.resolve().then(() => readSettingsOf(this.#target.stack, this.#root).natsKeys),
    seedKeys: async () => {
      const filled = await this.ask("filled");
      const services = Object.keys(await this.ask("keys"));
      const keys = services.map(async (service) => {
        const id = seedSecretId(service);
        return [service, filled.has(id) ? await this.#publicKeyIn(id) : undefined] as const;
      });
      return Object.fromEntries(await Promise.all(keys));
    },
    live: async () => {
      const stack = await this.ask("stack");
      if (stack === undefined || !isComplete(stack, (await this.ask("declared")).all)) return false;
      const asked = await this.#run(verifyLine(this.#target.stack));
      return asked.code === 0;
    },
  };

  /** Every other question would fail for want of these, with less helpful words. */
  async #begin(): Promise<void> {
    await Promise.all([this.#pulumi(), this.ask("account")]);
    await this.#project();
  }

  /** That there is a project and that the account may see it. */
  async #project(): Promise<void> {
    const { project } = this.#target;
    const asked = await this.#run(["gcloud", "projects", "describe", project, "--format=json"]);
    if (asked.code === 0) return;
    throw new Refusal(
      [
        `${await this.ask("account")} cannot see a project ${project}:`,
        errorOf(asked),
        `If it does not exist: gcloud projects create ${project}. If it does: ask its owner for a role in it,`,
        "or take another account: gcloud auth login",
      ].join("\n"),
    );
  }

  async #pulumi(): Promise<void> {
    const line = ["pulumi", "version"];
    const asked = await this.#run(line);
    if (asked.code !== 0) throw new Refusal(`${shellLine(line)} fails: ${errorOf(asked)}`);
  }

  /** The public key of the newest seed; the seed itself goes no further. */
  async #publicKeyIn(secret: string): Promise<string> {
    const line = [
      ...["gcloud", "secrets", "versions", "access", "latest", `--secret=${secret}`],
      `--project=${this.#target.project}`,
    ];
    const asked = await this.#run(line);
    if (asked.code !== 0) throw unanswered(line, asked);
    try {
      return fromSeed(new TextEncoder().encode(asked.stdout.trim())).getPublicKey();
    } catch {
      return "no seed";
    }
  }

  async #isOn(api: string): Promise<boolean> {
    return (await this.ask("apis")).has(`${api}.googleapis.com`);
  }

  #line(...args: string[]): string[] {
    return ["gcloud", ...args, `--project=${this.#target.project}`, "--format=json"];
  }

  async #ofProject(...args: string[]): Promise<unknown> {
    const line = this.#line(...args);
    return jsonOf(line, await this.#run(line));
  }

  async #json(...words: string[]): Promise<unknown> {
    const line = [...words, "--format=json"];
    return jsonOf(line, await this.#run(line));
  }

  #run(line: readonly string[]): Promise<Outcome> {
    return this.#cli.run(line, { env: toolEnvironment(this.#target.project) });
  }
}

/** Asks whether a deployment would change anything, and whether the traffic goes where the last one sent it. */
function verifyLine(stack: string): string[] {
  const options = ["--stack", stack, "--dry-run", "--expect-no-changes"];
  return ["npm", "run", "--silent", "deploy", "--", ...options];
}

export function isComplete(stack: StackState, urns: readonly string[]): boolean {
  return urns.every((urn) => stack.urns.has(urn));
}

/** The end of what a tool says: warnings come first. */
export function errorOf({ stdout, stderr }: Outcome): string {
  const text = stderr.trim() === "" ? stdout : stderr;
  return text.slice(Math.max(0, text.lastIndexOf("ERROR:"))).trim();
}

function jsonOf(line: readonly string[], asked: Outcome): unknown {
  if (asked.code !== 0) throw unanswered(line, asked);
  try {
    return JSON.parse(asked.stdout);
  } catch {
    throw new Refusal(`${shellLine(line)} answered something that is no JSON`);
  }
}

function unanswered(line: readonly string[], asked: Outcome): Refusal {
  return new Refusal(
    [
      "Nothing was changed by this question, but its answer is needed:",
      `  $ ${shellLine(line)}`,
      errorOf(asked),
    ].join("\n"),
  );
}

const rawBuckets = z.array(
  z.object({
    name: z.string(),
    location: z.string(),
    iamConfiguration: z
      .object({
        uniformBucketLevelAccess: z.object({ enabled: z.boolean().default(false) }).optional(),
        publicAccessPrevention: z.string().optional(),
      })
      .optional(),
    versioning: z.object({ enabled: z.boolean().default(false) }).optional(),
    lifecycle: z
      .object({
        rule: z
          .array(
            z.object({
              action: z.object({ type: z.string() }),
              condition: z.object({ numNewerVersions: z.number().optional() }),
            }),
          )
          .default([]),
      })
      .optional(),
  }),
);
