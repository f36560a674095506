/**
 * The provider's process, with the local cloud behind it. Whoever starts it as an engine does
 * (`--parent-stdin`, or with the engine's address as the pulumi CLI does) reads the provider's port
 * from the first line of its output; a person reads how to attach the pulumi CLI to it.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { main, type Provider } from "@pulumi/pulumi/provider/index.js";
import { LocalCloud } from "./cloud/cloud.ts";
import { createLogs } from "./cloud/logs.ts";
import { readStackFile } from "./engine/stack-file.ts";
import { placeOf } from "./provider/place.ts";
import { createProvider } from "./provider/provider.ts";
import { localPublicKeys } from "./stack-keys.ts";
import { attaching } from "./summary.ts";
import { cacheFolder } from "./tools/cache-folder.ts";
import { findEmulators } from "./tools/emulators.ts";
import { localSecret } from "./tools/local-secrets.ts";
import { localNatsKeys } from "./tools/nats-keys.ts";
import { provideNatsServer, thisMachine } from "./tools/nats-server.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    /** Of the front door. */
    port: { type: "string", default: "8080" },
    /** Ends, with all that it started, when its stdin ends: its parent is gone. */
    "parent-stdin": { type: "boolean", default: false },
    color: { type: "boolean", default: process.stdout.isTTY },
    /** Begins to start Google's emulators before the program asks for them. */
    emulators: { type: "boolean", default: false },
    /** Both are the stack local's where they are left out. */
    project: { type: "string" },
    region: { type: "string" },
  },
});

const root = join(import.meta.dirname, "..");

/** The cloud, from the moment that it begins to start: it must end also when a signal comes then. */
let starting: Promise<LocalCloud> | undefined;
let stopping: Promise<void> | undefined;

function stop(): Promise<void> {
  stopping ??= (async () => {
    // A cloud that could not start has cleared up itself.
    const cloud = await starting?.catch(() => undefined);
    await cloud?.stop();
    process.exit();
  })();
  return stopping;
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

/**
 * What Secret Manager would hold, all of it made on this machine: the seeds of the services' NKeys, and a
 * random text for every other secret that is declared.
 */
async function secret(secretId: string): Promise<string | undefined> {
  const service = /^nats-seed-([a-z0-9-]+)$/.exec(secretId)?.[1];
  if (service === undefined) return localSecret(cacheFolder(), secretId, note);
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
  const stackFile = readStackFile(root, "local");
  const place = placeOf({
    ...stackFile.config,
    ...(values.project === undefined ? {} : { "gcp:project": values.project }),
    ...(values.region === undefined ? {} : { "gcp:region": values.region }),
  });
  starting = LocalCloud.start({
    root,
    port: Number(values.port),
    logs,
    natsServer: (version) => provideNatsServer(thisMachine(note), version),
    emulators: () => findEmulators(),
    emulatorsAtOnce: values.emulators,
    secret,
  });
  const cloud = await starting;
  const frontDoor = cloud.frontDoor.port;
  const defaultHostname = `appengine.localhost:${frontDoor}`;
  const port = await serve(createProvider({ ...place, defaultHostname }, cloud));
  if (values["parent-stdin"] || positionals.length > 0) {
    console.log(String(port));
  } else {
    const { keys } = await localPublicKeys(stackFile, note);
    console.log(attaching(port, frontDoor, keys));
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
  await stop();
}
