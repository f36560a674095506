/** The few calls of the App Engine Admin API that deploying and pruning make. */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { LiveService, LiveVersion } from "./live.ts";
import { exitCodes, Refusal } from "./refusal.ts";
import { type Pace, Passing, retrying } from "./retry.ts";

export const defaultUrl = "https://appengine.googleapis.com";

/** Headers that say who asks. */
export type Credentials = () => Promise<Headers>;

export interface AppEngineArgs {
  readonly project: string;
  readonly credentials: Credentials;
  /** Ends every wait. */
  readonly signal: AbortSignal;
  /** @default `defaultUrl` */
  readonly url?: string;
  /** How it retries; for tests. */
  readonly pace?: Partial<Pace>;
}

/** What becomes part of an address, or is shown: nothing but what App Engine itself allows. */
const id = z.string().regex(/^[a-z0-9-]{1,100}$/);
const allocations = z.record(id, z.number());
const servicesPage = z.object({
  services: z
    .array(z.object({ id, split: z.object({ allocations }).partial().optional() }))
    .default([]),
  nextPageToken: z.string().default(""),
});
const versionsPage = z.object({
  versions: z
    .array(
      z.object({
        id,
        servingStatus: z.string().regex(/^\w*$/).default(""),
        createTime: z
          .string()
          .regex(/^[\w:.+-]*$/)
          .default(""),
        // Standard is the default, which a JSON of the API may leave out.
        env: z.string().regex(/^\w*$/).default("standard"),
      }),
    )
    .default([]),
  nextPageToken: z.string().default(""),
});
const instancesPage = z.object({
  instances: z.array(z.object({ id: z.string() })).default([]),
  nextPageToken: z.string().default(""),
});
const operation = z.object({
  name: z.string(),
  done: z.boolean().default(false),
  error: z.object({ message: z.string().default("no reason given") }).optional(),
});
const refusal = z.object({ error: z.object({ message: z.string() }) });

/** An answer that says no, and will again. */
class Denied extends Refusal {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message, exitCodes.failed);
    this.status = status;
  }
}

const questionMs = 60_000;
const requestMs = 20_000;
/** A flexible version takes minutes to go: its machines are ended one after the other. */
const operationMs = 15 * 60_000;
const pollMs = 2_000;
/** More pages than there can be: a server that never ends a list must not hold a deployment up. */
const mostPages = 50;

export class AppEngine {
  readonly #args: AppEngineArgs;
  readonly #pace: Pace;

