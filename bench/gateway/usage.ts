/**
 * Loaded before a server's own program: tells the parent over IPC what the process has used so far, and
 * records profiles of the parts that the parent names. With `--expose-gc` it collects garbage first when
 * it is asked for memory.
 */
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { setTimeout as wait } from "node:timers/promises";

export type UsageQuestion =
  | { readonly ask: "cpu" }
  | { readonly ask: "memory" }
  | { readonly ask: "profile" }
  | { readonly ask: "profiled"; readonly file: string };

export interface Usage {
  /** User and system time, microseconds. */
  readonly cpuUs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
}

const session = new Session();

async function answer(question: UsageQuestion): Promise<void> {
  if (question.ask === "profile") {
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
  } else if (question.ask === "profiled") {
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    writeFileSync(question.file, JSON.stringify(profile));
  } else if (question.ask === "memory") {
    // What is freed in one pass lets go of more in the next; pages go back to the kernel later.
    for (let pass = 0; pass < 4; pass += 1) {
      globalThis.gc?.();
      await wait(250);
    }
  }
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const usage: Usage = { cpuUs: user + system, rssBytes: rss, heapBytes: heapUsed };
  process.send?.(usage);
}

process.on("message", (question: UsageQuestion) => void answer(question));
// A server that has nothing else to do may end.
process.channel?.unref();
