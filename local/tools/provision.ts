/** `npm run provision`: what tests and `npm start` need beside npm packages, made once. */
import { provideArchives } from "./emulator-archives.ts";
import { type EmulatorName, findEmulators } from "./emulators.ts";
import { provideNatsServer, thisMachine } from "./nats-server.ts";

try {
  await provideNatsServer(thisMachine(console.log));
  const names: readonly EmulatorName[] = ["datastore", "firestore", "pubsub"];
  const emulators = await findEmulators(names);
  // Who has none is told so by what needs them.
  if (!("missing" in emulators)) await provideArchives(emulators, names, console.log);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
