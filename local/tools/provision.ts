/** `npm run provision`: what tests and `npm start` need beside npm packages, made once. */
import { provideChromium } from "./chromium.ts";
import { provideArchives } from "./emulator-archives.ts";
import { type EmulatorName, findEmulators } from "./emulators.ts";
import { provideNatsServer, thisMachine } from "./nats-server.ts";

try {
  const machine = thisMachine(console.log);
  await provideNatsServer(machine);
  const names: readonly EmulatorName[] = ["datastore", "firestore", "pubsub"];
  const emulators = await findEmulators(names);
  // Who has none is told so by what needs them.
  if (!("missing" in emulators)) await provideArchives(emulators, names, console.log);
  // Without it some tests are left out, and nothing else.
  await provideChromium({
    ...machine,
    env: process.env,
    root: process.getuid?.() === 0,
  }).catch((error: unknown) => {
    console.log(error instanceof Error ? error.message : error);
  });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
