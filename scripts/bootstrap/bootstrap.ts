/** Shows the plan, asks, and goes through it; each step is taken for done when the facts say so. */
import { randomBytes } from "node:crypto";
import { founderRoles } from "../../components/lib/permissions.ts";
import { Refusal } from "../deploy/refusal.ts";
import { type Cli, shellLine } from "./cli.ts";
import type { Declared } from "./declared.ts";
import { errorOf, Questions, toolEnvironment } from "./facts.ts";
import { type Command, type Plan, planFor, type Step } from "./plan.ts";
import { readArguments, type Target, targetOf } from "./target.ts";

export interface Surroundings {
  readonly cli: Cli;
  /** The folder with the stack files. */
  readonly root: string;
  /** What the program declares. */
  readonly declaredBy: (root: string, stack: string) => Promise<Declared>;
  readonly print: (line: string) => void;
  /** The user's answer; undefined when there is nobody to ask. */
  readonly answer: (question: string) => Promise<string | undefined>;
  /** Aborted when the user wants it to end; then no further step is begun. */
  readonly signal: AbortSignal;
}

/**
 * @returns the exit code: 0 when everything is done, 130 when the user ended it
 * @throws Refusal when something is wrong or fails; what was done until then stays done
 */
export async function bootstrap(argv: readonly string[], around: Surroundings): Promise<number> {
  const { cli, root, print } = around;
  const args = readArguments(argv);
  const target = targetOf(args, root);
  const questions = new Questions(cli, target, root, around.declaredBy);
  const look = async (): Promise<Plan> => planFor(target, await questions.all());

  print(`Looking at what ${target.project} has already …`);
  let plan = await look();
  const account = await questions.ask("account");
  print(planText(plan, target, account));
  refuseProblems(plan);
  if (plan.steps.every(({ done }) => done)) {
    print(nextText(target, (await questions.ask("stack"))?.outputs ?? {}));
    return 0;
  }
  if (!args.yes) {
    const answer = await around.answer('Do what is left? Only "yes" does it: ');
    if (answer?.trim() !== "yes") {
      throw new Refusal(
        answer === undefined
          ? "Nothing was done: there is nobody to ask. Add --yes to go without a question."
          : "Nothing was done.",
      );
    }
  }
  for (;;) {
    const step = plan.steps.find(({ done }) => !done);
    if (step === undefined) break;
    const place = `${plan.steps.indexOf(step) + 1} of ${plan.steps.length}: ${step.title}`;
    if (around.signal.aborted) return stopped(print);
    if (step.toRun.length === 0) throw new Refusal(personText(step, place));
    print(`\nStep ${place}`);
    for (const line of step.person) print(`  first, ${line}`);
    for (const command of step.toRun) await runOne(command, step, account, target, around);
    questions.forget(step.changes);
    plan = await look();
    const after = plan.steps.find(({ name }) => name === step.name);
    if (
      after !== undefined &&
      !after.done &&
      (after.toRun.length > 0 || step.person.length === 0)
    ) {
      throw new Refusal(
        `Step ${place}\n  Every command says that it succeeded, but this is not so yet. ${step.ifItFails}`,
      );
    }
    refuseProblems(plan);
  }
  print(nextText(target, (await questions.ask("stack"))?.outputs ?? {}));
  return 0;
}

async function runOne(
  command: Command,
  step: Step,
  account: string,
  target: Target,
  { cli, print, signal }: Surroundings,
): Promise<void> {
  print(`  $ ${commandText(command)}`);
  // Login is for the user's own commands; with this variable pulumi would warn that it has no effect.
  const env = {
    ...toolEnvironment(target.project),
    ...(step.name === "login" ? { PULUMI_BACKEND_URL: undefined } : {}),
  };
  const outcome = await cli.run(command.line, {
    env,
    show: command.secretInput !== true,
    ...(command.secretInput === true ? { input: randomBytes(48).toString("base64") } : {}),
  });
  if (outcome.code === 0) return;
  const said = `${outcome.stdout}\n${outcome.stderr}`;
  throw new Refusal(
    [
      signal.aborted
        ? "It was interrupted in this step:"
        : `This failed, with exit code ${String(outcome.code)}:`,
      `  $ ${commandText(command)}`,
      // What was shown while it ran is not said twice.
      ...(command.secretInput === true ? [errorOf(outcome)] : []),
      ...hints(said, step, account, target),
      step.ifItFails,
    ].join("\n"),
  );
}

