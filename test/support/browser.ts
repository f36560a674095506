/** Chromium for tests, over its DevTools protocol; `await using` ends it and removes its profile. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { eventually } from "./eventually.ts";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const program = names.find((name) => spawnSync(name, ["--version"]).status === 0);

/** Why tests that need a browser are skipped on this machine: `describe(…, { skip: browserMissing() })`. */
export function browserMissing(): string | undefined {
  return program === undefined ? `none of ${names.join(", ")} is on PATH` : undefined;
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

export class Browser implements AsyncDisposable {
  /** What a page's console and the browser itself complained of. */
  readonly complaints: string[] = [];
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Readonly<Record<string, unknown>>>>();
  #lastId = 0;

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      this.#take(JSON.parse(data.toString()) as Answer);
    });
  }

  /** Opens a page in a window of the size of a small phone, if nothing else is said. */
  static async open(
    url: string,
    { width = 360, height = 740, dark = false } = {},
  ): Promise<Browser> {
    const profile = await mkdtemp(join(tmpdir(), "browser-test-"));
    const child = spawn(
      program ?? "chromium",
      [
        ...["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        ...["--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"],
      ],
      { stdio: "ignore" },
    );
    process.once("exit", () => child.kill("SIGKILL"));
    const port = await eventually("Chromium listens", async () => {
      const text = await readFile(join(profile, "DevToolsActivePort"), "utf8").catch(() => "");
      return text === "" ? undefined : text.split("\n")[0];
    });
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as {
      type: string;
      webSocketDebuggerUrl: string;
    }[];
    const target = targets.find(({ type }) => type === "page");
    const socket = new WebSocket(target?.webSocketDebuggerUrl ?? "");
    await once(socket, "open");
    const browser = new Browser(child, profile, socket);
    await browser.#call("Runtime.enable");
    await browser.#call("Log.enable");
    await browser.#call("Emulation.setDeviceMetricsOverride", {
      ...{ width, height, deviceScaleFactor: 1, mobile: false },
    });
    await browser.#call("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }],
    });
    await browser.#call("Page.navigate", { url });
    await eventually("the page is loaded", () =>
      browser.run<boolean>(`location.href !== "about:blank" && document.readyState === "complete"`),
    );
    return browser;
  }

  /** What an expression gives in the page; promises are waited for. */
  async run<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#call("Runtime.evaluate", {
      ...{ expression, returnByValue: true, awaitPromise: true },
    });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value: T }).value;
  }

  /** The text of the element that a selector finds, as it is shown. */
  text(selector: string): Promise<string> {
    return this.run(`document.querySelector(${JSON.stringify(selector)}).innerText`);
  }

  click(selector: string): Promise<void> {
    return this.run(`document.querySelector(${JSON.stringify(selector)}).click()`);
  }

  /** A picture of the page as PNG. */
  async picture(): Promise<Buffer> {
    const { data } = await this.#call("Page.captureScreenshot", { captureBeyondViewport: true });
    return Buffer.from(String(data), "base64");
  }

  async #call(method: string, params: object = {}): Promise<Readonly<Record<string, unknown>>> {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<Readonly<Record<string, unknown>>>();
    this.#waiting.set(id, answer);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return answer.promise;
  }

  #take({ id, method, params, result, error }: Answer): void {
    if (id !== undefined) {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result ?? {});
      else waiting?.reject(new Error(error.message));
    } else if (method === "Log.entryAdded" || method === "Runtime.exceptionThrown") {
      this.complaints.push(JSON.stringify(params));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exit = once(this.#child, "exit");
      this.#child.kill("SIGKILL");
      await exit;
    }
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
