/** A provider's process that records and makes nothing real, as an engine's side sees it. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { withCompileCache } from "../tools/compile-cache.ts";

export interface RecorderOptions {
  /** Default `local-project`. */
  readonly project?: string | undefined;
  /** Default `europe-west1`. */
  readonly region?: string | undefined;
}

export interface Recorder extends AsyncDisposable {
  /** 127.0.0.1; rejects when the process ends before it says so. */
  readonly port: Promise<number>;
  /** For tests of what happens when the provider dies. */
  readonly pid: number | undefined;
}

/** Starts the provider's process as the pulumi CLI would; disposing of it ends the process. */
export function startRecorder(options: RecorderOptions): Recorder {
  const { project = "local-project", region = "europe-west1" } = options;
  const script = join(import.meta.dirname, "recorder.ts");
  // It ends when this end of its stdin does, also when this process is killed.
  const child = spawn(process.execPath, [script, project, region], {
    stdio: ["pipe", "pipe", "pipe"],
    env: withCompileCache(process.env),
  });
  child.stdin.on("error", () => undefined);
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4_000);
  });
  const closed = new Promise<void>((resolve) => {
    child.once("close", () => {
      resolve();
    });
    child.once("error", (error) => {
      errors += String(error);
      resolve();
    });
  });
  const port = new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", (line) => {
      if (/^\d+$/.test(line)) resolve(Number(line));
      else reject(new Error(`the provider's first line is not a port: ${line}`));
    });
    void closed.then(() => {
      reject(new Error(`the provider ended before it said its port: ${errors}`));
    });
  });
  port.catch(() => undefined);
  return {
    port,
    pid: child.pid,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await closed;
    },
  };
}
