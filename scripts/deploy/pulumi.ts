/** Runs the Pulumi CLI for one stack. */
import { spawn } from "node:child_process";
import type { Writable } from "node:stream";
import gcp from "@pulumi/gcp/package.json" with { type: "json" };
import { ownGroup } from "../../local/process/group.ts";
import type { Interrupts } from "./interrupts.ts";
import { decodeOutputs, type StackOutputs } from "./outputs.ts";
import { paragraph, Refusal } from "./refusal.ts";
import { readState } from "./state.ts";

/** How a command ended. */
export interface PulumiEnd {
  /** Null when a signal killed it. */
  readonly code: number | null;
  /** What it printed; of a command whose output is shown, the end of it. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface PulumiArgs {
  readonly stack: string;
  readonly interrupts: Interrupts;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Of shown output: enough to find the message in that a command ended with. */
const keptCharacters = 20_000;

export class Pulumi {
  readonly #args: PulumiArgs;

  constructor(args: PulumiArgs) {
    this.#args = args;
  }

  /** Runs a command; nobody sees its output. */
  ask(command: readonly string[]): Promise<PulumiEnd> {
    return this.#run(this.#ofStack(command), false);
  }

  /** Runs a command whose output is shown as it comes. */
  show(command: readonly string[]): Promise<PulumiEnd> {
    return this.#run(this.#ofStack(command), true);
  }

  /** Installs a version of the provider, unless it is there. */
  install(version: string): Promise<PulumiEnd> {
    return this.#run(["plugin", "install", "resource", "gcp", version, "--non-interactive"], false);
  }

  #ofStack(command: readonly string[]): string[] {
    return [...command, "--non-interactive", "--stack", this.#args.stack];
  }

  async #run(command: readonly string[], shown: boolean): Promise<PulumiEnd> {
    const { interrupts } = this.#args;
    interrupts.signal.throwIfAborted();
    const child = spawn("pulumi", command, {
      stdio: ["ignore", "pipe", "pipe"],
      env: environment(),
      // Ctrl-C at a terminal goes to its whole group. Pulumi gets it from here, once.
      detached: ownGroup,
    });
    interrupts.guard(child);
    const kept = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        kept[name] += text;
        if (!shown) return;
        if (kept[name].length > 2 * keptCharacters) kept[name] = kept[name].slice(-keptCharacters);
        this.#args[name].write(text);
      });
    }
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", (error: NodeJS.ErrnoException) => {
        reject(
          error.code === "ENOENT"
            ? new Refusal(
                "There is no pulumi on this machine. Install it (its version is that of @pulumi/pulumi in " +
                  "package.json) and log in to the stack's state: docs/first-deploy.md",
              )
            : error,
        );
      });
      child.once("close", resolve);
    });
    return { code, ...kept };
  }
}

function environment(): NodeJS.ProcessEnv {
  // Nothing secret passes through the program, so the passphrase is empty unless somebody gave the state one.
  const given = ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"];
  const isGiven = given.some((name) => process.env[name] !== undefined);
  return {
    ...process.env,
    ...(isGiven ? {} : { PULUMI_CONFIG_PASSPHRASE: "" }),
    // What is needed is installed by name and version; a state must not have others fetched and started.
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  };
}

/**
 * Before the first command that starts plugins: looks what the state would have started, and installs the
 * provider, in the version of the SDK and in those that the state was written by.
 */
export async function preparePlugins(
  pulumi: Pulumi,
  stack: string,
  configured: Readonly<Record<string, unknown>>,
): Promise<void> {
  const exported = await pulumi.ask(["stack", "export"]);
  if (exported.code !== 0) {
    throw new Refusal(paragraph(exported.stderr.trim(), adviceOn(exported, stack)));
  }
  const { problems, versions } = readState(exported.stdout, configured);
  if (problems.length > 0) {
    throw new Refusal(
      paragraph(
        "Nothing was done: the state names what this program does not use, and Pulumi would start it with your rights.",
        ...problems.slice(0, 20).map((each) => `  ${JSON.stringify(each)}`),
        "Find out who wrote the state (its bucket keeps earlier versions of it, and knows who may write). What an " +
          "earlier program of yours had is taken out with that program, not with this one.",
      ),
    );
  }
  for (const version of new Set([gcp.pulumi.version, ...versions])) {
    const installed = await pulumi.install(version);
    if (installed.code !== 0) {
      throw new Refusal(
        paragraph(`The provider gcp ${version} could not be installed:`, installed.stderr.trim()),
      );
    }
  }
}

/** What the program said when it last ran to its end. */
export async function outputsOf(pulumi: Pulumi, stack: string): Promise<StackOutputs> {
  const end = await pulumi.ask(["stack", "output", "--json"]);
  if (end.code !== 0) throw new Refusal(paragraph(end.stderr.trim(), adviceOn(end, stack)));
  return decodeOutputs(end.stdout);
}

/** What to do about the failure of a command, where its output tells; empty where it does not. */
export function adviceOn({ stdout, stderr }: PulumiEnd, stack: string): string {
  const text = `${stdout}\n${stderr}`;
  if (/the stack is currently locked by|Another update is currently in progress/.test(text)) {
    return (
      "Somebody else changes this stack at the moment, or a run was killed and left its lock; above is who, " +
      "and since when. Wait until they are done and run the same command again. Only when that process is " +
      `certainly gone: pulumi cancel --stack ${stack}`
    );
  }
  if (/no stack named/.test(text)) {
    return (
      `The place where the state is kept has no stack "${stack}". Are you logged in to the right one ` +
      `(pulumi whoami --verbose)? A new stack begins with: pulumi stack init ${stack}`
    );
  }
  if (/PULUMI_CONFIG_PASSPHRASE|incorrect passphrase/.test(text)) {
    return (
      "The state was encrypted with another passphrase than the empty one that docs/first-deploy.md begins " +
      "with: set PULUMI_CONFIG_PASSPHRASE."
    );
  }
  if (/Cannot delete a version with a non-zero traffic allocation/.test(text)) {
    return (
      "Pulumi wants to delete a version that serves. When this deployment goes back from one that failed " +
      "half-way, everything is as it should be all the same " +
      `(npm run deploy -- --stack ${stack} --verify says whether), and docs/rollback.md says how Pulumi gets over it.`
    );
  }
  return "";
}
