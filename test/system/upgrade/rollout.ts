/** The whole system under load, and the developer who changes it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Patch } from "../../../apps/m/patch.ts";
import { alive } from "../../support/alive.ts";
import { emulatorsMissing } from "../../support/emulators.ts";
import { eventually } from "../../support/eventually.ts";
import { violations } from "../m-consistency/history.ts";
import { type Edit, editFile, System } from "../system.ts";
import { Load, websockets } from "./load.ts";
import { lossProblems, moveProblems } from "./seen.ts";

/** What `npm start` says of a deployment that followed a change. */
export interface Update {
  readonly ok: boolean;
  /** What moved, or what went wrong. */
  readonly text: string;
  /** Service → the version that has its traffic from then on. */
  readonly moved: ReadonlyMap<string, string>;
}

const withM = emulatorsMissing() === undefined;
/** Service → its instances in the stack `local`. */
const instances = { add: 1, default: 1, ...(withM ? { m: 3 } : {}), ws: 1 };
export const services: readonly string[] = Object.keys(instances);

export class Rollout implements AsyncDisposable {
  readonly system: System;
  readonly load: Load;
  /** Processes of the system with the load on, before any change. */
  readonly processes: number;
  readonly problems: string[] = [];
  readonly #original = new Map<string, string>();

  private constructor(system: System, load: Load) {
    this.system = system;
    this.load = load;
    this.processes = system.processes().size;
  }

  /** @param defects edits before the start, which show that the load notices them */
  static async start(defects: readonly Edit[] = []): Promise<Rollout> {
    const system = await System.start({
      change: (folder) => {
        for (const edit of [...settings, ...defects]) editFile(folder, edit);
      },
    });
    try {
      await system.ready();
      const load = await Load.start({
        port: system.port,
        m: withM,
        versionsOfM: () =>
          [...system.output.matchAll(/starting m (v\w+) /g)].map(([, id = ""]) => id),
      });
      return new Rollout(system, load);
    } catch (error) {
      await system[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Changes the program, and waits for the deployment of that. */
  async update(edits: readonly Edit[]): Promise<Update> {
    const before = updates(this.system.output).length;
    for (const edit of edits) {
      const [file] = edit;
      const text = editFile(this.system.folder, edit);
      if (!this.#original.has(file)) this.#original.set(file, text);
    }
    return this.#next(before);
  }

  /** Makes the program what it was at first, as checking out the earlier commit does. */
  async revert(): Promise<Update> {
    const before = updates(this.system.output).length;
    for (const [file, text] of this.#original) writeFileSync(join(this.system.folder, file), text);
    return this.#next(before);
  }

  /** Waits until no process of an earlier version is left and everybody is connected again. */
  async rolled(): Promise<void> {
    await eventually(
      "the processes of the old versions are gone",
      () =>
        Object.entries(instances).every(([service, count]) => {
          return this.alive(service).length === count;
        }),
      { withinMs: 60_000 },
    );
    await this.load.settled();
    this.problems.push(...moveProblems(this.load.closings.splice(0), websockets));
  }

  /** Ends the load; everything that its users can complain of. */
  async end(): Promise<readonly string[]> {
    await this.load.end();
    const { followers, published, failures, posts, gets } = this.load;
    // Every POST was answered, so that the answers are the log of M.
    const log: Patch[] = [];
    const committed = posts.filter(({ rev }) => rev !== undefined);
    for (const { rev = 0, patch } of committed) log[rev - 1] = patch;
    return [
      ...this.problems,
      ...failures,
      ...lossProblems(followers, published),
      ...violations({ posts, gets, log }),
    ];
  }

  /** Living processes of a service, by what its instances said when they began to listen. */
  alive(service: string): number[] {
    const line = new RegExp(`^${service}(?:\\.\\d)? +\\| INFO listening.* process=(\\d+)`, "gm");
    return [...this.system.output.matchAll(line)].map(([, pid]) => Number(pid)).filter(alive);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.load.close();
    await this.system[Symbol.asyncDispose]();
  }

  async #next(before: number): Promise<Update> {
    return eventually("the change is deployed", () => updates(this.system.output)[before], {
      withinMs: 120_000,
    });
  }
}

/** Another release of every service; `add` says which in what it answers. */
export function release(number: number): readonly Edit[] {
  return [
    ["apps/lib/service.ts", /startMs(?:, release: \d)? }/, `startMs, release: ${number} }`],
    [
      "apps/add/operands.ts",
      /a \+ b(?: \+ "@\d")?;\n {2}if \(Buffer/,
      `a + b + "@${number}";\n  if (Buffer`,
    ],
  ];
}

const settings: readonly Edit[] = [
  // Who is away for a moment on a busy machine is to find what came meanwhile.
  ["Pulumi.local.yaml", /history_size: 100\b/g, "history_size: 5000"],
  // Twelve waves in 1.1 s, which can be told from none on such a machine, too.
  ["Pulumi.local.yaml", "timeout: 1s", "timeout: 2s"],
];

function updates(output: string): Update[] {
  const lines = output.matchAll(
    /^.* changed(?:: (.*) \([\d.]+ s\)|, and what was deployed before goes on:\n(.*))$/gm,
  );
  return [...lines].map(([, done, problem = ""]) => ({
    ok: done !== undefined,
    text: done ?? problem,
    moved: new Map(
      [...(done ?? "").matchAll(/(\S+) v\w+ → (v\w+)/g)].map(([, service = "", version = ""]) => [
        service,
        version,
      ]),
    ),
  }));
}
