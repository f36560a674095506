import type { Log } from "../lib/log.ts";
import { pause, within } from "../lib/within.ts";
import type { Clock } from "./clock.ts";
import { LeaseObserver, type LeaseTimes } from "./lease.ts";
import { Shared } from "./shared.ts";
import type { Store } from "./store.ts";

export interface ConfirmationsOptions {
  /** The replica that waits: what it has itself is known while it is no member, too. */
  readonly own?: string;
  readonly store: Pick<Store, "leases" | "members" | "expel">;
  readonly times: Pick<LeaseTimes, "leaseMs">;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
  /** Asks every replica for its revision; the answers come to `acknowledged`. */
  readonly ask: (rev: number) => void;
  /** The waits before replicas that have said nothing are asked again; the last one repeats. */
  readonly askAfterMs?: readonly number[];
}

/** Which replicas have a revision. */
export interface Confirmation {
  readonly confirmed: number;
  /** Those that may serve and are not known to have it. */
  readonly missing: readonly string[];
  /** True when it is known who may serve, and nobody is missing. */
  readonly complete: boolean;
}

interface Waiter {
  readonly rev: number;
  readonly missing: Set<string>;
  confirmed: number;
  readonly done: () => void;
}

/**
 * Who has which revision. A replica says "I have applied everything up to r", of which the highest is
 * kept for each: an answer that comes twice, late or out of order changes nothing. Replicas are named
 * by their process, so a new process at an old index answers for itself alone.
 */
export class Confirmations {
  readonly #options: ConfirmationsOptions;
  readonly #askAfterMs: readonly number[];
  readonly #observer: LeaseObserver;
  readonly #acknowledged = new Map<string, number>();
  readonly #waiters = new Set<Waiter>();
  #probing = false;
  #members: readonly string[] = [];
  #reading: Promise<readonly string[]> | undefined;
  readonly #looks = new Shared(() => this.#lookAround());

  constructor(options: ConfirmationsOptions) {
    this.#options = options;
    this.#askAfterMs = options.askAfterMs ?? [50, 100, 200];
    this.#observer = new LeaseObserver(options.times);
  }

  /** The members when they were last read. */
  get members(): readonly string[] {
    return this.#members;
  }

