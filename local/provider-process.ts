/** The provider's processes as the engine's side sees them. */
import { join } from "node:path";
import { withCompileCache } from "./process/compile-cache.ts";
import { type ServerProcess, startServer } from "./process/server.ts";

export interface CloudProcessOptions {
  /** The front door's port. */
  readonly frontDoorPort: number;
  readonly project: string;
  readonly region: string;
  readonly color: boolean;
  /** True when the program needs Google's emulators. */
  readonly emulators: boolean;
  /** What the cloud and its processes say, line by line. */
  readonly onLine: (line: string) => void;
}

/** The provider with the local cloud behind it; it stops all that it started when it is stopped. */
export function startCloudProcess(options: CloudProcessOptions): ServerProcess {
  return startServer({
    file: process.execPath,
    args: [
      join(import.meta.dirname, "local-provider.ts"),
      "--parent-stdin",
      ...["--port", String(options.frontDoorPort)],
      ...["--project", options.project],
      ...["--region", options.region],
      options.color ? "--color" : "--no-color",
      ...(options.emulators ? ["--emulators"] : []),
    ],
    env: withCompileCache(process.env),
    input: true,
    onLine: options.onLine,
  });
}

export interface RecorderOptions {
  readonly project: string;
  readonly region: string;
}

export type Recorder = ServerProcess & AsyncDisposable;

/** A provider that checks and compares and makes nothing real; disposing of it ends it. */
export function startRecorder({ project, region }: RecorderOptions): Recorder {
  const server = startServer({
    file: process.execPath,
    args: [join(import.meta.dirname, "recorder.ts"), project, region],
    env: withCompileCache(process.env),
    input: true,
    onLine: () => undefined,
  });
  return {
    ...server,
    [Symbol.asyncDispose]: async () => {
      server.kill();
      await server.ended;
    },
  };
}
