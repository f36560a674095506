/**
 * What is to be done for an environment: facts about the project → steps, with no effect on anything. A
 * step is done when the facts say so, whoever did it; so the plan can be made again after each step, and
 * by a later run.
 */
import gcp from "@pulumi/gcp/package.json" with { type: "json" };
import { stateBucketName } from "../../components/build-deployer.ts";
import { founderRoles } from "../../components/lib/permissions.ts";
import { targetMatcher } from "./declared.ts";
import { backendOf, type FactName, type Facts, isComplete } from "./facts.ts";
import type { Target } from "./target.ts";

/** One command of a step. */
export interface Command {
  readonly line: readonly string[];
  /** A text that nobody knows, made when it runs and handed over on standard input. */
  readonly secretInput?: true;
}

export type StepName =
  | "billing"
  | "credentials"
  | "apis"
  | "bucket"
  | "login"
  | "stack"
  | "base"
  | "keys"
  | "secrets"
  | "triggers"
  | "deploy";

export interface Step {
  readonly name: StepName;
  readonly title: string;
  readonly done: boolean;
  /** Roles of the person who does it, in the project unless they say something else. */
  readonly roles: readonly string[];
  /** All that the step consists of. */
  readonly commands: readonly Command[];
  /** What of these has to be run now. */
  readonly toRun: readonly Command[];
  /** What only a person can do, in the console or a browser; before the commands. */
  readonly person: readonly string[];
  /** What it may change. */
  readonly changes: readonly FactName[];
  /** What to do when it fails. */
  readonly ifItFails: string;
}

export interface Plan {
  /** What has to be decided or mended by a person before anything may be done. */
  readonly problems: readonly string[];
  readonly steps: readonly Step[];
}

/**
 * APIs without which neither gcloud could make the bucket nor the program turn on the others; the program
 * declares all it calls.
 */
export const firstApis = ["cloudresourcemanager", "serviceusage", "iam", "storage"].map(
  (name) => `${name}.googleapis.com`,
);

/**
 * What is deployed before everything else: the secrets, which are given their values before a service
 * asks for them, and what those stand on. A test holds that nothing else is needed.
 */
export const baseTargets = [
  "**ProjectServices**",
  "**AppEngineApplication**",
  "**:NatsServer::*",
  "**:NatsServer$gcp:secretmanager/secret:Secret::*",
  "**ServiceSecrets**",
] as const;

/** Google tells whether Cloud Build may see a repository when somebody makes a trigger for it, not before. */
export const triggerTargets = [
  "**ProjectServices**",
  "**:BuildDeployer::*",
  "**:BuildDeployer$gcp:serviceaccount/account:Account::*",
  "**:PreviewReader::*",
  "**:PreviewReader$gcp:serviceaccount/account:Account::*",
  "**BuildTriggers**",
] as const;

/** What has to be true before the first step; each with what to do. */
function problemsOf(target: Target, facts: Facts): string[] {
  const { project, stack: name, location, databaseLocation, adopt, region } = target;
  const { application, database, stack, bucket } = facts;
  const file = `Pulumi.${name}.yaml`;
  const problems: string[] = [];
  const knows = (type: string): boolean =>
    [...(stack?.urns ?? [])].some((urn) => urn.includes(`gcp:${type}::`));

  if (bucket !== undefined && bucket.location !== region) {
    problems.push(
      `The bucket ${stateBucketName(project)} is in ${bucket.location}, but gcp:region in ${file} is ${region}. A bucket never moves: move its contents, or correct the region.`,
    );
  }
  if (stack !== undefined && stack.strange.length > 0) {
    problems.push(
      [
        "The state names what this project does not use, and Pulumi would start it with your rights:",
        ...stack.strange.slice(0, 20).map((one) => `  ${JSON.stringify(one)}`),
        `Run no pulumi command for this stack before you know who wrote that: earlier states are in ${backendOf(project)}.`,
      ].join("\n"),
    );
  }
  if (stack !== undefined && stack.pending.length > 0) {
    problems.push(
      [
        "A deployment was cut off in the middle of these, so nobody knows whether they exist:",
        ...stack.pending.map((one) => `  ${one}`),
        `Ask the cloud, and answer what is asked: pulumi refresh --stack ${name}`,
      ].join("\n"),
    );
  }
  if (application !== undefined && application.location !== location) {
    problems.push(
      `The project's App Engine application is in ${application.location}, but location in ${file} is ${location}. An application never moves: correct the file, or take another project.`,
    );
  }
  if (!knows("appengine/application:Application")) {
    if (application !== undefined && !adopt.application) {
      problems.push(
        `The project has an App Engine application already. Take it over: adopt.application: true in ${file}`,
      );
    }
    if (application === undefined && adopt.application) {
      problems.push(
        `adopt.application in ${file} is true, but the project has no App Engine application: set it to false`,
      );
    }
  }
  if (!knows("firestore/database:Database")) {
    if (database !== undefined && database.type !== "DATASTORE_MODE") {
      problems.push(
        `The project's (default) database is of type ${database.type}; m needs one in Datastore mode, which is DATASTORE_MODE. While it is empty its type can be changed in the console: https://console.cloud.google.com/datastore?project=${project}`,
      );
    }
    if (database !== undefined && database.location !== databaseLocation) {
      problems.push(
        `The project's (default) database is in ${database.location}, but with location ${location} in ${file} it would be in ${databaseLocation}. A database never moves: delete it if it is empty, or take another project.`,
      );
    }
    if (database !== undefined && !adopt.database) {
      problems.push(
        `The project has its (default) database already. Take it over: adopt.database: true in ${file}`,
      );
    }
    // Turning on an application can bring a database along, so only one that is there for sure is missed.
    if (database === undefined && adopt.database && !adopt.application) {
      problems.push(
        `adopt.database in ${file} is true, but the project has no (default) database: set it to false`,
      );
    }
  }
  const strange = strangeKeys(facts);
  if (strange.length > 0 && knows("compute/instance:Instance")) {
    problems.push(
      [
        `${file} has other keys than Secret Manager has seeds for: ${strange.join(", ")}.`,
        "Is this checkout older than the last `npm run nats-keys`? Then take the newer one.",
        `If that command was interrupted: npm run nats-keys -- --stack ${name}, and then go on here.`,
      ].join("\n"),
    );
  }
  return problems;
}

