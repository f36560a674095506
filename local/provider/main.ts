/**
 * The provider's process, with the local cloud behind it. Whoever starts it as an engine does
 * (`--parent-stdin`, or with the engine's address as the pulumi CLI does) reads the provider's port
 * from the first line of its output; a person reads how to attach the pulumi CLI to it.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { main, type Provider } from "@pulumi/pulumi/provider/index.js";
import { LocalCloud } from "../cloud/cloud.ts";
import { createLogs } from "../cloud/logs.ts";
import { readStackFile } from "../engine/stack-file.ts";
import { localPublicKeys } from "../stack-keys.ts";
import { localNatsKeys } from "../tools/nats-keys.ts";
import { cacheFolder, provideNatsServer, thisMachine } from "../tools/nats-server.ts";
import { recordOnly } from "./backend.ts";
import { createProvider } from "./provider.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    /** Of the front door. */
    port: { type: "string", default: "8080" },
    /** Checks and compares, and makes nothing real. */
    "record-only": { type: "boolean", default: false },
    /** Ends, with all that it started, when its stdin ends: its parent is gone. */
    "parent-stdin": { type: "boolean", default: false },
    color: { type: "boolean", default: process.stdout.isTTY },
    project: { type: "string", default: "local-project" },
    region: { type: "string", default: "us-central1" },
    "default-hostname": { type: "string" },
  },
});

const root = join(import.meta.dirname, "..", "..");

/** Undefined when nothing is made real. */
let cloud: LocalCloud | undefined;
const stopping = new AbortController();

async function stop(): Promise<void> {
  if (stopping.signal.aborted) return;
  stopping.abort();
  await cloud?.stop();
  process.exit();
}

// The parent may be gone, and with it who reads what is said here.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => void stop());
}
if (values["parent-stdin"]) {
  // A pipe closes, a file only ends.
  for (const event of ["end", "close"]) process.stdin.on(event, () => void stop());
  process.stdin.resume();
}

const logs = createLogs({
  write: (text) => process.stdout.write(text),
  color: values.color,
});
const note = logs.of("cloud");

/** What Secret Manager would hold: the seeds of the services' NKeys, made on this machine. */
async function secret(secretId: string): Promise<string | undefined> {
  const service = /^nats-seed-([a-z0-9-]+)$/.exec(secretId)?.[1];
  if (service === undefined) return undefined;
  return (await localNatsKeys(cacheFolder(), [service], note))[service]?.seed;
}

async function serve(provider: Provider): Promise<number> {
  // The SDK says the port by console.log and in no other way.
  const log = console.log;
  let port = 0;
  console.log = (text: string) => {
    port = Number(text);
  };
  try {
    await main(provider, []);
  } finally {
    console.log = log;
  }
  return port;
}

try {
  if (!values["record-only"]) {
    const started = await LocalCloud.start({
      root,
      port: Number(values.port),
      logs,
      natsServer: () => provideNatsServer(thisMachine(note)),
      secret,
    });
    cloud = started;
    // A signal may have come while it started.
    if (stopping.signal.aborted) await started.stop();
  }
  const place = {
    project: values.project,
    region: values.region,
    defaultHostname:
      values["default-hostname"] ??
      `appengine.localhost:${cloud?.frontDoor.port ?? Number(values.port)}`,
  };
  const port = await serve(createProvider(place, cloud ?? recordOnly));
  if (values["parent-stdin"] || positionals.length > 0) {
    console.log(String(port));
  } else {
    console.log(`PULUMI_DEBUG_PROVIDERS=gcp:${port}`);
    if (cloud !== undefined) {
      const stackFile = readStackFile(root, "local");
      const { keys } = await localPublicKeys(stackFile, note);
      const options = Object.entries(keys).map(([one, key]) => `--config natsKeys.${one}=${key}`);
      console.error(
        [
          `The front door is http://localhost:${cloud.frontDoor.port}; Ctrl-C ends all.`,
          "The services' keys on this machine, for the first `pulumi up --stack local`:",
          `  --config-path ${options.join(" ")}`,
        ].join("\n"),
      );
    }
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
  await stop();
}
