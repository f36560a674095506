import type { Browser, Page } from "playwright-core";

/** What a page's main thread did, by the browser's own tracing. */
export interface MainThread {
  /** Each task's time on a processor, in milliseconds. What else the machine does is not in it. */
  readonly tasksMs: readonly number[];
  /** From one frame to the next one on the wall's clock, in milliseconds: what a person in front of it sees. */
  readonly framesMs: readonly number[];
}

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

const categories = [
  // RunTask.
  "disabled-by-default-devtools.timeline",
  // BeginMainThreadFrame.
  "disabled-by-default-devtools.timeline.frame",
  // The mark by which the page's thread is found among those of the browser.
  "blink.user_timing",
];
const mark = "traced from here";
const begin = `
  performance.mark(${JSON.stringify(mark)});
  window.traced = false;
  (function frame() {
    if (!window.traced) requestAnimationFrame(frame);
  })();
`;

/** Traces a page while something happens. Frames are asked for all the time: a page that rests makes none. */
export async function traceMainThread(
  browser: Browser,
  page: Page,
  happens: () => Promise<void>,
): Promise<MainThread> {
  await browser.startTracing(page, { categories });
  await page.evaluate(begin);
  await happens();
  await page.evaluate("window.traced = true");
  const text = (await browser.stopTracing()).toString();
  const { traceEvents } = JSON.parse(text) as { traceEvents: readonly TraceEvent[] };
  return readTrace(traceEvents);
}

/** @throws Error when the trace says nothing of the page, or not how long tasks took */
function readTrace(events: readonly TraceEvent[]): MainThread {
  const marked = events.find(({ name }) => name === mark);
  if (marked === undefined) throw new Error("the trace has nothing of the page");
  const own = events.filter(({ pid, tid, ts }) => {
    return pid === marked.pid && tid === marked.tid && ts >= marked.ts;
  });
  const tasks = own.filter(({ name, ph }) => name === "RunTask" && ph === "X");
  // Short ones may have none: what took no time was not measured.
  if (!tasks.some(({ tdur = 0 }) => tdur > 0)) throw new Error("the trace has no processor times");
  const frames = own
    .filter(({ name }) => name === "BeginMainThreadFrame")
    .map(({ ts }) => ts / 1_000)
    .sort((a, b) => a - b);
  return {
    tasksMs: tasks.map(({ tdur = 0 }) => tdur / 1_000),
    framesMs: frames.slice(1).map((at, index) => at - (frames[index] ?? at)),
  };
}
