/** The store in Datastore. Kinds, keys and properties: docs/replicated-memory.md. */
import { createHash } from "node:crypto";
import {
  Datastore,
  type DatastoreOptions,
  type Key,
  type Mutation,
  type Properties,
  type Work,
} from "./datastore.ts";
import type { Change, Snapshot } from "./memory.ts";
import { encodePatch, parsePatch } from "./patch.ts";
import { plan, type UsedKey, type WriteRequest } from "./plan.ts";
import { type CommitResult, type Head, type LeaseRecord, type Store, StoreError } from "./store.ts";

/** So many changes are kept for replicas that missed some; who missed more loads everything. */
export const keptChanges = 1_000;
/** At most so many are read at once. */
const changesPerRead = 100;
/** An idempotency key is good for a day. */
const usedKeyMs = 86_400_000;
const forgottenAtOnce = 200;
const forgettingTurns = 50;

const headKey: Key = { kind: "MHead", id: "head" };
const publishedKey: Key = { kind: "MPublished", id: "published" };
const membersKey: Key = { kind: "MMembers", id: "members" };
const changeKey = (rev: number): Key => ({ kind: "MChange", id: rev });
const usedKey = (key: string): Key => ({ kind: "MUsedKey", id: key });
const leaseKey = (replica: string): Key => ({ kind: "MLease", id: replica });
/** A key of M may be longer than an entity's name, or empty; its digest never is. */
const entryKey = (key: string): Key => ({
  kind: "MEntry",
  id: createHash("sha256").update(JSON.stringify(key)).digest("base64url"),
});

export interface DatastoreStoreOptions extends DatastoreOptions {
  /** How long a renewal may take; the next one is due then. */
  readonly renewMs: number;
}

export class DatastoreStore implements Store {
  readonly #datastore: Datastore;
  readonly #renewMs: number;

  constructor(options: DatastoreStoreOptions) {
    this.#datastore = new Datastore(options);
    this.#renewMs = options.renewMs;
  }

