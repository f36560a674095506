/**
 * Loaded into a program before the SDK's launcher. It ends the program when the engine is gone, also
 * when that was killed, and takes two costs of the launcher away, half of a run's time together:
 * - every stack trace is mapped through source maps, also the one that is taken for each promise.
 *   Types that Node strips leave lines and columns as they are: there is nothing to map;
 * - every step of every registration is a debug message, and each of them one more request to the
 *   engine, in single file, which would throw it away.
 */
import { createRequire } from "node:module";
import { Socket } from "node:net";

/** The engine's end of this pipe closes with the engine's process. */
const engine = new Socket({ fd: 3, readable: true, writable: false });
engine.on("error", () => undefined);
engine.on("close", () => process.exit(1));
engine.resume();
engine.unref();

function silence(module: unknown, functions: Readonly<Record<string, () => unknown>>): void {
  if (typeof module === "object" && module !== null) Object.assign(module, functions);
}

const [, launcher] = process.argv;
if (launcher !== undefined) {
  const load = createRequire(launcher);
  silence(load("source-map-support"), { install: () => undefined });
  // The launcher's own first import: it wants to be there before anything loads gRPC.
  load("./instrumentation.js");
  silence(load("../../log/index.js"), { debug: () => Promise.resolve() });
}
