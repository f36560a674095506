import { counted } from "../ui/format.ts";
import type { Overview, ReplicaReport } from "./api.ts";

/** One replica, as the strip shows it. */
export interface ReplicaState {
  /** Of its process. */
  readonly id: string;
  readonly index: number | undefined;
  readonly instance: string | undefined;
  readonly version: string | undefined;
  /** The highest revision that it is known to have. */
  readonly rev: number;
  /** How many revisions it is behind Datastore. */
  readonly behind: number;
  /** From the renewal of its lease to the last overview. */
  readonly ageMs: number;
  readonly leaseMs: number;
  readonly condition: ReplicaCondition;
}

/**
 * `current`: it serves the newest revision; `behind`: an older one; `joining`: it may not serve yet, or
 * no more; `silent`: its lease runs out; `ended`: its lease has run out; `gone`: it is no member any more.
 */
export type ReplicaCondition = "current" | "behind" | "joining" | "silent" | "ended" | "gone";

interface Seen {
  report: ReplicaReport;
  /** When the renewal was first seen that the report has. */
  renewedBefore: number;
  /** When it was not there yet. */
  renewedAfter: number;
  /** The smallest of what our clock showed more than its own, when a renewal was seen: the fastest way. */
  offset: number;
  goneAt: number | undefined;
}

/** One that has left is shown so long, so that one sees which it was. */
const goneMs = 8_000;
/** More leave at once only where an attacker makes them. */
const maxGone = 20;

/**
 * What is known of the replicas, from one overview to the next. How old a lease is, is not told by its
 * replica's clock, which may be another than ours, but by when its renewal was first seen; the replicas
 * themselves look at each other so. Their clocks only say how long before that it was, compared with the
 * renewal that was seen the soonest.
 */
export class ReplicaStrip {
  readonly #seen = new Map<string, Seen>();
  #head = 0;
  /** When the last overview came. */
  #at = 0;
  /** A revision that is confirmed: who may serve has it, whatever its last report says. */
  #confirmed = 0;

  /** The newest revision that is known of. */
  get head(): number {
    return this.#head;
  }

  /** Takes what the service says. */
  take({ rev, replicas }: Overview, now: number): void {
    this.learn(rev);
    const before = this.#at;
    this.#at = now;
    const members = new Set(replicas.map(({ replica }) => replica));
    for (const [id, seen] of this.#seen) if (!members.has(id)) seen.goneAt ??= now;
    for (const report of replicas) {
      const offset = now - Date.parse(report.lease.renewedAt);
      const seen = this.#seen.get(report.replica);
      if (seen === undefined) {
        const renewedAfter = -Infinity;
        const first = { report, renewedBefore: now, renewedAfter, offset, goneAt: undefined };
        this.#seen.set(report.replica, first);
        continue;
      }
      if (report.lease.renewals !== seen.report.lease.renewals) {
        seen.renewedAfter = before;
        seen.renewedBefore = now;
        seen.offset = Math.min(seen.offset, offset);
      }
      seen.report = report;
      seen.goneAt = undefined;
    }
    this.#forget(now);
  }

  /** Forgets all: it is another Datastore. */
  reset(): void {
    this.#seen.clear();
    this.#head = 0;
    this.#confirmed = 0;
  }

  /** Takes that there is a revision. */
  learn(rev: number): void {
    this.#head = Math.max(this.#head, rev);
  }

  /** Takes that every replica has a revision that may serve. */
  confirm(rev: number): void {
    this.#confirmed = Math.max(this.#confirmed, rev);
    this.learn(rev);
  }

  /** The replicas, by index and then in the order in which they came. */
  states(): readonly ReplicaState[] {
    return [...this.#seen]
      .map(([id, seen]) => this.#state(id, seen))
      .sort((a, b) => (a.index ?? Infinity) - (b.index ?? Infinity) || 0);
  }

  #state(id: string, seen: Seen): ReplicaState {
    const { report, renewedBefore, renewedAfter, offset, goneAt } = seen;
    // Not until now: that no overview comes says nothing of the replicas.
    const at = this.#at;
    const age = at - Date.parse(report.lease.renewedAt) - offset;
    const ageMs = Math.min(Math.max(age, at - renewedBefore), at - renewedAfter);
    const { index, instance, version, lease, serving } = report;
    const leaseMs = lease.durationMs;
    // Nobody waits for one whose lease has run out, so what is confirmed says nothing of it.
    const silent = ageMs > leaseMs / 2;
    const known = serving && !silent && goneAt === undefined ? this.#confirmed : 0;
    const rev = Math.max(report.rev, known);
    const behind = Math.max(0, this.#head - rev);
    const condition = (): ReplicaCondition => {
      if (goneAt !== undefined) return "gone";
      if (ageMs > leaseMs) return "ended";
      if (silent) return "silent";
      if (!serving) return "joining";
      return behind > 0 ? "behind" : "current";
    };
    return { id, index, instance, version, rev, behind, ageMs, leaseMs, condition: condition() };
  }

  #forget(now: number): void {
    const gone = [...this.#seen].filter(([, { goneAt }]) => goneAt !== undefined);
    const surplus = gone.length - maxGone;
    for (const [place, [id, { goneAt = now }]] of gone.entries()) {
      if (now - goneAt > goneMs || place < surplus) this.#seen.delete(id);
    }
  }
}

/** The strip in a sentence. */
export function stripSummary(replicas: readonly ReplicaState[], head: number): string {
  const members = replicas.filter(({ condition }) => condition !== "gone");
  const current = members.filter(({ condition }) => condition === "current").length;
  if (members.length === 0) return "No replica serves.";
  const who = members.length === 1 ? "replica" : "replicas";
  return current === members.length
    ? `All ${members.length} ${who} at revision ${head}.`
    : `${current} of ${members.length} ${who} at revision ${head}.`;
}

/** What a person calls a replica. */
export function replicaName({ index, id }: Pick<ReplicaState, "index" | "id">): string {
  return index === undefined ? `replica ${id.slice(0, 8)}` : `replica ${index}`;
}

/** How many serve, in a sentence that changes only when one comes or goes. */
export function servingSummary(replicas: readonly ReplicaState[]): string {
  const serving = replicas.filter(
    ({ condition }) => condition === "current" || condition === "behind",
  ).length;
  return `${counted(serving, "replica serves", "replicas serve")}.`;
}