  constructor(args: AppEngineArgs) {
    refuseUnsafe(args.url ?? defaultUrl);
    this.#args = args;
    this.#pace = {
      withinMs: questionMs,
      wait: (ms) => delay(ms, undefined, { signal: args.signal }),
      now: () => performance.now(),
      random: Math.random,
      ...args.pace,
    };
  }

  /** Asks Google, or the stand-in that APP_ENGINE_URL of the environment names. */
  static of(args: Omit<AppEngineArgs, "url" | "pace">): AppEngine {
    const url = process.env["APP_ENGINE_URL"];
    return new AppEngine({ ...args, ...(url === undefined ? {} : { url }) });
  }

  /** Every service, and the versions of those that `wants`. An application that does not exist has none. */
  async live(wants: (service: string) => boolean = () => true): Promise<LiveService[]> {
    let services: { id: string; allocations: Record<string, number> }[];
    try {
      services = (await this.#pages("services", servicesPage)).flatMap((page) =>
        page.services.map(({ id, split }) => ({ id, allocations: split?.allocations ?? {} })),
      );
    } catch (error) {
      if (error instanceof Denied && error.status === 404) return [];
      throw error;
    }
    const found: LiveService[] = [];
    for (const { id, allocations: all } of services) {
      const shares = Object.entries(all).filter(([, share]) => share > 0);
      found.push({
        id,
        allocations: Object.fromEntries(shares),
        versions: wants(id) ? await this.#versions(id) : [],
      });
    }
    return found;
  }

  /** How many instances a version has now. */
  async instances(service: string, version: string): Promise<number> {
    const path = `services/${service}/versions/${version}/instances`;
    return (await this.#pages(path, instancesPage)).flatMap((page) => page.instances).length;
  }

  /** Deletes a version and waits until that is done. One that is gone already is fine. */
  async deleteVersion(service: string, version: string): Promise<void> {
    let begun: z.infer<typeof operation>;
    try {
      begun = await this.#ask("DELETE", `services/${service}/versions/${version}`, {}, operation);
    } catch (error) {
      // Also when the first of two attempts did it and its answer was lost.
      if (error instanceof Denied && error.status === 404) return;
      throw error;
    }
    const id = /^apps\/[^/]+\/operations\/([\w-]+)$/.exec(begun.name)?.[1];
    if (id === undefined) throw new Refusal("App Engine named no operation", exitCodes.failed);
    const end = this.#pace.now() + operationMs;
    let current = begun;
    while (!current.done) {
      if (this.#pace.now() > end) {
        throw new Refusal(
          `operation ${id} is not done after ${operationMs / 60_000} minutes; it goes on in App Engine`,
          exitCodes.failed,
        );
      }
      await this.#pace.wait(pollMs);
      current = await this.#ask("GET", `operations/${id}`, {}, operation);
    }
    if (current.error !== undefined)
      throw new Refusal(plain(current.error.message), exitCodes.failed);
  }

  async #versions(service: string): Promise<LiveVersion[]> {
    const pages = await this.#pages(`services/${service}/versions`, versionsPage, {
      view: "BASIC",
    });
    return pages.flatMap((page) => page.versions);
  }

  async #pages<T extends { readonly nextPageToken: string }>(
    path: string,
    schema: z.ZodType<T>,
    query: Readonly<Record<string, string>> = {},
  ): Promise<T[]> {
    const pages: T[] = [];
    for (let pageToken = ""; pages.length < mostPages;) {
      const page = await this.#ask(
        "GET",
        path,
        { ...query, ...(pageToken === "" ? {} : { pageToken }) },
        schema,
      );
      pages.push(page);
      if (page.nextPageToken === "") return pages;
      pageToken = page.nextPageToken;
    }
    throw new Refusal(`App Engine does not end its list of ${path}`, exitCodes.failed);
  }

  #ask<T>(
    method: "GET" | "DELETE",
    path: string,
    query: Readonly<Record<string, string>>,
    schema: z.ZodType<T>,
  ): Promise<T> {
    const base = this.#args.url ?? defaultUrl;
    const url = new URL(`${base}/v1/apps/${this.#args.project}/${path}`);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    const what = `${method} ${url.pathname}`;
    return retrying(async () => {
      const headers = await this.#args.credentials();
      let status: number;
      let text: string;
      let after: string | null;
      try {
        const response = await fetch(url, {
          method,
          headers,
          redirect: "error",
          signal: AbortSignal.any([this.#args.signal, AbortSignal.timeout(requestMs)]),
        });
        status = response.status;
        after = response.headers.get("retry-after");
        // Also the body may break off.
        text = await textOf(response);
      } catch (error) {
        if (this.#args.signal.aborted) throw error;
        throw new Passing(`App Engine cannot be reached (${what}): ${reasonOf(error)}`);
      }
      if (status !== 200) throw this.#answered(status, text, after, what);
      return decode(text, schema, what);
    }, this.#pace);
  }

  #answered(status: number, text: string, after: string | null, what: string): Error {
    let reason = "";
    try {
      reason = refusal.parse(JSON.parse(text)).error.message;
    } catch {
      // Not every answer is the API's own: proxies answer in HTML.
    }
    const message = `App Engine answered ${status} to ${what}${reason === "" ? "" : `: ${plain(reason)}`}`;
    // 409: another change of the application is under way, and takes its turn.
    if (status === 429 || status === 409 || status >= 500) {
      return new Passing(
        message,
        after !== null && /^\d{1,2}$/.test(after) ? Number(after) * 1000 : 0,
      );
    }
    return new Denied(message, status);
  }
}

function decode<T>(text: string, schema: z.ZodType<T>, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Passing(`App Engine answered ${what} with no JSON`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new Refusal(
    `App Engine answered ${what} in an unknown form: ${result.error.issues.map((i) => i.path.join(".")).join(", ")}`,
    exitCodes.failed,
  );
}

/** No list of the API is nearly as long; a server that does not end must not fill the memory. */
const mostBytes = 16 * 1024 * 1024;

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const body: AsyncIterable<Uint8Array> | null = response.body;
  if (body === null) return "";
  for await (const chunk of body) {
    length += chunk.length;
    if (length > mostBytes) throw new Error("the answer does not end");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** In one line, and without what a terminal or a pipeline's log would take for a command. */
function plain(text: string): string {
  return text.replaceAll(/\p{C}+/gu, " ").slice(0, 400);
}

/** What fetch says is "fetch failed"; why is in its cause. */
function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return inner instanceof Error ? inner.message : String(inner);
}

/** The token opens the whole project: it is sent to Google, or to a stand-in on this machine. */
function refuseUnsafe(url: string): void {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new Refusal(`APP_ENGINE_URL: "${url}" is no URL`);
  }
  const { protocol, hostname, username, password } = parsed;
  const isGoogle = protocol === "https:" && hostname.endsWith(".googleapis.com");
  const isHere = protocol === "http:" && ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  if (!(isGoogle || isHere) || username !== "" || password !== "") {
    throw new Refusal(
      `APP_ENGINE_URL: "${url}" is neither Google's, by https, nor on this machine, by http`,
    );
  }
}
