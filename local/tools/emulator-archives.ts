/**
 * Java reads and checks thousands of classes each time that an emulator starts. An archive of those
 * that one start loaded makes the others take half the time and half the CPU.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { EmulatorName, Emulators } from "./emulators.ts";

/** How long an emulator may take to serve; without its archive it only starts more slowly. */
const startMs = 60_000;

/** Writes the archive of each emulator that has none yet. */
export async function provideArchives(
  emulators: Emulators,
  names: readonly EmulatorName[],
  note: (line: string) => void,
): Promise<void> {
  for (const name of names) {
    if (existsSync(emulators.archive(name))) continue;
    const written = await writeArchive(emulators, name);
    note(`the ${name} emulator will start ${written ? "faster" : "as slowly as it did"}`);
  }
}

async function writeArchive(emulators: Emulators, name: EmulatorName): Promise<boolean> {
  const archive = emulators.archive(name);
  await mkdir(dirname(archive), { recursive: true });
  const folder = await mkdtemp(join(tmpdir(), `${name}-emulator-`));
  // Beside the others, so that it gets its name in one step: another process may look meanwhile.
  const unfinished = `${archive}.${process.pid}`;
  try {
    const port = await freePort();
    const { file, args } = await emulators.command(name, { port, folder });
    const java = spawn(file, [`-XX:ArchiveClassesAtExit=${unfinished}`, ...args], {
      stdio: "ignore",
    });
    const ended = new Promise<void>((resolve) => {
      for (const event of ["error", "exit"]) {
        java.once(event, () => {
          resolve();
        });
      }
    });
    await Promise.race([ended, serving(port)]);
    java.kill("SIGTERM");
    const killing = setTimeout(() => java.kill("SIGKILL"), startMs);
    await ended;
    clearTimeout(killing);
    await rename(unfinished, archive);
    return true;
  } catch {
    return false;
  } finally {
    await rm(unfinished, { force: true });
    await rm(folder, { recursive: true, force: true });
  }
}

async function serving(port: number): Promise<void> {
  const end = performance.now() + startMs;
  while (performance.now() < end) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    if (answer?.ok === true) return;
    await wait(50);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
