import type { Browser, Page } from "playwright-core";

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds, as the other two. */
  readonly ts: number;
  readonly dur?: number;
  /** On a processor. */
  readonly tdur?: number;
}

/** The mark by which the page's thread is found among those of the browser. */
const markCategory = "blink.user_timing";
const mark = "traced from here";
const begin = `
  performance.mark(${JSON.stringify(mark)});
  window.traced = false;
  (function frame() {
    if (!window.traced) requestAnimationFrame(frame);
  })();
`;

/**
 * Each task's time on a processor while something happens, in milliseconds, by the browser's own tracing.
 * What else the machine does is not in it.
 *
 * @throws Error when the trace says nothing of the page, or not how long tasks took
 */
export async function traceTasks(
  browser: Browser,
  page: Page,
  happens: () => Promise<void>,
): Promise<readonly number[]> {
  const events = await trace(browser, page, "disabled-by-default-devtools.timeline", happens);
  const tasks = events.filter(({ name, ph }) => name === "RunTask" && ph === "X");
  // Short ones may have none: what took no time was not measured.
  if (!tasks.some(({ tdur = 0 }) => tdur > 0)) throw new Error("the trace has no processor times");
  return tasks.map(({ tdur = 0 }) => tdur / 1_000);
}

/**
 * From one frame to the next one on the wall's clock, in milliseconds: what a person in front of it sees.
 * Apart from the tasks, of which there are thousands a second: to write those down keeps a small machine
 * busier than the page does.
 *
 * @throws Error when the trace says nothing of the page
 */
export async function traceFrames(
  browser: Browser,
  page: Page,
  happens: () => Promise<void>,
): Promise<readonly number[]> {
  const events = await trace(browser, page, "disabled-by-default-devtools.timeline.frame", happens);
  const frames = events
    .filter(({ name }) => name === "BeginMainThreadFrame")
    .map(({ ts }) => ts / 1_000)
    .sort((a, b) => a - b);
  return frames.slice(1).map((at, index) => at - (frames[index] ?? at));
}

/** The events of the page's main thread. Frames are asked for all the time: a page that rests makes none. */
async function trace(
  browser: Browser,
  page: Page,
  category: string,
  happens: () => Promise<void>,
): Promise<readonly TraceEvent[]> {
  await browser.startTracing(page, { categories: [category, markCategory] });
  await page.evaluate(begin);
  await happens();
  await page.evaluate("window.traced = true");
  const text = (await browser.stopTracing()).toString();
  const { traceEvents } = JSON.parse(text) as { traceEvents: readonly TraceEvent[] };
  const marked = traceEvents.find(({ name }) => name === mark);
  if (marked === undefined) throw new Error("the trace has nothing of the page");
  return traceEvents.filter(
    ({ pid, tid, ts }) => pid === marked.pid && tid === marked.tid && ts >= marked.ts,
  );
}
