/** The requests of service `m`, as docs/replicated-memory.md describes them. */

/** What the service, or what stands before it, said in place of an answer. */
export class MError extends Error {
  override readonly name = "MError";
  /** 0: nothing answered. */
  readonly status: number;
  /** The service's word for it; "no_answer" and "unreadable" are ours. */
  readonly code: string;
  /** After `other_revision`: the current one. */
  readonly rev: number | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    options: { readonly rev?: number | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.status = status;
    this.code = code;
    this.rev = options.rev;
  }

  /** Whether there is no such service here: another one answers at its paths. */
  get absent(): boolean {
    return this.status === 404 && this.code !== "no_such_operation";
  }

  /** Whether a change that was answered so may have been committed nonetheless. */
  get uncertain(): boolean {
    return this.status === 0 || (this.status >= 500 && !nothingCommitted.has(this.code));
  }
}

/** Refusals with 503 that say that nothing was committed. */
const nothingCommitted = new Set(["contention", "unavailable", "busy", "stopping"]);

/** All of M at a revision: keys, sorted, with the JSON texts of their values. */
export interface Content {
  readonly rev: number;
  readonly entries: ReadonlyMap<string, string>;
}

/** What a replica last said of itself. */
export interface ReplicaReport {
  /** Of the process. */
  readonly replica: string;
  readonly instance?: string;
  readonly version?: string;
  readonly index?: number;
  readonly rev: number;
  readonly serving: boolean;
  readonly lease: {
    /** Counts up with each renewal. */
    readonly renewals: number;
    /** By its own clock. */
    readonly renewedAt: string;
    readonly durationMs: number;
  };
}

export interface Overview {
  /** Datastore's. */
  readonly rev: number;
  readonly answeredBy: string;
  readonly replicas: readonly ReplicaReport[];
}

/** The answer to a change that is committed. */
export interface Committed {
  readonly rev: number;
  /** How many replicas have it. */
  readonly confirmed: number;
  /** Those that have not said that they have it; empty: all have it that may serve. */
  readonly missing: readonly string[];
  readonly commitMs: number;
  readonly confirmMs: number;
}

export interface Operation {
  readonly status: "confirmed" | "pending";
  readonly confirmed: number;
  readonly missing: readonly string[];
}

export interface Post {
  /** JSON of the patch. */
  readonly body: string;
  readonly idempotencyKey: string;
  /** Undefined: on top of whichever revision. */
  readonly ifRev: number | undefined;
}

/** How long an answer may take. */
const answerMs = 10_000;
/** How long the service may wait for a confirmation before it answers; the rest is asked for afterwards. */
const waitSeconds = 1;
/** A commit under contention takes up to 4 s, and another replica may try first. */
const postMs = 15_000;

export class MApi {
  readonly #fetch: typeof fetch;

  constructor(get: typeof fetch) {
    this.#fetch = get;
  }

  /**
   * @param known what the caller has already
   * @param minRev the answer has this revision at least, or is an error
   * @returns `known` where it is still current
   * @throws MError
   */
  async content(known: Content | undefined, signal: AbortSignal, minRev = 0): Promise<Content> {
    const headers = {
      ...(known === undefined ? {} : { "if-none-match": `"${known.rev}"` }),
      ...(minRev === 0 ? {} : { "if-min-rev": String(minRev) }),
    };
    const response = await this.#ask("/m", { headers }, answerMs, signal);
    if (response.status === 304 && known !== undefined) return known;
    const values = await bodyOf(response);
    const rev = revOf(response);
    if (rev === undefined) throw unreadable(response);
    return { rev, entries: sorted(Object.entries(values)) };
  }

  /** @throws MError */
  async overview(signal: AbortSignal): Promise<Overview> {
    const response = await this.#ask("/m/replicas", {}, answerMs, signal);
    const body = await bodyOf(response);
    if (typeof body["rev"] !== "number" || !Array.isArray(body["replicas"])) {
      throw unreadable(response);
    }
    return body as unknown as Overview;
  }

