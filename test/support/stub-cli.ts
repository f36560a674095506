/**
 * Commands that are not on every machine, played by the test: a folder for PATH with executables that say
 * how they were called and answer what the test tells them. The answers are functions in the test's own
 * process, so they may have state, change another double, or wait for something.
 *
 * The process under test must be started without blocking this one (`spawn`, not `spawnSync`).
 */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

/** One call of a command. */
export interface StubCall {
  /** The command's name, e.g. "pulumi". */
  readonly tool: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly pid: number;
  /** Signals that reached it and did not end it; it ends when its answer is there. */
  readonly signals: readonly NodeJS.Signals[];
}

/** What the command can do beside answering; for the function that answers. */
export interface StubProcess {
  /** Writes at once, before the answer. */
  readonly write: (stdout: string) => void;
  /** Everything that is on its standard input, until that is closed. */
  readonly input: () => Promise<string>;
  /** The next SIGINT or SIGTERM. */
  readonly signal: () => Promise<NodeJS.Signals>;
  /** Becomes true when the process ended before it was answered (it was killed). */
  readonly gone: boolean;
}

export interface StubAnswer {
  readonly stdout?: string;
  readonly stderr?: string;
  /** 0 unless said otherwise. */
  readonly code?: number;
}

export type StubTool = (
  call: StubCall,
  process: StubProcess,
) => StubAnswer | string | Promise<StubAnswer | string>;

/** Answers one after the other; the last one again and again. */
export function inTurn(...answers: readonly (StubAnswer | string)[]): StubTool {
  let next = 0;
  return () => answers[Math.min(next++, answers.length - 1)] ?? "";
}

/**
 * Chooses by the beginning of the command line: `{"stack output": …, "up": …}`; the longest wins. Whatever
 * is not there fails with exit code 64.
 */
export function bySubcommand(
  tools: Readonly<Record<string, StubTool | StubAnswer | string>>,
): StubTool {
  return (call, process) => {
    const line = call.argv.join(" ");
    const [found] = Object.keys(tools)
      .filter((prefix) => line === prefix || line.startsWith(`${prefix} `))
      .sort((a, b) => b.length - a.length);
    const tool = found === undefined ? undefined : tools[found];
    if (tool === undefined) {
      return { code: 64, stderr: `the stub of ${call.tool} has no answer to: ${line}\n` };
    }
    return typeof tool === "function" ? tool(call, process) : tool;
  };
}

interface Hello {
  readonly hello: Omit<StubCall, "signals">;
}
type FromStub = Hello | { readonly input: string } | { readonly signal: NodeJS.Signals };

/** The folder, the calls and the answers; `await using` ends it. */
export class StubCli implements AsyncDisposable {
  /** Every call of every command, in order. */
  readonly calls: StubCall[] = [];
  /** The folder with the executables. */
  readonly folder: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(folder: string, tools: Readonly<Record<string, StubTool>>) {
    this.folder = folder;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      // Who is killed in the middle of a call breaks the connection.
      socket.on("error", () => undefined);
      this.#serve(socket, tools);
    });
  }

  /** Makes the executables, one for each key. */
  static async create(tools: Readonly<Record<string, StubTool>>): Promise<StubCli> {
    const folder = await mkdtemp(join(tmpdir(), "stub-cli-"));
    const cli = new StubCli(folder, tools);
    const path = join(folder, "socket");
    await new Promise<void>((resolve) => cli.#server.listen(path, resolve));
    for (const tool of Object.keys(tools)) {
      const file = join(folder, tool);
      await writeFile(file, executable(tool, path));
      await chmod(file, 0o755);
    }
    return cli;
  }

  /** A PATH that finds these commands first, or these alone. */
  path(others: string | undefined = process.env["PATH"]): string {
    return others === undefined || others === ""
      ? this.folder
      : `${this.folder}${delimiter}${others}`;
  }

  /** The command lines of one command, or of all, without or with the command's name. */
  lines(tool?: string): string[] {
    return this.calls
      .filter((call) => tool === undefined || call.tool === tool)
      .map((call) => [...(tool === undefined ? [call.tool] : []), ...call.argv].join(" "));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    await rm(this.folder, { recursive: true, force: true });
  }

  #serve(socket: Socket, tools: Readonly<Record<string, StubTool>>): void {
    const signals: NodeJS.Signals[] = [];
    const waiting: ((signal: NodeJS.Signals) => void)[] = [];
    let readInput: ((text: string) => void) | undefined;
    let gone = false;
    socket.once("close", () => (gone = true));
    const send = (message: object): void => {
      if (!gone) socket.write(`${JSON.stringify(message)}\n`);
    };
    const stub: StubProcess = {
      write: (stdout) => {
        send({ stdout });
      },
      input: () =>
        new Promise((resolve) => {
          readInput = resolve;
          send({ read: true });
        }),
      signal: () => new Promise((resolve) => waiting.push(resolve)),
      get gone() {
        return gone;
      },
    };
    const answer = async (call: StubCall): Promise<void> => {
      try {
        const given = await tools[call.tool]?.(call, stub);
        const {
          stdout = "",
          stderr = "",
          code = 0,
        } = typeof given === "string" ? { stdout: given } : (given ?? {});
        send({ stdout, stderr, code });
      } catch (error) {
        // A mistake of the test must not look like an answer.
        send({ stdout: "", stderr: `the stub threw: ${String(error)}\n`, code: 70 });
      }
    };
    createInterface({ input: socket }).on("line", (line) => {
      const message = JSON.parse(line) as FromStub;
      if ("hello" in message) {
        const call = { ...message.hello, signals };
        this.calls.push(call);
        void answer(call);
      } else if ("input" in message) {
        readInput?.(message.input);
      } else {
        signals.push(message.signal);
        for (const resolve of waiting.splice(0)) resolve(message.signal);
      }
    });
  }
}

/** CommonJS and without an import of this repository: it starts as fast as Node does. */
function executable(tool: string, socket: string): string {
  return `#!${process.execPath}
const { connect } = require("node:net");
const { readFileSync } = require("node:fs");
const connection = connect(${JSON.stringify(socket)});
const send = (message) => connection.write(JSON.stringify(message) + "\\n");
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => send({ signal }));
connection.on("error", () => process.exit(71));
connection.on("close", () => process.exit(71));
send({ hello: {
  tool: ${JSON.stringify(tool)}, argv: process.argv.slice(2), cwd: process.cwd(), env: process.env, pid: process.pid,
} });
require("node:readline").createInterface({ input: connection }).on("line", (line) => {
  const message = JSON.parse(line);
  if (message.read) return send({ input: readFileSync(0, "utf8") });
  if (message.stdout) process.stdout.write(message.stdout);
  if (message.stderr) process.stderr.write(message.stderr);
  if (message.code === undefined) return;
  process.exitCode = message.code;
  connection.removeAllListeners("close");
  for (const signal of ["SIGINT", "SIGTERM"]) process.removeAllListeners(signal);
  connection.destroy();
});
`;
}
