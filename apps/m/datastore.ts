/** Datastore, reduced to what the store needs: plain values in, plain values out, errors classified. */
import type { DatastoreClient } from "@google-cloud/datastore/build/src/v1/datastore_client.js";
import type { CallOptions } from "google-gax";
import { pause } from "../lib/within.ts";
import { GoogleClient } from "./google-client.ts";
import { StoreError } from "./store.ts";

export interface DatastoreOptions {
  readonly project: string;
  /** Keeps what is in it apart from everything else in the database. */
  readonly namespace: string;
  /** `host:port` of an emulator; undefined: the database of the project. */
  readonly emulator: string | undefined;
  /** How long one call may take. */
  readonly callMs: number;
}

export type Value = string | number | boolean | Date;
export type Properties = Readonly<Record<string, Value | undefined>>;

export interface Key {
  readonly kind: string;
  /** A text is a name, a number an id (from 1). */
  readonly id: string | number;
}

export type Mutation =
  /** `indexed` names the properties that queries ask for. */
  | { readonly upsert: Key; readonly properties: Properties; readonly indexed?: readonly string[] }
  | { readonly insert: Key; readonly properties: Properties; readonly indexed?: readonly string[] }
  /** Fails when there is nothing to update. */
  | { readonly update: Key; readonly properties: Properties }
  | { readonly delete: Key };

export interface Found {
  readonly id: string | number;
  readonly properties: Properties;
}

/** A transaction's reads. */
export interface Reader {
  /** What is at each key, in their order. */
  lookup(keys: readonly Key[]): Promise<(Properties | undefined)[]>;
}

/** What a transaction answers, and what it writes. */
export interface Work<T> {
  readonly result: T;
  readonly mutations: readonly Mutation[];
}

/** The client's own types of requests, without the null that each of their fields may be. */
type WireKey = NonNullable<Parameters<DatastoreClient["lookup"]>[0]>["keys"] extends
  (infer K)[] | null | undefined
  ? K
  : never;

/** gRPC's codes, https://grpc.io/docs/guides/status-codes/. */
const code = { notFound: 5, aborted: 10 } as const;
/** Tries of a transaction that others got in the way of; each waits up to twice as long as the last. */
const contentionTries = 8;
const firstPauseMs = 20;

export class Datastore {
  readonly #options: DatastoreOptions;
  readonly #client: GoogleClient<DatastoreClient>;