/** What usually helps, by what the tool said. */
function hints(said: string, step: Step, account: string, target: Target): string[] {
  const hints: string[] = [];
  if (/PERMISSION_DENIED|\b403\b|does not have .*(permission|access)|forbidden/i.test(said)) {
    const isGcloud = step.commands.every(({ line }) => line[0] === "gcloud");
    hints.push(
      `${isGcloud ? account : "Whoever the application default credentials are for"} seems to lack a role. This step needs: ${step.roles.join(", ")}. Who owns the project gives it:`,
      `  $ gcloud projects add-iam-policy-binding ${target.project} --member=user:${isGcloud ? account : "<e-mail>"} --role=<role>`,
    );
  }
  if (/currently locked|another update is currently in progress|lock file/i.test(said)) {
    hints.push(
      "Somebody else deploys this stack, or a run that was killed left its lock. If nobody does:",
      `  $ pulumi cancel --stack ${target.stack}`,
    );
  }
  return hints;
}

function refuseProblems({ problems }: Plan): void {
  if (problems.length === 0) return;
  throw new Refusal(
    ["Before it can go on:", ...problems.map((one) => `- ${one.replaceAll("\n", "\n  ")}`)].join(
      "\n",
    ),
  );
}

function stopped(print: (line: string) => void): number {
  print("Stopped. The same bootstrap goes on from here.");
  return 130;
}

function personText(step: Step, place: string): string {
  return [
    `Step ${place}. Only you can do this:`,
    ...step.person.map((line) => `  ${line}`),
    "Then run the same bootstrap again.",
  ].join("\n");
}

/** As a user would type it. */
function commandText({ line, secretInput }: Command): string {
  return secretInput === true
    ? `openssl rand -base64 48 | tr -d '\\n' | ${shellLine(line)}`
    : shellLine(line);
}

function planText({ steps }: Plan, target: Target, account: string): string {
  const lines = [
    "",
    `Stack ${target.stack} in project ${target.project}, as ${account}; pulumi acts by the application default`,
    "credentials, which may be somebody else's (gcloud auth application-default login).",
    "",
    ...steps.flatMap((step, index) => [
      `${step.done ? "  done" : "to do "}  ${String(index + 1).padStart(2)}. ${step.title}`,
      ...(step.roles.length > 0 ? [`            needs ${rolesText(step.roles)}`] : []),
      ...step.person.map((line) => `            you: ${line}`),
      ...step.commands.map((command) => `            $ ${commandText(command)}`),
    ]),
    "",
    `The founder's roles: ${founderRoles.join(" ")}`,
    "Owner has all of them, but for those on a billing account.",
    "",
  ];
  return lines.join("\n");
}

function rolesText(roles: readonly string[]): string {
  const founder = founderRoles.every((role) => roles.includes(role));
  const rest = founder ? roles.filter((role) => !founderRoles.includes(role)) : roles;
  return [...(founder ? ["the founder's roles"] : []), ...rest].join(", ");
}

/** What is left to a person when everything is there. */
function nextText(target: Target, outputs: Readonly<Record<string, unknown>>): string {
  const { url, workloadIdentityProvider: provider } = outputs;
  const { stack, github } = target;
  const variable = `WORKLOAD_IDENTITY_PROVIDER_${stack.toUpperCase().replaceAll("-", "_")}`;
  return [
    "",
    `Everything is there${typeof url === "string" ? `: ${url}` : ""}`,
    `Commit Pulumi.${stack}.yaml: it has this environment's public keys, and the salt of its state.`,
    ...(github === undefined || typeof provider !== "string" || provider === ""
      ? []
      : [
          "For GitHub's workflows (docs/environments.md has the rest):",
          `  $ gh variable set ${variable} --repo ${github} --body ${provider}`,
        ]),
    `From now on: npm run deploy -- --stack ${stack}`,
  ].join("\n");
}
