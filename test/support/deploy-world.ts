/** A project, its stack and the tools of a machine, for the tests of `npm run deploy` and `npm run prune`. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withCompileCache } from "../../local/process/compile-cache.ts";
import { type ApiService, AppEngineApi } from "./app-engine-api.ts";
import { repository } from "./checkout.ts";
import { bySubcommand, StubCli, type StubTool } from "./stub-cli.ts";

const { NODE_COMPILE_CACHE: compileCache } = withCompileCache(process.env);

export const project = "my-project";
export const image = `europe-west3-docker.pkg.dev/${project}/services/ws@sha256:${"a".repeat(64)}`;
const stackFile = `# What this stack is for.
config:
  gcp:project: ${project}
  appengine-realtime:ws:
    machine: { cpu: 1 } # small
`;

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  readonly run: Run;
  readonly ended: Promise<Run>;
}

/** The URN of the split of a service. */
export function urnOf(service: string): string {
  return `urn:pulumi:dev::appengine-realtime::appengine-realtime:app:StandardService$gcp:appengine/engineSplitTraffic:EngineSplitTraffic::${service}-traffic`;
}

/** Outputs of a stack whose services have these versions, all of which have the traffic. */
export function outputsFor(
  versions: Readonly<Record<string, string>>,
  more: { traffic?: Readonly<Record<string, string>>; wsImage?: string } = {},
): object {
  return {
    url: "https://my-project.appspot.com",
    versions,
    traffic: { ...versions, ...more.traffic },
    trafficSplits: Object.fromEntries(Object.keys(versions).map((each) => [each, urnOf(each)])),
    wsImage: more.wsImage ?? "",
  };
}

/** Services that have one version each, with all the traffic. */
export function servicesWith(
  versions: Readonly<Record<string, string>>,
): Record<string, ApiService> {
  return Object.fromEntries(
    Object.entries(versions).map(([service, id]) => [
      service,
      { allocations: { [id]: 1 }, versions: [{ id }] },
    ]),
  );
}

export class DeployWorld implements AsyncDisposable {
  readonly folder: string;
  readonly api: AppEngineApi;
  readonly cli: StubCli;
  /** What `pulumi stack output --json` prints. */
  outputs: object = {};
  /** What `pulumi stack export` prints. */
  state: object = { version: 3, deployment: { manifest: {} } };
  readonly #running = new Set<ChildProcess>();

  private constructor(folder: string, api: AppEngineApi, tools: (world: DeployWorld) => StubCli) {
    this.folder = folder;
    this.api = api;
    this.cli = tools(this);
  }

  /**
   * @param services what App Engine has
   * @param pulumi subcommand → what it does; `stack output` prints the outputs unless said otherwise
   */
  static async create(
    services: Readonly<Record<string, ApiService>>,
    pulumi: (world: () => DeployWorld) => Readonly<Record<string, StubTool | string>> = () => ({}),
  ): Promise<DeployWorld> {
    const folder = await mkdtemp(join(tmpdir(), "deploy-world-"));
    await writeFile(join(folder, "Pulumi.dev.yaml"), stackFile);
    const api = await AppEngineApi.create(project, services);
    const made: { world?: DeployWorld } = {};
    const world = (): DeployWorld => {
      assert(made.world !== undefined);
      return made.world;
    };
    const cli = await StubCli.create({
      pulumi: bySubcommand({
        "stack output": () => JSON.stringify(world().outputs),
        "stack export": () => JSON.stringify(world().state),
        "plugin install": "",
        ...pulumi(world),
      }),
    });
    made.world = new DeployWorld(folder, api, () => cli);
    return made.world;
  }

  /** Starts one of the scripts; nothing of this machine's own tools or credentials is found. */
  start(script: "deploy" | "prune", args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
    const child = spawn(process.execPath, [join(repository, "scripts", `${script}.ts`), ...args], {
      cwd: this.folder,
      // As a shell does it: a terminal's Ctrl-C goes to the whole group.
      detached: true,
      env: {
        ...{ PATH: this.cli.folder, HOME: this.folder, ...this.api.env },
        ...{ NODE_COMPILE_CACHE: compileCache, ...env },
      },
    });
    this.#running.add(child);
    const run = { code: null as number | null, stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => (run.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (run.stderr += text));
    const ended = once(child, "close").then(([code]): Run => {
      this.#running.delete(child);
      run.code = code as number | null;
      assert(!`${run.stdout}${run.stderr}`.includes(this.api.token), "the token was shown");
      assert.deepEqual(this.api.refused, [], "App Engine was asked what it does not know");
      return run;
    });
    return { child, run, ended };
  }

  deploy(...args: readonly string[]): Promise<Run> {
    return this.start("deploy", ["--stack", "dev", ...args]).ended;
  }

  prune(...args: readonly string[]): Promise<Run> {
    return this.start("prune", ["--stack", "dev", ...args]).ended;
  }

  /**
   * The commands that pulumi was given, without the options that every one has, and without those that
   * prepare its plugins.
   */
  commands(): string[] {
    return this.cli
      .lines("pulumi")
      .filter((line) => !/^(stack export|plugin install) /.test(line))
      .map((line) =>
        line
          .replace(" --non-interactive --stack dev", "")
          .replace(/ --config-file \S+\/Pulumi.dev.yaml/, " --config-file COPY"),
      );
  }

  /** The stack file is as it was. */
  async assertFileUntouched(): Promise<void> {
    assert.equal(await readFile(join(this.folder, "Pulumi.dev.yaml"), "utf8"), stackFile);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#running) child.kill("SIGKILL");
    await this.cli[Symbol.asyncDispose]();
    await this.api[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
