/** The provider's process as the engine's side sees it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { LineCutter } from "./cloud/lines.ts";
import { ownGroup } from "./cloud/process-group.ts";

export interface ProviderProcess {
  /** The provider's own port on 127.0.0.1. */
  readonly port: number;
  /** Resolves when the process is over, wanted or not. */
  readonly ended: Promise<void>;
  /** Ends it with all that it started. */
  stop(): Promise<void>;
}

export interface ProviderProcessOptions {
  /** The front door's port. */
  readonly frontDoorPort: number;
  readonly project: string;
  readonly region: string;
  readonly color: boolean;
  /** What the cloud and its processes say, line by line. */
  readonly onLine: (line: string) => void;
}

/** The cloud has promised to be gone in 5 s; then it is killed, and its keeper clears up. */
const stopWithinMs = 6_000;

/**
 * @throws Error with what the process said when it ended before it served
 */
export async function startProviderProcess(
  options: ProviderProcessOptions,
): Promise<ProviderProcess> {
  const child = spawn(
    process.execPath,
    [
      join(import.meta.dirname, "provider", "main.ts"),
      "--parent-stdin",
      ...["--port", String(options.frontDoorPort)],
      ...["--project", options.project],
      ...["--region", options.region],
      options.color ? "--color" : "--no-color",
    ],
    // Its own group: Ctrl-C at the terminal reaches this process alone, which then stops the other.
    { stdio: ["pipe", "pipe", "pipe"], detached: ownGroup },
  );
  // The pipe breaks when the process is killed; its end is noticed below.
  child.stdin.on("error", () => undefined);
  const ended = once(child, "exit").then(() => undefined);

  let said = "";
  let serving = false;
  const errors = new LineCutter((line) => {
    if (serving) options.onLine(line);
    else said += `${line}\n`;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    errors.push(chunk);
  });
  const port = await new Promise<number>((resolve, reject) => {
    const lines = new LineCutter((line) => {
      if (serving) {
        options.onLine(line);
      } else if (/^\d+$/.test(line)) {
        serving = true;
        resolve(Number(line));
      } else {
        said += `${line}\n`;
      }
    });
    child.stdout.on("data", (chunk: Buffer) => {
      lines.push(chunk);
    });
    child.once("error", reject);
    child.once("close", (code) => {
      errors.end();
      lines.end();
      reject(new Error(said.trim() || `the local cloud ended with exit code ${code ?? "?"}`));
    });
  });
  return {
    port,
    ended,
    async stop() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill("SIGKILL"), stopWithinMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
