/**
 * A tiny process that outlives the local cloud by a moment. The cloud tells it over a pipe which
 * processes it started and which temporary folders it made; when the pipe ends, however the cloud
 * ended (also by `kill -9`), it kills and removes what is left.
 *
 * One line each: `+child <pid>`, `-child <pid>`, `+folder <path>`, `-folder <path>`.
 */
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { killGroups } from "../process/group.ts";

// Ctrl-C and a closing terminal are for the cloud to handle; the keeper goes by the pipe alone.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

const children = new Set<number>();
const folders = new Set<string>();

for await (const line of createInterface({ input: process.stdin })) {
  const space = line.indexOf(" ");
  const value = line.slice(space + 1);
  switch (line.slice(0, space)) {
    case "+child":
      children.add(Number(value));
      break;
    case "-child":
      children.delete(Number(value));
      break;
    case "+folder":
      folders.add(value);
      break;
    case "-folder":
      folders.delete(value);
      break;
  }
}

// A killed process that nobody has waited for yet looks alive for a while, but does nothing more.
await killGroups(children, 1_000);
for (const folder of folders) {
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
