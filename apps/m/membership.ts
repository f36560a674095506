import type { Log } from "../lib/log.ts";
import { pause, within } from "../lib/within.ts";
import type { Clock } from "./clock.ts";
import type { Follower } from "./follower.ts";
import { HeldLease, type LeaseTimes } from "./lease.ts";
import {
  type Head,
  type LeaseRecord,
  type ReplicaIdentity,
  type Store,
  StoreError,
} from "./store.ts";

export interface MembershipOptions {
  readonly identity: ReplicaIdentity;
  readonly times: LeaseTimes;
  readonly store: Pick<Store, "join" | "renew" | "leave">;
  readonly follower: Pick<Follower, "rev" | "load" | "expect" | "check" | "behind">;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when the service begins to stop: the replica then serves no more, and leaves. */
  readonly signal: AbortSignal;
  /** Told what the store said when it was last asked. */
  readonly onHead?: (head: Head) => void;
}

/** Leaving must be over before the platform kills the process; if it is not, the lease ends by itself. */
const leaveMs = 700;
/** The wait after a failed join or renewal, at most. */
const retryMs = 250;

/**
 * Whether this replica may serve reads. It may while three things hold: it is a member, so that every
 * POST waits for it; its lease has not ended, by its own clock; and it has the revision that was
 * current when it became a member. What was confirmed before that is part of that revision, what is
 * confirmed later waits for this replica.
 */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #lease: HeldLease;
  readonly #running: Promise<void>;
  #barrier: number | undefined;
  #renewal = 0;
  #index: number | undefined;
  #due = false;
  #wake: () => void = () => undefined;

  /** Loads M, joins and renews until the signal aborts; then leaves. */
  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#lease = new HeldLease(options.times);
    this.#running = this.#run();
  }

  /** Why no read may be answered now; undefined when it may. */
  obstacle(): string | undefined {
    const { signal, clock, follower } = this.#options;
    if (signal.aborted) return "this instance is stopping";
    if (this.#barrier === undefined) return "this replica is not a member yet";
    if (!this.#lease.isValid(clock())) return "this replica's lease has ended";
    if (follower.rev < this.#barrier) {
      return `this replica is at revision ${follower.rev} and must have ${this.#barrier} first`;
    }
    if (follower.behind !== undefined) {
      return `Datastore is at revision ${follower.behind}, before this replica's ${follower.rev}: it was replaced; restart the service`;
    }
    return undefined;
  }

  /** The index of this process's instance, learnt from how it was addressed. */
  get index(): number | undefined {
    return this.#index;
  }

  set index(index: number | undefined) {
    this.#index = index;
  }

  /** Renews now, so that the store knows this replica's revision; once more if it is just renewing. */
  renewNow(): void {
    this.#due = true;
    this.#wake();
  }

  /** Resolves when the membership has ended, after the signal. */
  ended(): Promise<void> {
    return this.#running;
  }

  async #run(): Promise<void> {
    const { signal, follower, store, identity, log } = this.#options;
    try {
      await follower.load();
      while (!signal.aborted) {
        try {
          await this.#join();
          await this.#renewUntilLost();
        } catch (error) {
          // Replicas that start together take turns; that is nothing to worry about.
          const others = error instanceof StoreError && error.code === "contention";
          if (!others) log.warn({ reason: messageOf(error) }, "cannot join");
        }
        this.#barrier = undefined;
        this.#lease.drop();
        await pause(Math.random() * retryMs, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    const late = (): Error => new Error(`not done within ${leaveMs} ms`);
    await within(store.leave(identity.replica), leaveMs, late).catch((error: unknown) => {
      log.warn({ reason: messageOf(error) }, "could not leave; the lease ends by itself");
    });
  }

  async #join(): Promise<void> {
    const { store, follower, clock, log } = this.#options;
    const sentAt = clock();
    const { rev } = await store.join(this.#record());
    this.#lease.grant(sentAt);
    this.#barrier = rev;
    follower.expect(rev);
    log.info({ rev, own: follower.rev }, "joined");
  }

  /** Returns when the lease was lost. */
  async #renewUntilLost(): Promise<void> {
    const { signal, store, follower, times, clock, log, onHead } = this.#options;
    let waitMs = times.renewMs;
    for (;;) {
      await this.#nextRenewal(waitMs);
      if (signal.aborted) return;
      // What messages did not bring is found here, so that nobody is behind for longer than this.
      void follower.check().then(onHead, () => undefined);
      const sentAt = clock();
      try {
        const known = await store.renew(this.#record());
        // A lease that ended meanwhile cannot be revived: others may have stopped waiting for this
        // replica. It has to join again, and to be as far as they are then.
        if (!known || !this.#lease.isValid(clock())) {
          log.warn({ known }, "lease lost");
          return;
        }
        this.#lease.grant(sentAt);
        waitMs = times.renewMs;
      } catch (error) {
        log.warn({ reason: messageOf(error) }, "lease not renewed");
        if (!this.#lease.isValid(clock())) return;
        waitMs = Math.random() * Math.min(retryMs, times.renewMs);
      }
    }
  }

  async #nextRenewal(ms: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => {
      woken.abort();
    };
    if (!this.#due) await pause(ms, AbortSignal.any([this.#options.signal, woken.signal]));
    this.#wake = () => undefined;
    this.#due = false;
  }

  #record(): LeaseRecord {
    const { identity, times, follower } = this.#options;
    return {
      ...identity,
      index: this.#index,
      renewal: ++this.#renewal,
      rev: follower.rev,
      serving: this.obstacle() === undefined,
      renewedAt: new Date(),
      leaseMs: times.leaseMs,
    };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