  /** @throws MError */
  async operation(rev: number, signal: AbortSignal): Promise<Operation> {
    const response = await this.#ask(`/m/operations/${rev}`, {}, answerMs, signal);
    return (await bodyOf(response)) as unknown as Operation;
  }

  /** @throws MError */
  async post({ body, idempotencyKey, ifRev }: Post, signal: AbortSignal): Promise<Committed> {
    const headers = {
      "content-type": "application/json",
      "idempotency-key": idempotencyKey,
      ...(ifRev === undefined ? {} : { "if-match": `"${ifRev}"` }),
    };
    const path = `/m?wait=${waitSeconds}`;
    const response = await this.#ask(path, { method: "POST", headers, body }, postMs, signal);
    const answer = (await bodyOf(response)) as {
      readonly rev?: number;
      readonly confirmed?: number;
      readonly missing?: readonly string[];
    };
    if (answer.rev === undefined) throw unreadable(response);
    const timing = serverTiming(response.headers.get("server-timing") ?? "");
    return {
      rev: answer.rev,
      confirmed: answer.confirmed ?? 0,
      missing: answer.missing ?? [],
      commitMs: timing.get("commit") ?? 0,
      confirmMs: timing.get("confirm") ?? 0,
    };
  }

  /** An answer that is no error. */
  async #ask(
    path: string,
    init: RequestInit,
    withinMs: number,
    signal: AbortSignal,
  ): Promise<Response> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
    let response: Response;
    try {
      // A fetch that was given conditions must not be answered from a cache.
      response = await this.#fetch(path, { ...init, cache: "no-store", signal: limit });
    } catch (cause) {
      signal.throwIfAborted();
      throw noAnswer(cause);
    }
    if (response.ok || response.status === 304) return response;
    const rev = revOf(response);
    const error = await response.json().then(
      (body: unknown) => (body as { error?: { code?: unknown; message?: unknown } } | null)?.error,
      () => undefined,
    );
    throw new MError(
      response.status,
      typeof error?.code === "string" ? error.code : "unreadable",
      typeof error?.message === "string"
        ? error.message
        : `the answer has status ${response.status}`,
      { rev },
    );
  }
}

/** The content after one more revision, which set or deleted a key; only on top of the one before it. */
export function changed(
  content: Content,
  rev: number,
  key: string,
  value: string | undefined,
): Content {
  if (rev !== content.rev + 1) return content;
  const entries = new Map(content.entries);
  if (value === undefined) entries.delete(key);
  else entries.set(key, value);
  return { rev, entries: value === undefined ? entries : ordered(entries) };
}

function sorted(pairs: readonly (readonly [string, unknown])[]): ReadonlyMap<string, string> {
  return ordered(new Map(pairs.map(([key, value]) => [key, JSON.stringify(value)])));
}

/** By code units, as the service sorts: an object of JavaScript has the numbers among its keys first. */
function ordered(entries: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function bodyOf(response: Response): Promise<Readonly<Record<string, unknown>>> {
  let body: unknown;
  try {
    body = await response.json();
  } catch (cause) {
    // Cut off, or a page of who stands before the service.
    throw cause instanceof SyntaxError ? unreadable(response) : noAnswer(cause);
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw unreadable(response);
  return body as Readonly<Record<string, unknown>>;
}

function revOf({ headers }: Response): number | undefined {
  const rev = /^"(\d+)"$/.exec(headers.get("etag") ?? "")?.[1];
  return rev === undefined ? undefined : Number(rev);
}

function noAnswer(cause: unknown): MError {
  return new MError(0, "no_answer", "the service does not answer", { cause });
}

function unreadable({ status }: Response): MError {
  return new MError(status, "unreadable", "the answer is none of the service m");
}

/** The durations in a `Server-Timing` header, by name. */
export function serverTiming(header: string): ReadonlyMap<string, number> {
  const timings = new Map<string, number>();
  for (const [, name = "", ms] of header.matchAll(/([\w-]+)\s*;\s*dur=([\d.]+)/g)) {
    timings.set(name, Number(ms));
  }
  return timings;
}
