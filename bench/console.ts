/**
 * What 5,000 messages per second on a subscribed topic cost the console's page in Chromium, beside the same
 * page at rest in the same run, by the browser's own tracing: `npm run bench -- console`. The gateway and the
 * publisher share the machine with the browser.
 */
import { setTimeout as wait } from "node:timers/promises";
import { launchBrowser } from "../test/support/browser.ts";
import { LoadedConsole } from "../test/support/console-load.ts";
import type { MainThread } from "../test/support/main-thread.ts";
import { percentile } from "./gateway/report.ts";
import { type Row, round, table } from "./table.ts";

const seconds = 10;
/** A person notices what takes longer. */
const longMs = 100;

export async function main(): Promise<void> {
  const browser = await launchBrowser();
  try {
    await using console = await LoadedConsole.open(browser);
    const rows: Row[] = [];
    const measure = async (name: string, perSecond: number): Promise<void> => {
      const begin = performance.now();
      const traced = await console.trace(async () => {
        await (perSecond === 0 ? wait(seconds * 1_000) : console.publish(perSecond, seconds));
      });
      rows.push(rowOf(name, perSecond * seconds, traced, (performance.now() - begin) / 1_000));
    };
    await measure("at rest", 0);
    await measure("1,000 per second", 1_000);
    await measure("5,000 per second", 5_000);
    print(rows);
  } finally {
    await browser.close();
  }
}

function rowOf(
  name: string,
  messages: number,
  { tasksMs, framesMs }: MainThread,
  elapsed: number,
): Row {
  const long = (values: readonly number[]): number => values.filter((ms) => ms > longMs).length;
  const cpuMs = tasksMs.reduce((sum, ms) => sum + ms, 0);
  return [
    ...[name, messages, round(elapsed, 1), `${round(cpuMs / elapsed / 10, 1)} %`],
    ...[round(Math.max(...tasksMs), 1), long(tasksMs)],
    ...[framesMs.length, round(percentile(framesMs, 0.99), 1)],
    ...[round(Math.max(...framesMs), 1), long(framesMs)],
  ];
}

function print(rows: readonly Row[]): void {
  const head = [
    ...["topic add", "messages, all counted", "s", "main thread's share of a core"],
    ...["longest task, ms of CPU", `above ${longMs}`],
    ...["frames", "99 % within, ms", "longest, ms", `above ${longMs}`],
  ];
  console.log(table(head, rows));
}
