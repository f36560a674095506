/**
 * `npm run bench [-- name …]`: runs all benchmarks, or those named, and prints a table each. `gateway`
 * has cases, and `gateway:<case>` runs one of them alone.
 */
import { cpus, totalmem } from "node:os";

interface Benchmark {
  readonly main: (only?: string) => Promise<void>;
}

const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
  cycle: () => import("./cycle.ts"),
  apps: () => import("./apps.ts"),
  "raw-endpoint": () => import("./raw-endpoint.ts"),
  "front-door": () => import("./front-door.ts"),
  m: () => import("./m.ts"),
  gateway: () => import("./gateway.ts"),
  console: () => import("./console.ts"),
};

const names = process.argv.slice(2);
const unknown = names.filter(
  (name) => !Object.hasOwn(benchmarks, name.replace(/^gateway:.*$/s, "gateway")),
);
if (unknown.length > 0) {
  console.error(
    `no benchmark ${unknown.join(", ")}; there are: ${Object.keys(benchmarks).join(", ")}`,
  );
  process.exitCode = 2;
} else {
  const gib = Math.round(totalmem() / 2 ** 30);
  console.log(
    `${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${gib} GiB, Node ${process.version}\n`,
  );
  for (const name of names.length > 0 ? names : Object.keys(benchmarks)) {
    const [, benchmark = "", only] = /^([^:]*)(?::(.*))?$/s.exec(name) ?? [];
    await (await benchmarks[benchmark]?.())?.main(only);
    console.log();
  }
}