  async commit(requests: readonly WriteRequest[], doubt?: number): Promise<CommitResult> {
    const keys = [...new Set(requests.flatMap(({ idempotency }) => idempotency?.key ?? []))];
    let base: number | undefined;
    const committed = this.#datastore.transact(
      async (reader): Promise<Work<CommitResult>> => {
        const [head, ...records] = await reader.lookup([headKey, ...keys.map(usedKey)]);
        const rev = revOf(head);
        base = rev;
        const used = new Map<string, UsedKey>();
        for (const [index, record] of records.entries()) {
          const key = keys[index];
          if (record === undefined || key === undefined) continue;
          used.set(key, { rev: revOf(record), digest: String(record["digest"]) });
        }
        const done = new Map<string, number>();
        if (doubt !== undefined && rev > doubt) {
          if (rev - doubt > keptChanges) {
            base = doubt;
            throw new StoreError("in doubt", "the changes that would tell are no longer kept");
          }
          const revs = Array.from({ length: rev - doubt }, (_, i) => doubt + 1 + i);
          const changes = await reader.lookup(revs.map(changeKey));
          for (const [index, change] of changes.entries()) {
            if (change !== undefined) done.set(String(change["request"]), doubt + 1 + index);
          }
        }
        const { outcomes, changes } = plan(requests, rev, used, done);
        const result = { outcomes, changes };
        if (changes.length === 0) return { result, mutations: [] };
        const now = new Date();
        const final = new Map<string, string | null>();
        const mutations: Mutation[] = [];
        for (const { rev: own, patch, request } of changes) {
          for (const [key, value] of patch) final.set(key, value);
          mutations.push({
            insert: changeKey(own),
            properties: { patch: encodePatch(patch), request: request.id, at: now },
          });
          if (own > keptChanges) mutations.push({ delete: changeKey(own - keptChanges) });
          if (request.idempotency !== undefined) {
            const { key, digest } = request.idempotency;
            const expires = new Date(now.getTime() + usedKeyMs);
            mutations.push({
              upsert: usedKey(key),
              properties: { rev: own, digest, expires },
              indexed: ["expires"],
            });
          }
        }
        for (const [key, value] of final) {
          mutations.push(
            value === null
              ? { delete: entryKey(key) }
              : { upsert: entryKey(key), properties: { key: JSON.stringify(key), value } },
          );
        }
        // All at once or nothing, whatever the order. But the emulator with locks lets others read while
        // it applies them: who then finds a new revision must find all that is of it. What they find of
        // the next one comes to them once more, as a change.
        mutations.push({ upsert: headKey, properties: { rev: rev + changes.length } });
        return { result, mutations };
      },
      // Who writes decides how long to go on.
      { tries: 1 },
    );
    return committed.catch((error: unknown) => {
      if (!(error instanceof StoreError) || error.code !== "in doubt" || base === undefined) {
        throw error;
      }
      throw new StoreError("in doubt", error.message, { cause: error, base });
    });
  }

  async head(): Promise<Head> {
    const [head, published] = await this.#datastore.lookup([headKey, publishedKey]);
    return { rev: revOf(head), published: revOf(published) };
  }

  async changesAfter(rev: number, upTo: number): Promise<readonly Change[]> {
    const end = Math.min(upTo, rev + changesPerRead);
    const revs = Array.from({ length: Math.max(0, end - rev) }, (_, i) => rev + 1 + i);
    const rows = await this.#datastore.lookupSome(revs.map(changeKey));
    const changes: Change[] = [];
    for (const [index, row] of rows.entries()) {
      if (row === undefined) break;
      changes.push({ rev: rev + 1 + index, patch: parsePatch(String(row["patch"])) });
    }
    return changes;
  }

  async snapshot(): Promise<Snapshot> {
    const entries = new Map<string, string>();
    const [head] = await this.#datastore.snapshot("MEntry", [headKey], ({ properties }) => {
      entries.set(JSON.parse(String(properties["key"])) as string, String(properties["value"]));
    });
    return { rev: revOf(head), entries };
  }

  async join(lease: LeaseRecord): Promise<{ readonly rev: number }> {
    await settled(
      this.#datastore.transact(
        async (reader) => {
          const [members] = await reader.lookup([membersKey]);
          const all = new Set([...membersOf(members), lease.replica]);
          return {
            result: undefined,
            mutations: [
              { upsert: membersKey, properties: { members: JSON.stringify([...all]) } },
              { upsert: leaseKey(lease.replica), properties: leaseProperties(lease) },
            ],
          };
        },
        // The lease counts from when this was sent: who tries again does so with a new one.
        { tries: 1 },
      ),
    );
    // Read after the membership is written, as writers read the members after their commit: one of
    // the two sees the other. In one transaction they would only be in each other's way.
    return this.head();
  }

  renew(lease: LeaseRecord): Promise<boolean> {
    return this.#datastore.write(
      [{ update: leaseKey(lease.replica), properties: leaseProperties(lease) }],
      this.#renewMs,
    );
  }

  async leave(replica: string): Promise<void> {
    await this.#end(replica, () => true);
  }

  expel(replica: string, renewal: number): Promise<boolean> {
    return this.#end(replica, (lease) => lease === undefined || lease["renewal"] === renewal);
  }

  async members(): Promise<readonly string[]> {
    const [members] = await this.#datastore.lookup([membersKey]);
    return membersOf(members);
  }

  async leases(replicas: readonly string[]): Promise<readonly LeaseRecord[]> {
    const records = await this.#datastore.lookup(replicas.map(leaseKey));
    return records.flatMap((record, index) => {
      const replica = replicas[index];
      return record === undefined || replica === undefined ? [] : [leaseOf(replica, record)];
    });
  }

  async markPublished(rev: number): Promise<void> {
    await this.#datastore.write([{ upsert: publishedKey, properties: { rev } }]);
  }

  async forgetUsedKeys(): Promise<void> {
    const now = new Date();
    for (let turn = 0; turn < forgettingTurns; turn++) {
      const count = await this.#datastore.deleteBefore("MUsedKey", "expires", now, forgottenAtOnce);
      if (count < forgottenAtOnce) return;
    }
  }

  close(): Promise<void> {
    return this.#datastore.close();
  }

  #end(replica: string, may: (lease: Properties | undefined) => boolean): Promise<boolean> {
    return settled(
      this.#datastore.transact(async (reader) => {
        const [members, lease] = await reader.lookup([membersKey, leaseKey(replica)]);
        if (!may(lease)) return { result: false, mutations: [] };
        const others = membersOf(members).filter((member) => member !== replica);
        return {
          result: true,
          mutations: [
            { upsert: membersKey, properties: { members: JSON.stringify(others) } },
            { delete: leaseKey(replica) },
          ],
        };
      }),
    );
  }
}

/** What may be done twice is simply done again after a doubt. */
async function settled<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "in doubt") throw error;
    throw new StoreError("unavailable", error.message, { cause: error });
  }
}

function revOf(properties: Properties | undefined): number {
  const rev = properties?.["rev"];
  return typeof rev === "number" ? rev : 0;
}

function membersOf(properties: Properties | undefined): string[] {
  const text = properties?.["members"];
  return typeof text === "string" ? (JSON.parse(text) as string[]) : [];
}

function leaseProperties({ replica: _, ...rest }: LeaseRecord): Properties {
  return rest;
}

function leaseOf(replica: string, record: Properties): LeaseRecord {
  const text = (name: string): string | undefined =>
    typeof record[name] === "string" ? record[name] : undefined;
  const number = (name: string): number | undefined =>
    typeof record[name] === "number" ? record[name] : undefined;
  return {
    replica,
    instance: text("instance"),
    version: text("version"),
    index: number("index"),
    renewal: number("renewal") ?? 0,
    rev: number("rev") ?? 0,
    serving: record["serving"] === true,
    renewedAt: record["renewedAt"] instanceof Date ? record["renewedAt"] : new Date(0),
    leaseMs: number("leaseMs") ?? 0,
  };
}
