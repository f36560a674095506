/** What all scenes of the console share: one system as `npm start` runs it, and one browser. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import type { Browser, Locator } from "playwright-core";
import { BrowserPage, launchBrowser, type PageOptions } from "../../support/browser.ts";
import { repository } from "../../support/checkout.ts";
import { System } from "../system.ts";

/** The views as the navigation names them, with what stands above each. */
export const views = {
  Live: "Live",
  Topics: "Topics",
  "Try it": "Try it",
  M: "M, the replicated memory",
  System: "System",
} as const;
export type ViewName = keyof typeof views;

export class Stage implements AsyncDisposable {
  /** Of the front door. */
  readonly url: string;
  readonly browser: Browser;
  readonly #system: System | undefined;

  private constructor(url: string, browser: Browser, system?: System) {
    this.url = url;
    this.browser = browser;
    this.#system = system;
  }

  /**
   * Starts the system; with `CONSOLE_URL`, such as `http://localhost:8080`, the scenes are played in the
   * one that runs there, which is sooner while one writes them.
   */
  static async set(running = process.env["CONSOLE_URL"]): Promise<Stage> {
    if (running !== undefined) return new Stage(running, await launchBrowser());
    const browser = await launchBrowser();
    let system: System | undefined;
    try {
      // Nothing is edited: without a watch it uses less of the machine.
      system = await System.start({ args: ["--no-watch"] });
      await system.ready();
      // By its name: the page is where tokens and the local cloud's own API are to be had.
      return new Stage(`http://localhost:${system.port}`, browser, system);
    } catch (error) {
      await browser.close();
      await system?.[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Somebody comes, and has opened nothing yet. */
  async visit(options: PageOptions = {}): Promise<Visit> {
    return new Visit(this, await BrowserPage.blank(this.browser, options));
  }

  post(path: string, body: unknown): Promise<Response> {
    return fetch(this.url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    await this.#system?.[Symbol.asyncDispose]();
  }
}

/** Where a scene begins. */
export interface SceneOptions extends PageOptions {
  readonly hash?: string;
  /** Before the page is opened: what is between it and the system. */
  readonly before?: (visit: Visit) => Promise<void>;
  /** Why it cannot be played on this machine. */
  readonly skip?: string | false;
}

/**
 * A test that is a person's visit to the page. At its end nothing may be in the browser's console but what the
 * scene itself expected; when it fails, the page's text is told.
 */
export function scene(
  name: string,
  stage: () => Stage,
  { hash = "", before, skip = false, ...options }: SceneOptions,
  play: (visit: Visit) => Promise<void>,
): void {
  it(name, { skip }, async () => {
    await using visit = await stage().visit(options);
    await telling(visit, async () => {
      await before?.(visit);
      await visit.open(hash);
      await play(visit);
      visit.noComplaints();
    });
  });
}

/** Does something, and tells what the page showed when that fails. */
export async function telling(visit: Visit, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    const shown = await visit.page.locator("body").innerText();
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    // eslint-disable-next-line preserve-caught-error -- all of it is in the text; a cause would be printed twice
    throw new Error(`${what}\n\nThe page:\n${shown}\n${visit.opened.complaints.join("\n")}`);
  }
}

/** axe-core, whole. */
const axeSource = readFileSync(join(repository, "node_modules/axe-core/axe.min.js"), "utf8");

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** A person's visit: the page in a browser of its own. */
export class Visit implements AsyncDisposable {
  readonly opened: BrowserPage;
  readonly stage: Stage;
  /** Complaints that a scene brings about on purpose, e.g. by the death of a gateway. */
  readonly expected: RegExp[] = [];
  /** Other people's visits, which end with this one. */
  readonly others: Visit[] = [];

  constructor(stage: Stage, opened: BrowserPage) {
    this.stage = stage;
    this.opened = opened;
  }

  /** Opens the console. */
  async open(hash = ""): Promise<void> {
    await this.page.goto(`${this.stage.url}/${hash}`);
  }

  get page(): BrowserPage["page"] {
    return this.opened.page;
  }

  /** Goes to a view by the navigation. */
  async go(view: ViewName): Promise<void> {
    await this.page
      .getByRole("navigation", { name: "Views" })
      .getByRole("link", { name: view, exact: true })
      .click();
    await this.page.getByRole("heading", { level: 2, name: views[view], exact: true }).waitFor();
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole("button", { name, exact: typeof name === "string" });
  }

  region(name: string | RegExp): Locator {
    return this.page.getByRole("region", { name, exact: typeof name === "string" });
  }

  field(label: string | RegExp): Locator {
    return this.page.getByLabel(label, { exact: typeof label === "string" });
  }

  /** What stands beside a name among the figures of a region. */
  async figure(region: string, name: string): Promise<string> {
    const pair = this.region(region).locator("dl > div").filter({ hasText: name });
    return (await pair.locator("dd").innerText()).trim();
  }

  /** Waits until the focus is on what has that text. */
  async focused(text: string): Promise<void> {
    await this.page
      .locator(":focus")
      .filter({ hasText: new RegExp(`^${text}$`) })
      .waitFor();
  }

  /** Picks one of a few values that stand side by side. */
  async choose(legend: string, option: string): Promise<void> {
    await this.page
      .getByRole("group", { name: legend, exact: true })
      .getByText(option, { exact: true })
      .click();
  }

  /** Waits until the text is shown, wherever it is. */
  async sees(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).filter({ visible: true }).first().waitFor();
  }

  /** Waits until the header says that the page is connected. */
  async connected(): Promise<void> {
    await this.page
      .getByRole("banner")
      .getByText(/^Connected/)
      .waitFor();
  }

  /** What axe-core has against the page as it is now. */
  async violations(): Promise<string[]> {
    if (!(await this.opened.run<boolean>("'axe' in globalThis"))) {
      await this.opened.run(`${axeSource}; undefined`);
    }
    const found = await this.opened.run<Violation[]>(
      `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)`,
    );
    return found.map(
      ({ id, help, nodes }) =>
        `${id}: ${help}\n${nodes.map((node) => `  ${node.html}\n  ${node.failureSummary ?? ""}`).join("\n")}`,
    );
  }

  /** What is wider than the window, as the page cannot be scrolled sideways. */
  tooWide(): Promise<string[]> {
    return this.opened.run<string[]>(`(() => {
      const width = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth <= width) return [];
      return [...document.querySelectorAll("body *")]
        .filter((element) => element.getBoundingClientRect().right > width + 1)
        .map((element) => element.outerHTML.slice(0, 120));
    })()`);
  }

  /** Fails when the page complained of anything that was not brought about on purpose. */
  noComplaints(): void {
    const unexpected = this.opened.complaints.filter(
      (complaint) => !this.expected.some((pattern) => pattern.test(complaint)),
    );
    assert.deepEqual(unexpected, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const other of this.others) await other[Symbol.asyncDispose]();
    await this.opened[Symbol.asyncDispose]();
  }
}