/** The services whose key is not that of the seed that they will read. */
function strangeKeys({ keys, seedKeys }: Facts): string[] {
  return Object.keys(keys).filter(
    (service) => seedKeys[service] !== undefined && seedKeys[service] !== keys[service],
  );
}

/**
 * All steps, in their order.
 *
 * @param target what is to be there
 * @param facts what is there
 */
export function planFor(target: Target, facts: Facts): Plan {
  const { project, stack: name, region } = target;
  const state = facts.stack;
  const bucketUrl = `gs://${stateBucketName(project)}`;
  const inProject = `--project=${project}`;
  const step = (
    it: Pick<Step, "name" | "title" | "done" | "roles" | "changes" | "ifItFails"> &
      Partial<Pick<Step, "commands" | "toRun" | "person">>,
  ): Step => {
    const commands = it.commands ?? [];
    return { person: [], ...it, commands, toRun: it.toRun ?? commands };
  };
  const versions = new Set([gcp.pulumi.version, ...(state?.versions ?? [])]);
  const plugins = [...versions].map((version): Command => ({
    line: ["pulumi", "plugin", "install", "resource", "gcp", version],
  }));
  const pulumiUp = (targets: readonly string[]): Command => ({
    line: [
      ...["pulumi", "up", "--refresh", "--yes", "--non-interactive", "--stack", name],
      ...["--policy-pack", "policies"],
      ...targets.flatMap((pattern) => ["--target", pattern]),
    ],
  });
  const isThere = (targets: readonly string[]): boolean =>
    state !== undefined && isComplete(state, facts.declared.all.filter(targetMatcher(targets)));
  const lifecycle = "scripts/bootstrap/state-lifecycle.json";
  const create: Command = {
    line: [
      ...["gcloud", "storage", "buckets", "create", bucketUrl, inProject, `--location=${region}`],
      ...["--uniform-bucket-level-access", "--public-access-prevention"],
    ],
  };
  // A bucket cannot be made with versions; and one that is there may lack anything.
  const settle: Command = {
    line: [
      ...["gcloud", "storage", "buckets", "update", bucketUrl, "--versioning"],
      ...["--uniform-bucket-level-access", "--public-access-prevention"],
      `--lifecycle-file=${lifecycle}`,
    ],
  };
  const addVersion = (id: string): string[] => [
    ...["gcloud", "secrets", "versions", "add", id, "--data-file=-", inProject],
  ];
  const emptySecrets = target.newSecrets.filter((id) => !facts.filled.has(id));
  const emptyEarlier = target.earlierSecrets.filter((id) => !facts.filled.has(id));
  const randomVersion = (id: string): Command => ({ line: addVersion(id), secretInput: true });
  const again = `Mend what it says and run the same bootstrap again: it goes on here.`;

  const steps: Step[] = [
    step({
      name: "billing",
      title: "the project is linked to a billing account",
      done: facts.billing,
      roles: ["roles/billing.user on the billing account", "roles/billing.projectManager"],
      person: [
        `link it in the console: https://console.cloud.google.com/billing/linkedaccount?project=${project}`,
        `or: gcloud billing projects link ${project} --billing-account=<id of the account>`,
      ],
      changes: ["billing"],
      ifItFails: again,
    }),
    step({
      name: "credentials",
      title: "programs on this machine may act for you",
      done: facts.credentials,
      roles: [],
      person: ["log in, in a browser: gcloud auth application-default login"],
      changes: ["credentials", "backend", "stack", "live"],
      ifItFails: again,
    }),
    step({
      name: "apis",
      title: "the APIs that let gcloud and Pulumi do the rest are on",
      done: firstApis.every((api) => facts.apis.has(api)),
      roles: ["roles/serviceusage.serviceUsageAdmin"],
      commands: [{ line: ["gcloud", "services", "enable", ...firstApis, inProject] }],
      changes: ["apis", "bucket", "application", "database", "filled", "seedKeys"],
      ifItFails: again,
    }),
    step({
      name: "bucket",
      title: "a bucket keeps Pulumi's state, with its earlier versions",
      done:
        facts.bucket !== undefined &&
        facts.bucket.uniformAccess &&
        facts.bucket.neverPublic &&
        facts.bucket.versioning &&
        facts.bucket.cleanup,
      roles: ["roles/storage.admin"],
      commands: [create, settle],
      toRun: facts.bucket === undefined ? [create, settle] : [settle],
      changes: ["bucket", "backend", "stack"],
      ifItFails: `Names of buckets are the whole world's: when the name is taken (409), somebody else has ${stateBucketName(project)}, and the project needs another id. Otherwise: ${again}`,
    }),
    step({
      name: "login",
      title: "pulumi on this machine finds its state there",
      done: facts.backend === backendOf(project),
      roles: ["roles/storage.admin"],
      commands: [{ line: ["pulumi", "login", backendOf(project)] }],
      changes: ["backend"],
      ifItFails: `If PULUMI_BACKEND_URL is set where you are, it has the last word: unset it. ${again}`,
    }),
    step({
      name: "stack",
      title: `Pulumi knows the stack ${name}`,
      done: state !== undefined,
      roles: ["roles/storage.admin"],
      commands: [
        {
          line: [
            "pulumi",
            "stack",
            "init",
            name,
            "--non-interactive",
            "--secrets-provider=passphrase",
          ],
        },
      ],
      changes: ["stack"],
      ifItFails: again,
    }),
    step({
      name: "base",
      title: "APIs, application, database and empty secrets are there",
      done: isThere(baseTargets),
      roles: founderRoles,
      commands: [...plugins, pulumiUp(baseTargets)],
      changes: ["stack", "apis", "application", "database", "filled", "seedKeys", "live"],
      ifItFails: again,
    }),
    step({
      name: "keys",
      title:
        "each service has a NATS key: the seed in Secret Manager, the public key in the stack file",
      done: Object.entries(facts.keys).every(([service, key]) => facts.seedKeys[service] === key),
      roles: ["roles/secretmanager.admin"],
      commands: [{ line: ["npm", "run", "--silent", "nats-keys", "--", "--stack", name] }],
      changes: ["keys", "filled", "seedKeys", "live"],
      ifItFails: again,
    }),
    step({
      name: "secrets",
      title: `the gateway's secrets have a value: ${[...target.newSecrets, ...target.earlierSecrets].join(", ") || "it has none"}`,
      done: emptySecrets.length === 0 && emptyEarlier.length === 0,
      roles: ["roles/secretmanager.admin"],
      // Of these only a person knows the text; what needs nobody is done all the same.
      person: (emptyEarlier.length > 0 ? emptyEarlier : target.earlierSecrets).map(
        (id) => `give ${id} the text that was valid before: ${addVersion(id).join(" ")}`,
      ),
      commands: target.newSecrets.map(randomVersion),
      toRun: emptySecrets.map(randomVersion),
      changes: ["filled"],
      ifItFails: again,
    }),
    ...(target.github === undefined
      ? []
      : [
          step({
            name: "triggers",
            title: `Cloud Build is told of pull requests and pushes of ${target.github}`,
            done: isThere(triggerTargets),
            roles: [...founderRoles, "an administrator of the repository on GitHub"],
            person: [
              `connect the repository ${target.github} (first generation, region global), in a browser:`,
              `https://console.cloud.google.com/cloud-build/triggers;region=global/connect?project=${project}`,
            ],
            commands: [...plugins, pulumiUp(triggerTargets)],
            changes: ["stack", "live"] as const,
            ifItFails: `Where it says "Repository mapping does not exist", ${target.github} is not connected yet: https://console.cloud.google.com/cloud-build/triggers;region=global/connect?project=${project} (no trigger has to be made there). ${again}`,
          }),
        ]),
    step({
      name: "deploy",
      title: "everything is deployed, and what is live is what was deployed",
      done: state !== undefined && isComplete(state, facts.declared.all) && facts.live,
      roles: founderRoles,
      commands: [{ line: ["npm", "run", "--silent", "deploy", "--", "--stack", name] }],
      changes: ["stack", "live"],
      ifItFails: again,
    }),
  ];
  return { problems: problemsOf(target, facts), steps };
}
