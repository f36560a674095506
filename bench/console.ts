/**
 * What 5,000 messages per second on a subscribed topic cost the console's page in Chromium, beside the same
 * page at rest in the same run, by the browser's own tracing: `npm run bench -- console`. The gateway and the
 * publisher share the machine with the browser. Frames and tasks are traced one after the other: test/support/main-thread.ts.
 */
import { setTimeout as wait } from "node:timers/promises";
import { launchBrowser } from "../test/support/browser.ts";
import { LoadedConsole } from "../test/support/console-load.ts";
import { percentile } from "./gateway/report.ts";
import { type Row, round, table } from "./table.ts";

const rates = [0, 1_000, 5_000];
const seconds = 10;
/** A person notices what takes longer. */
const longMs = 100;

export async function main(): Promise<void> {
  const browser = await launchBrowser();
  try {
    await using console = await LoadedConsole.open(browser);
    const happens = (perSecond: number) => () =>
      perSecond === 0 ? wait(seconds * 1_000) : console.publish(perSecond, seconds);
    // What a person sees first, with as little as possible written down beside it.
    const seen = new Map<number, Seen>();
    for (const perSecond of rates) {
      const begin = performance.now();
      const framesMs = await console.traceFrames(happens(perSecond));
      seen.set(perSecond, { framesMs, elapsed: (performance.now() - begin) / 1_000 });
    }
    const rows: Row[] = [];
    for (const [perSecond, frames] of seen) {
      rows.push(rowOf(perSecond, frames, await console.traceTasks(happens(perSecond))));
    }
    print(rows);
  } finally {
    await browser.close();
  }
}

interface Seen {
  readonly framesMs: readonly number[];
  /** In seconds. */
  readonly elapsed: number;
}

function rowOf(perSecond: number, { framesMs, elapsed }: Seen, tasksMs: readonly number[]): Row {
  const long = (values: readonly number[]): number => values.filter((ms) => ms > longMs).length;
  return [
    perSecond === 0 ? "at rest" : `${perSecond.toLocaleString("en")} per second`,
    ...[perSecond * seconds, round(elapsed, 1)],
    ...[framesMs.length, round(percentile(framesMs, 0.99), 1)],
    ...[round(Math.max(...framesMs), 1), long(framesMs)],
    ...[round(Math.max(...tasksMs), 1), long(tasksMs)],
  ];
}

function print(rows: readonly Row[]): void {
  const head = [
    ...["topic add", "messages, all counted", "s"],
    ...["frames", "99 % within, ms", "longest, ms", `above ${longMs}`],
    ...["longest task, ms of CPU", `above ${longMs}`],
  ];
  console.log(table(head, rows));
}