  /** A replica says that it has applied every revision up to this one. */
  acknowledged(replica: string, rev: number): void {
    if (this.#has(replica, rev)) return;
    this.#acknowledged.set(replica, rev);
    for (const waiter of [...this.#waiters]) {
      if (rev >= waiter.rev && waiter.missing.delete(replica)) {
        waiter.confirmed += 1;
        if (waiter.missing.size === 0) waiter.done();
      }
    }
  }

  /**
   * Waits until every replica that may serve has a revision, which has been committed.
   *
   * @param limitMs how long; what is missing then is in the answer
   */
  async wait(rev: number, limitMs: number): Promise<Confirmation> {
    const end = performance.now() + limitMs;
    // Who becomes a member after this has been read reads the revision after that, and has this one
    // before it serves.
    const members = await this.#membersBefore(end);
    if (members === undefined) {
      const has = [...this.#acknowledged.values()].filter((other) => other >= rev);
      return { confirmed: has.length, missing: [], complete: false };
    }
    this.#forgetAllBut(members);
    const missing = new Set(members.filter((member) => !this.#has(member, rev)));
    const confirmed = members.length - missing.size;
    if (missing.size === 0) return { confirmed, missing: [], complete: true };
    const done = new AbortController();
    const waiter: Waiter = {
      ...{ rev, missing, confirmed },
      done: () => {
        done.abort();
      },
    };
    this.#waiters.add(waiter);
    void this.#probe();
    await pause(
      Math.max(0, end - performance.now()),
      AbortSignal.any([this.#options.signal, done.signal]),
    );
    this.#waiters.delete(waiter);
    return { confirmed: waiter.confirmed, missing: [...missing], complete: missing.size === 0 };
  }

  /** Which of the present members have the revision, as their leases say. */
  async look(rev: number): Promise<Confirmation> {
    const { members, gone } = await this.#looks.next();
    const missing = members.filter((member) => !gone.has(member) && !this.#has(member, rev));
    const confirmed = members.length - gone.size - missing.length;
    return { confirmed, missing, complete: missing.length === 0 };
  }

  /** Ends the membership of replicas whose lease has ended, whether or not anybody waits for them. */
  async sweep(): Promise<void> {
    const { members } = await this.#looks.next();
    this.#forgetAllBut(members);
  }

  async #lookAround(): Promise<{ members: readonly string[]; gone: ReadonlySet<string> }> {
    const members = await this.#options.store.members();
    return { members, gone: await this.#readLeases(members) };
  }

  #has(replica: string, rev: number): boolean {
    return (this.#acknowledged.get(replica) ?? 0) >= rev;
  }

  /** The members, read from now on; undefined when that could not be done before the end. */
  async #membersBefore(end: number): Promise<readonly string[] | undefined> {
    const { signal, log } = this.#options;
    const late = (): Error => new Error("Datastore did not answer in time");
    for (;;) {
      try {
        return await within(this.#readMembers(), end - performance.now(), late);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        log.warn({ reason }, "cannot read the members");
        if (signal.aborted || performance.now() >= end) return undefined;
        await pause(Math.min(50, end - performance.now()), signal);
      }
    }
  }

  /** Those who ask in one turn share one reading. */
  #readMembers(): Promise<readonly string[]> {
    this.#reading ??= Promise.resolve().then(() => {
      this.#reading = undefined;
      return this.#options.store.members();
    });
    return this.#reading;
  }

  /** One loop for all that wait: asks those that are missing, and reads their leases. */
  async #probe(): Promise<void> {
    if (this.#probing) return;
    this.#probing = true;
    const { signal, ask, log } = this.#options;
    for (let turn = 0; ; turn++) {
      await pause(this.#askAfterMs[turn] ?? this.#askAfterMs.at(-1) ?? 200, signal);
      const waiters = [...this.#waiters].filter(({ missing }) => missing.size > 0);
      if (signal.aborted || waiters.length === 0) break;
      ask(Math.max(...waiters.map(({ rev }) => rev)));
      try {
        const gone = await this.#readLeases([
          ...new Set(waiters.flatMap(({ missing }) => [...missing])),
        ]);
        for (const waiter of waiters) {
          for (const replica of gone) waiter.missing.delete(replica);
          if (waiter.missing.size === 0) waiter.done();
        }
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        log.warn({ reason }, "cannot read leases");
      }
    }
    this.#probing = false;
    // One may have come between the last look and here.
    if (!signal.aborted && [...this.#waiters].some(({ missing }) => missing.size > 0)) {
      void this.#probe();
    }
  }

  /**
   * Takes note of what the leases say, and ends the memberships of those that have ended.
   *
   * @returns those of the replicas that are no members any more
   */
  async #readLeases(replicas: readonly string[]): Promise<Set<string>> {
    const { store, clock, log } = this.#options;
    const leases = await store.leases(replicas);
    const now = clock();
    const gone = new Set(replicas);
    for (const { replica, rev, renewal, leaseMs } of leases) {
      gone.delete(replica);
      this.acknowledged(replica, rev);
      if (!this.#observer.hasEnded(replica, renewal, leaseMs, now)) continue;
      // It has stopped to serve. That it is no member any more keeps others from waiting for it too.
      if (await store.expel(replica, renewal)) {
        gone.add(replica);
        log.warn({ replica, rev }, "lease ended; its replica is no member any more");
      }
    }
    this.#members = this.#members.filter((member) => !gone.has(member));
    return gone;
  }

  #forgetAllBut(members: readonly string[]): void {
    const { own } = this.#options;
    this.#members = members;
    const known = new Set([...members, ...[...this.#waiters].flatMap((w) => [...w.missing])]);
    for (const replica of this.#acknowledged.keys()) {
      if (!known.has(replica) && replica !== own) this.#acknowledged.delete(replica);
    }
    this.#observer.keepOnly(known);
  }
}
