/** A provider process that records and makes nothing real. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";

export interface RecorderOptions {
  readonly project?: string;
  readonly region?: string;
}

export interface Recorder extends AsyncDisposable {
  /** 127.0.0.1; rejects when the process ends before it says so. */
  readonly port: Promise<number>;
  /** For tests of what happens when the provider dies. */
  readonly pid: number | undefined;
}

/** Starts the provider's process as the pulumi CLI would; disposing of it ends the process. */
export function startRecorder(options: RecorderOptions): Recorder {
  const args = [
    join(import.meta.dirname, "provider", "main.ts"),
    "--record-only",
    ...(options.project === undefined ? [] : ["--project", options.project]),
    ...(options.region === undefined ? [] : ["--region", options.region]),
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
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
