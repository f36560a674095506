import { setTimeout as wait } from "node:timers/promises";
import type { Browser } from "playwright-core";
import { BrowserPage } from "./browser.ts";
import { type ConsolePage, startConsolePage } from "./console-page.ts";
import { eventually } from "./eventually.ts";
import { traceFrames, traceTasks } from "./main-thread.ts";

/** As the stack on one machine has it, but that a page that is late is waited for, and not closed as slow. */
const gateway = {
  client: { insecure: true, queue_max_size: 67_108_864, total_queue_max_size: 134_217_728 },
  channel: {
    without_namespace: {
      ...{ presence: true, history_size: 100, history_ttl: "10m", force_recovery: true },
    },
  },
};

/** The console's view of topics, subscribed to `add`, and a publisher. */
export class LoadedConsole implements AsyncDisposable {
  readonly opened: BrowserPage;
  readonly #browser: Browser;
  readonly #served: ConsolePage;
  #published = 0;

  private constructor(browser: Browser, served: ConsolePage, opened: BrowserPage) {
    this.#browser = browser;
    this.#served = served;
    this.opened = opened;
  }

  static async open(browser: Browser): Promise<LoadedConsole> {
    const served = await startConsolePage({ gateway });
    const opened = await BrowserPage.open(browser, `${served.url}/#/topics`, {
      ...{ width: 1_280, height: 860 },
    });
    await opened.page.getByText("Subscribed", { exact: true }).waitFor({ timeout: 60_000 });
    return new LoadedConsole(browser, served, opened);
  }

  /** So many messages have been published. */
  get published(): number {
    return this.#published;
  }

  /** So many the page says that it has received. */
  async received(): Promise<number> {
    const figure = this.opened.page.locator("dl > div").filter({ hasText: "Received" });
    return Number((await figure.locator("dd").innerText()).replaceAll(",", ""));
  }

  traceTasks(happens: () => Promise<void>): Promise<readonly number[]> {
    return traceTasks(this.#browser, this.opened.page, happens);
  }

  traceFrames(happens: () => Promise<void>): Promise<readonly number[]> {
    return traceFrames(this.#browser, this.opened.page, happens);
  }

  /** Publishes at a rate for a time, and waits until the page has counted everything. */
  async publish(perSecond: number, seconds: number): Promise<void> {
    const begin = performance.now();
    const before = this.#published;
    const { publisher } = this.#served.gateway;
    for (let sent = 0; sent < perSecond * seconds;) {
      const due = Math.floor(((performance.now() - begin) / 1_000) * perSecond);
      for (; sent < Math.min(due, perSecond * seconds); sent += 1) {
        publisher.publish("t.add", JSON.stringify({ number: before + sent, text }));
      }
      this.#published = before + sent;
      await wait(10);
    }
    await eventually(
      "the page has counted every message",
      async () => (await this.received()) === this.#published,
      { withinMs: 120_000, everyMs: 250 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.opened[Symbol.asyncDispose]();
    await this.#served[Symbol.asyncDispose]();
  }
}

const text = "a message of an ordinary length";