  constructor(options: DatastoreOptions) {
    this.#options = options;
    const { project, emulator } = options;
    this.#client = new GoogleClient({
      emulator,
      // A database that was away is found again within a lease.
      longestBackoffMs: 1_000,
      make: async (more) => {
        const { DatastoreClient } =
          await import("@google-cloud/datastore/build/src/v1/datastore_client.js");
        return new DatastoreClient({ projectId: project, ...more });
      },
    });
  }

  /** What is at each key now, in their order. */
  async lookup(keys: readonly Key[]): Promise<(Properties | undefined)[]> {
    return this.#read(keys, undefined);
  }

  /** As `lookup`, but what does not fit into one answer is left out at the end. */
  async lookupSome(keys: readonly Key[]): Promise<(Properties | undefined)[]> {
    return this.#read(keys, undefined, true);
  }

  /**
   * Reads and writes in one transaction.
   *
   * @param work reads with `reader` and answers with what to write; it may run several times
   * @throws StoreError "contention" after several tries, "unavailable" when nothing was written,
   *   "in doubt" when something may have been
   */
  async transact<T>(
    work: (reader: Reader) => Promise<Work<T>>,
    { tries = contentionTries }: { tries?: number } = {},
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#tryTransaction(work);
      } catch (error) {
        const again = error instanceof StoreError && error.code === "contention" && attempt < tries;
        if (!again) throw error;
        await pause(Math.random() * firstPauseMs * 2 ** attempt, new AbortController().signal);
      }
    }
  }

  /** Writes without a transaction; all or nothing of one call. @returns false when an update found nothing */
  async write(mutations: readonly Mutation[], timeoutMs = this.#options.callMs): Promise<boolean> {
    const client = await this.#connected();
    try {
      await client.commit(
        {
          projectId: this.#options.project,
          mode: "NON_TRANSACTIONAL",
          mutations: mutations.map((mutation) => this.#mutation(mutation)),
        },
        callOptions(timeoutMs),
      );
      return true;
    } catch (error) {
      if (codeOf(error) === code.notFound) return false;
      throw unavailable("write", error);
    }
  }

  /** Everything of a kind, with what `keys` are, as it was at one moment. */
  async snapshot(
    kind: string,
    keys: readonly Key[],
    each: (found: Found) => void,
  ): Promise<(Properties | undefined)[]> {
    const client = await this.#connected();
    try {
      const [{ transaction }] = await client.beginTransaction(
        { projectId: this.#options.project, transactionOptions: { readOnly: {} } },
        callOptions(this.#options.callMs),
      );
      // A transaction that only reads is not committed: there is nothing to commit, and the Firestore
      // emulator refuses it.
      const values = await this.#read(keys, transaction ?? undefined);
      await this.#query(client, { kind: [{ name: kind }] }, transaction ?? undefined, each);
      return values;
    } catch (error) {
      throw error instanceof StoreError ? error : unavailable("snapshot", error);
    }
  }

  /** Deletes at most so many of a kind whose property is before a moment. @returns how many it were */
  async deleteBefore(kind: string, property: string, moment: Date, limit: number): Promise<number> {
    const client = await this.#connected();
    const old: Key[] = [];
    try {
      const filter = {
        propertyFilter: {
          property: { name: property },
          op: "LESS_THAN" as const,
          value: wireValue(moment, true),
        },
      };
      const query = {
        kind: [{ name: kind }],
        filter,
        projection: [{ property: { name: "__key__" } }],
        limit: { value: limit },
      };
      await this.#query(client, query, undefined, ({ id }) => old.push({ kind, id }));
    } catch (error) {
      throw unavailable("query", error);
    }
    if (old.length > 0) await this.write(old.map((key) => ({ delete: key })));
    return old.length;
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #connected(): Promise<DatastoreClient> {
    try {
      return await this.#client.get();
    } catch (error) {
      throw unavailable("connecting", error);
    }
  }

  async #tryTransaction<T>(work: (reader: Reader) => Promise<Work<T>>): Promise<T> {
    const client = await this.#connected();
    const { project, callMs } = this.#options;
    let transaction: Uint8Array | string | undefined;
    let committing = false;
    try {
      // Not begun by its first read, which would save a round trip: the Firestore emulator then waits
      // for a lock of its own until it gives up.
      const [begun] = await client.beginTransaction(
        { projectId: project, transactionOptions: { readWrite: {} } },
        callOptions(callMs),
      );
      transaction = begun.transaction ?? undefined;
      const { result, mutations } = await work({
        lookup: (keys) => this.#read(keys, transaction),
      });
      if (mutations.length > 0) {
        committing = true;
        await client.commit(
          {
            projectId: project,
            mode: "TRANSACTIONAL",
            ...(transaction === undefined ? {} : { transaction }),
            mutations: mutations.map((mutation) => this.#mutation(mutation)),
          },
          callOptions(callMs),
        );
        transaction = undefined;
      }
      return result;
    } catch (error) {
      if (codeOf(error) === code.aborted) {
        transaction = undefined;
        throw new StoreError("contention", "others wrote to Datastore at the same time", {
          cause: error,
        });
      }
      if (error instanceof StoreError) throw error;
      // Anything else may be said of a commit that was carried out: by who repeated it on the way, or
      // gave up waiting. The next try looks.
      if (committing) {
        throw new StoreError("in doubt", "Datastore did not say whether it committed", {
          cause: error,
        });
      }
      throw unavailable("transaction", error);
    } finally {
      // What it has read stays locked for others until it ends.
      if (transaction !== undefined) {
        void client
          .rollback({ projectId: project, transaction }, callOptions(callMs))
          .catch(() => undefined);
      }
    }
  }

  async #read(
    keys: readonly Key[],
    transaction: Uint8Array | string | undefined,
    some = false,
  ): Promise<(Properties | undefined)[]> {
    if (keys.length === 0) return [];
    const client = await this.#connected();
    const found = new Map<string, Properties>();
    let wanted: WireKey[] = keys.map((key) => this.#key(key));
    let count = keys.length;
    try {
      while (wanted.length > 0) {
        const [answer] = await client.lookup(
          {
            projectId: this.#options.project,
            keys: wanted,
            readOptions: transaction === undefined ? {} : { transaction },
          },
          callOptions(this.#options.callMs),
        );
        for (const { entity } of answer.found ?? []) {
          const { kind, id } = keyOf(entity?.key);
          found.set(`${kind} ${id}`, plain(entity?.properties));
        }
        wanted = answer.deferred ?? [];
        if (some && wanted.length > 0) {
          const put = new Set(wanted.map((key) => keyOf(key).id));
          count = keys.findIndex(({ id }) => put.has(id));
          break;
        }
      }
    } catch (error) {
      // The transaction's own handler looks at the code.
      if (transaction !== undefined) throw error;
      throw unavailable("lookup", error);
    }
    return keys.slice(0, count).map(({ kind, id }) => found.get(`${kind} ${id}`));
  }

  async #query(
    client: DatastoreClient,
    query: NonNullable<NonNullable<Parameters<DatastoreClient["runQuery"]>[0]>["query"]>,
    transaction: Uint8Array | string | undefined,
    each: (found: Found) => void,
  ): Promise<void> {
    const { project, callMs } = this.#options;
    let startCursor: Uint8Array | string | undefined;
    for (;;) {
      const [{ batch }] = await client.runQuery(
        {
          projectId: project,
          partitionId: this.#partition(),
          readOptions: transaction === undefined ? {} : { transaction },
          query: startCursor === undefined ? query : { ...query, startCursor },
        },
        callOptions(callMs),
      );
      const results = batch?.entityResults ?? [];
      for (const { entity } of results) {
        each({ id: keyOf(entity?.key).id, properties: plain(entity?.properties) });
      }
      // A limit counts for each call anew, so a limited query is one call.
      if (batch?.moreResults !== "NOT_FINISHED" || query.limit != null) return;
      startCursor = batch.endCursor ?? undefined;
    }
  }

  #partition(): { projectId: string; namespaceId: string } {
    return { projectId: this.#options.project, namespaceId: this.#options.namespace };
  }

  #key({ kind, id }: Key): WireKey {
    return {
      partitionId: this.#partition(),
      path: [typeof id === "string" ? { kind, name: id } : { kind, id }],
    };
  }

  #mutation(mutation: Mutation): object {
    if ("delete" in mutation) return { delete: this.#key(mutation.delete) };
    const indexed = new Set("indexed" in mutation ? mutation.indexed : []);
    const properties = Object.fromEntries(
      Object.entries(mutation.properties).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, wireValue(value, indexed.has(name))]],
      ),
    );
    if ("upsert" in mutation) return { upsert: { key: this.#key(mutation.upsert), properties } };
    if ("insert" in mutation) return { insert: { key: this.#key(mutation.insert), properties } };
    return { update: { key: this.#key(mutation.update), properties } };
  }
}

/** One call, no retries of the client's own: who calls knows what may be done twice. */
function callOptions(timeoutMs: number): CallOptions {
  return { timeout: timeoutMs, retry: null };
}

function unavailable(what: string, cause: unknown): StoreError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StoreError("unavailable", `Datastore does not serve (${what}): ${reason}`, { cause });
}

function codeOf(error: unknown): number | undefined {
  const value = typeof error === "object" && error !== null && "code" in error ? error.code : null;
  return typeof value === "number" ? value : undefined;
}

function wireValue(value: Value, indexed: boolean): object {
  return { ...typed(value), excludeFromIndexes: !indexed };
}

function typed(value: Value): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { booleanValue: value };
  if (typeof value === "number") return { integerValue: value };
  const ms = value.getTime();
  const seconds = Math.floor(ms / 1000);
  return { timestampValue: { seconds, nanos: (ms - seconds * 1000) * 1_000_000 } };
}

function keyOf(key: unknown): { kind: string; id: string | number } {
  const path = (key as { path?: { kind?: string; name?: string; id?: unknown; idType?: string }[] })
    .path;
  const last = path?.at(-1);
  const kind = last?.kind ?? "";
  return { kind, id: last?.idType === "id" ? Number(last.id) : (last?.name ?? "") };
}

/** Entities of this program alone are read: their values are of the kinds that `typed` writes. */
function plain(properties: unknown): Properties {
  const result: Record<string, Value> = {};
  for (const [name, value] of Object.entries((properties ?? {}) as Record<string, WireValue>)) {
    if (typeof value.stringValue === "string") result[name] = value.stringValue;
    else if (value.integerValue != null) result[name] = Number(value.integerValue);
    else if (typeof value.booleanValue === "boolean") result[name] = value.booleanValue;
    else if (value.timestampValue != null) {
      const { seconds, nanos } = value.timestampValue;
      result[name] = new Date(Number(seconds) * 1000 + nanos / 1_000_000);
    }
  }
  return result;
}

interface WireValue {
  readonly stringValue?: string | null;
  readonly integerValue?: number | string | null;
  readonly booleanValue?: boolean | null;
  readonly timestampValue?: { seconds: number | string; nanos: number } | null;
}
