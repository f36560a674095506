/**
 * Loaded into a program before the SDK's launcher. It ends the program when the engine is gone, also
 * when that was killed, and takes costs of the launcher away, most of a short run's time together:
 * - every stack trace is mapped through source maps, also the one that is taken for each promise.
 *   Types that Node strips leave lines and columns as they are: there is nothing to map;
 * - every step of every registration is a debug message, and each of them one more request to the
 *   engine, in single file, which would throw it away;
 * - TypeScript's compiler and npm's resolver of packages are for functions that are made resources. They
 *   are loaded when there is one;
 * - OpenTelemetry is for `--tracing`, which the engine never gives.
 */
import Module, { createRequire } from "node:module";
import { Socket } from "node:net";

/** The engine's end of this pipe closes with the engine's process. */
const engine = new Socket({ fd: 3, readable: true, writable: false });
engine.on("error", () => undefined);
engine.on("close", () => process.exit(1));
engine.resume();
engine.unref();

const require = createRequire(import.meta.url);

function silence(module: unknown, functions: Readonly<Record<string, () => unknown>>): void {
  if (typeof module === "object" && module !== null) Object.assign(module, functions);
}

/** Has whoever requires the file get this. */
function stand(path: string, exports: object): Module {
  const module = new Module(path);
  module.loaded = true;
  module.exports = exports;
  require.cache[path] = module;
  return module;
}

/** From now on a package that a file of the SDK requires is loaded when something of it is used. */
function postpone(file: string, name: string): void {
  const load = createRequire(file);
  let path: string;
  try {
    path = load.resolve(name);
  } catch {
    // The SDK knows what to do without it.
    return;
  }
  let loaded: object | undefined;
  const real = (): object => {
    if (require.cache[path] === standIn) Reflect.deleteProperty(require.cache, path);
    return (loaded ??= load(path) as object);
  };
  const standIn = stand(
    path,
    new Proxy(
      {},
      {
        // What asks for this key copies the exports of a module that has none of it: all would be loaded.
        get: (_, key): unknown => key === "__esModule" || Reflect.get(real(), key),
        has: (_, key) => Reflect.has(real(), key),
      },
    ),
  );
}

const [, launcher] = process.argv;
if (launcher !== undefined) {
  const load = createRequire(launcher);
  postpone(load.resolve("../../typescript-shim.js"), "typescript");
  postpone(load.resolve("../../runtime/closure/codePaths.js"), "@npmcli/arborist");
  silence(load("source-map-support"), { install: () => undefined });
  // The launcher's own first import: it wants to be there before anything loads gRPC.
  load("./instrumentation.js");
  const ignore = (): void => undefined;
  const span = { setAttribute: ignore, addEvent: ignore, end: ignore };
  stand(load.resolve("./tracing.js"), { start: ignore, stop: ignore, newSpan: () => span });
  silence(load("../../log/index.js"), { debug: () => Promise.resolve() });
}
