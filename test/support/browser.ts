/** Chromium for tests and pictures, driven by Playwright. */
import {
  type Browser,
  type BrowserContext,
  chromium,
  type ConsoleMessage,
  type Page,
} from "playwright-core";
import { chromiumMissing, findChromium } from "../../local/tools/chromium.ts";

const program = findChromium();

/** Why tests that need a browser are skipped on this machine: `describe(…, { skip: browserMissing() })`. */
export function browserMissing(): string | undefined {
  return program === undefined ? chromiumMissing : undefined;
}

/** Starts it; pages of one browser know nothing of each other. It ends with this process at the latest. */
export async function launchBrowser(): Promise<Browser> {
  if (program === undefined) throw new Error(chromiumMissing);
  return chromium.launch({
    executablePath: program,
    // A container's /dev/shm is small, and there is no GPU to look for; letters have no coloured edges then.
    args: ["--disable-dev-shm-usage", "--disable-gpu", "--disable-lcd-text"],
    // A busy machine takes its time, and no test is about how long.
    timeout: 120_000,
  });
}

export interface PageOptions {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  /** Scripts that are there before those of the page, whatever its Content-Security-Policy says. */
  readonly scripts?: readonly (string | { readonly path: string })[];
}

/** What is waited for in a page comes in this time, or never. */
export const pageLimitMs = 60_000;

/** A page in a profile of its own, which keeps what it complains of; `await using` closes it. */
export class BrowserPage implements AsyncDisposable {
  readonly page: Page;
  /** What its console was told as an error or a warning, what it threw, and what its policy forbade. */
  readonly complaints: string[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    const complain = (message: ConsoleMessage): void => {
      if (!["error", "warning", "assert"].includes(message.type())) return;
      const { url, lineNumber } = message.location();
      this.complaints.push(`${message.type()}: ${message.text()} (${url}:${lineNumber})`);
    };
    context.on("console", complain);
    context.on("weberror", (error) => {
      const thrown = error.error();
      this.complaints.push(thrown.stack ?? thrown.message);
    });
  }

  /** Opens a page in a window of the size of a small phone, if nothing else is said. */
  static async open(
    browser: Browser,
    url: string,
    options: PageOptions = {},
  ): Promise<BrowserPage> {
    const opened = await BrowserPage.blank(browser, options);
    await opened.page.goto(url);
    return opened;
  }

  /** A window without a page yet. */
  static async blank(
    browser: Browser,
    { width = 360, height = 740, dark = false, scripts = [] }: PageOptions = {},
  ): Promise<BrowserPage> {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: dark ? "dark" : "light",
      // What moves is in the way of a picture, and of who clicks at it.
      reducedMotion: "reduce",
      locale: "en-GB",
      timezoneId: "UTC",
    });
    context.setDefaultTimeout(pageLimitMs);
    for (const script of scripts) {
      await context.addInitScript(typeof script === "string" ? { content: script } : script);
    }
    return new BrowserPage(context, await context.newPage());
  }

  /** What an expression gives in the page; promises are waited for. */
  run<T>(expression: string): Promise<T> {
    return this.page.evaluate<T>(expression);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Requests that a test holds back or answers itself may be under way.
    await this.page.unrouteAll({ behavior: "ignoreErrors" });
    await this.#context.close();
  }
}
