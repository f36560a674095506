/**
 * Size of each app's archive, and the time from process start to listening, beside the shortest
 * HTTP server that Node can start, in the same run.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { apps } from "../components/lib/apps.ts";
import { bundleApp, writeBundle } from "../components/lib/bundle.ts";
import { freePort } from "../local/cloud/ports.ts";
import { median, round, table } from "./table.ts";

const root = join(import.meta.dirname, "..");
const runs = 9;
const limits = { archiveBytes: 1_500_000, startMs: 300 };
/** Of Google's clients in it nobody has promised how large they are. */
const unlimited = new Set(["m"]);

/** Milliseconds from the spawn of `node main.js` until the first answer to an HTTP request. */
async function startMs(folder: string): Promise<number> {
  const port = await freePort();
  const started = performance.now();
  const child = spawn(process.execPath, ["main.js"], {
    cwd: folder,
    stdio: "ignore",
    env: {
      PATH: process.env["PATH"],
      HOST: "127.0.0.1",
      PORT: String(port),
      // Nothing listens there: an app must not wait for NATS, or Datastore, before it listens.
      NATS_URL: "nats://127.0.0.1:9",
      DATASTORE_EMULATOR_HOST: "127.0.0.1:9",
      PUBSUB_EMULATOR_HOST: "127.0.0.1:9",
      METADATA_SERVER_DETECTION: "none",
      GOOGLE_CLOUD_PROJECT: "local-project",
      PUBSUB_TOPIC: "projects/local-project/topics/m-changes",
      PUSH_ACCOUNT: "m-push@local-project.iam.gserviceaccount.com",
      PUSH_AUDIENCE: "m",
    },
  });
  try {
    for (;;) {
      try {
        await (await fetch(`http://127.0.0.1:${port}/healthz/live`)).arrayBuffer();
        return performance.now() - started;
      } catch {
        if (child.exitCode !== null) throw new Error(`main.js in ${folder} ended`);
        await wait(2);
      }
    }
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

const bare = `import { createServer } from "node:http";
createServer((_, res) => res.end("ok")).listen(Number(process.env.PORT), process.env.HOST);`;

export async function main(): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), "bench-apps-"));
  try {
    const bareFolder = join(work, "bare");
    writeBundle({ digest: "", files: [{ path: "main.js", bytes: Buffer.from(bare) }] }, bareFolder);
    await writeFile(join(bareFolder, "package.json"), '{"type":"module"}');
    const candidates = Object.entries(apps).map(([name, app]) => {
      const bundle = bundleApp(root, app);
      const folder = join(work, name);
      writeBundle(bundle, folder);
      const bytes = Buffer.concat(bundle.files.map((file) => file.bytes));
      return { name, folder, bytes: bytes.length, gzip: gzipSync(bytes).length };
    });
    const times = new Map<string, number[]>();
    for (let run = 0; run < runs; run++) {
      for (const { name, folder } of [{ name: "bare", folder: bareFolder }, ...candidates]) {
        times.set(name, [...(times.get(name) ?? []), await startMs(folder)]);
      }
    }
    const base = median(times.get("bare") ?? []);
    console.log(`Start of the apps (median of ${runs}) and their archives`);
    console.log(
      table(
        [
          "app",
          "files, bytes",
          "compressed",
          "start to listening, ms",
          "× bare node:http",
          "holds",
        ],
        [
          ["bare node:http", "", "", round(base), 1, ""],
          ...candidates.map(({ name, bytes, gzip }) => {
            const ms = median(times.get(name) ?? []);
            const holds = bytes <= limits.archiveBytes && ms <= limits.startMs;
            const verdict = unlimited.has(name) ? "" : holds ? "yes" : "NO";
            return [name, bytes, gzip, round(ms), round(ms / base, 2), verdict];
          }),
        ],
      ),
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

if (import.meta.main) await main();
