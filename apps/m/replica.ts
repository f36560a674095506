/** One replica: its parts, and how they hang together. */
import type { Bus } from "../lib/bus.ts";
import { NatsAway, reportFigures } from "../lib/figures.ts";
import { HttpError } from "../lib/http.ts";
import type { Log } from "../lib/log.ts";
import { pause, within } from "../lib/within.ts";
import { Channel, type ForwardedOutcome, type ForwardedWrite, type News } from "./channel.ts";
import { systemClock } from "./clock.ts";
import { type Confirmation, Confirmations } from "./confirmations.ts";
import { Follower } from "./follower.ts";
import { Forwarder, forwardMs } from "./forwarder.ts";
import { leaseTimes } from "./lease.ts";
import { Membership } from "./membership.ts";
import { Outbox, type Publisher } from "./outbox.ts";
import type { WriteOutcome, WriteRequest } from "./plan.ts";
import type { Push } from "./push.ts";
import { Shared } from "./shared.ts";
import type { CommitResult, LeaseRecord, ReplicaIdentity, Store } from "./store.ts";
import { Writer } from "./writer.ts";

export interface ReplicaOptions {
  readonly identity: ReplicaIdentity;
  readonly store: Store;
  readonly bus: Bus;
  readonly publisher: Publisher;
  readonly log: Log;
  /** Aborts when the service begins to stop. */
  readonly signal: AbortSignal;
  /** How long a replica may serve without the others having heard of it. */
  readonly leaseMs: number;
}

export interface Posted {
  readonly outcome: WriteOutcome;
  /** Undefined when nothing was committed. */
  readonly confirmation: Confirmation | undefined;
  readonly commitMs: number;
  /** From the commit on. */
  readonly confirmMs: number;
}

/** Replicas whose lease has ended are looked for so often, also when nobody posts. */
const sweepMs = 10_000;
/** One sweep in so many also deletes idempotency keys that are too old. */
const sweepsPerCleaning = 6;
/** Refusals of the writer that say that nothing was committed. */
const nothingCommitted = new Set(["contention", "unavailable", "busy"]);
/** How many writers may wait for an acknowledgement of this replica; more are asked by them again. */
const owedLimit = 1_000;

const noPosts = { count: 0, unconfirmed: 0, confirmMs: 0, slowestMs: 0 };

export class Replica {
  readonly identity: ReplicaIdentity;
  readonly follower: Follower;
  readonly membership: Membership;
  readonly #options: ReplicaOptions;
  readonly #channel: Channel;
  readonly #confirmations: Confirmations;
  readonly #outbox: Outbox;
  readonly #writer: Writer;
  readonly #forwarder: Forwarder;
  /** Writers that asked for a revision which this replica does not have yet. */
  readonly #owed = new Map<string, number>();
  readonly #overviews: Shared<{ rev: number; leases: readonly LeaseRecord[] }>;
  readonly #sweeping: Promise<void>;
  readonly #away: NatsAway;
  /** Of the POSTs that committed something here, since they were last written down. */
  #posts = noPosts;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    const { identity, store, bus, publisher, log, signal, leaseMs } = options;
    const { replica } = identity;
    const times = leaseTimes(leaseMs);
    const clock = systemClock;
    this.identity = identity;
    this.follower = new Follower({ store, log, signal });
    this.#confirmations = new Confirmations({
      ...{ own: replica, store, times, clock, log, signal },
      ask: (rev) => {
        this.#channel.ask(rev);
      },
    });
    this.#channel = new Channel({
      ...{ bus, replica, log },
      onNews: (news) => {
        this.#hear(news);
      },
      onAcknowledged: (other, rev) => {
        this.#confirmations.acknowledged(other, rev);
      },
      onWrite: (write) => {
        void this.#writeFor(write);
      },
      onWritten: (written) => {
        this.#forwarder.answered(written);
      },
    });
    this.#outbox = new Outbox({
      ...{ replica, store, publisher, log, signal },
      hurry: () => !this.#channel.open,
    });
    this.#writer = new Writer({
      store,
      log,
      onCommitted: (result, origins) => {
        this.#spread(result, origins);
      },
    });
    this.#forwarder = new Forwarder({
      ...{ replica, log },
      rev: () => this.follower.rev,
      writer: this.#writer,
      members: () => this.#confirmations.members,
      send: (to, request) => this.#channel.forward(to, request),
      suspectMs: leaseMs,
    });
    this.follower.onAdvance((rev) => {
      this.#confirmations.acknowledged(replica, rev);
      this.#payWhatIsOwed();
      // Without NATS nobody hears that; writers then read it in the lease.
      if (!this.#channel.open) this.membership.renewNow();
    });
    this.membership = new Membership({
      ...{ identity, times, store, clock, log, signal },
      follower: this.follower,
      onHead: (head) => {
        this.#outbox.notice(head);
      },
    });
    this.#overviews = new Shared(async () => {
      const [head, members] = await Promise.all([store.head(), store.members()]);
      return { rev: head.rev, leases: await store.leases(members) };
    });
    this.#sweeping = this.#sweep();
    this.#away = new NatsAway(bus);
  }

  /** Writes down each minute what an operator looks at, until the signal aborts. */
  reportFigures(everyMs?: number): void {
    const { log, signal } = this.#options;
    const read = () => {
      const { count, unconfirmed, confirmMs, slowestMs } = this.#posts;
      this.#posts = noPosts;
      return {
        rev: this.follower.rev,
        missing: this.follower.missing,
        serving: this.membership.obstacle() === undefined ? 1 : 0,
        posts: count,
        unconfirmed,
        // Nothing says how long none of them took.
        ...(count === 0
          ? {}
          : { confirmMs: Math.round(confirmMs / count), slowestMs: Math.round(slowestMs) }),
        natsAwayMs: this.#away.takeMs(),
      };
    };
    reportFigures("replica figures", read, {
      ...{ log, signal },
      ...(everyMs === undefined ? {} : { everyMs }),
    });
  }

  /**
   * Commits, and waits until every replica that may serve has it, or for `waitMs`.
   *
   * @throws HttpError 503, see Writer
   */
  async post(request: WriteRequest, waitMs: number): Promise<Posted> {
    const { outcome, commitMs } = await this.#forwarder.write(request);
    if (outcome.kind !== "committed" && outcome.kind !== "replayed") {
      return { outcome, confirmation: undefined, commitMs, confirmMs: 0 };
    }
    const { rev } = outcome;
    const began = performance.now();
    // Others bring the news of it, but that may be lost; and an earlier revision has none now.
    this.follower.expect(rev);
    if (outcome.kind === "replayed") this.#channel.ask(rev);
    const confirmation = await this.#confirmations.wait(rev, waitMs);
    const confirmMs = performance.now() - began;
    const { count, unconfirmed, slowestMs } = this.#posts;
    this.#posts = {
      count: count + 1,
      unconfirmed: unconfirmed + (confirmation.complete ? 0 : 1),
      confirmMs: this.#posts.confirmMs + confirmMs,
      slowestMs: Math.max(slowestMs, confirmMs),
    };
    if (!confirmation.complete) {
      const { log } = this.#options;
      log.warn({ rev, missing: confirmation.missing, confirmMs }, "not confirmed in time");
    }
    return { outcome, confirmation, commitMs, confirmMs };
  }

  /** Takes news from Pub/Sub; resolves when the revision is applied. */
  async receive({ rev, writer, index }: Push, withinMs: number): Promise<void> {
    if (index !== undefined) this.membership.index = index;
    if (this.follower.rev < rev) {
      const { signal } = this.#options;
      await this.follower.reach(rev, AbortSignal.any([signal, AbortSignal.timeout(withinMs)]));
    }
    if (writer !== undefined) this.#channel.acknowledge(writer, this.follower.rev);
  }

  /** How far a revision has got; undefined when there is none of this number. */
  async operation(rev: number): Promise<Confirmation | undefined> {
    const head = await this.#options.store.head();
    return rev > head.rev ? undefined : this.#confirmations.look(rev);
  }

  /** Where the store is, and what every replica last said of itself. */
  replicas(): Promise<{ rev: number; leases: readonly LeaseRecord[] }> {
    return this.#overviews.next();
  }

  /** Resolves when this replica may serve; false when it could not within the time. */
  async whenServing(withinMs: number): Promise<boolean> {
    const { signal } = this.#options;
    const end = performance.now() + withinMs;
    while (this.membership.obstacle() !== undefined) {
      if (signal.aborted || performance.now() > end) return false;
      await pause(10, signal);
    }
    return true;
  }

  /** Ends what it owns, after the signal. */
  async stop(): Promise<void> {
    await Promise.all([this.membership.ended(), this.#sweeping]);
    const { bus, publisher, store } = this.#options;
    const late = (): Error => new Error("not closed in time");
    await within(Promise.all([bus.close(), publisher.close(), store.close()]), 500, late);
  }

  /** Commits what was posted to another replica. */
  async #writeFor({ from, request }: ForwardedWrite): Promise<void> {
    this.#channel.answer(from, { id: request.id, fate: await this.#fateOf(request, from) });
  }

  async #fateOf(request: WriteRequest, from: string): Promise<ForwardedOutcome["fate"]> {
    // After a pause, which its lease would not outlive, what is read now may be long out of date.
    const late = this.membership.obstacle() !== undefined || this.#writer.queueMs > forwardMs / 2;
    if (late) return { kind: "nothing" };
    try {
      return (await this.#writer.write(request, from)).outcome;
    } catch (error) {
      const { log } = this.#options;
      log.warn({ reason: messageOf(error) }, "could not commit for another replica");
      const sure = error instanceof HttpError && nothingCommitted.has(error.code);
      return { kind: sure ? "nothing" : "unknown" };
    }
  }

  #spread({ changes, outcomes }: CommitResult, origins: readonly string[]): void {
    const last = changes.at(-1);
    if (last !== undefined) {
      this.#channel.tell(changes, origins);
      this.follower.offer(changes);
      this.#outbox.add(last.rev);
      // Its own news is not brought back to it.
      this.#acknowledge(origins, last.rev);
      return;
    }
    // Found again after a doubt: nobody has been told of it.
    const revs = outcomes.flatMap((each) => (each.kind === "committed" ? each.rev : []));
    if (revs.length > 0) this.#outbox.add(Math.max(...revs));
  }

  #hear({ to, rev, changes }: News): void {
    if (changes.length > 0) this.follower.offer(changes);
    else this.follower.expect(rev);
    this.#acknowledge(to, rev);
  }

  /** Tells these replicas that this one has a revision, as soon as it has. */
  #acknowledge(to: readonly string[], rev: number): void {
    for (const writer of to) {
      if (this.follower.rev >= rev) this.#channel.acknowledge(writer, this.follower.rev);
      else if (this.#owed.size < owedLimit) this.#owed.set(writer, rev);
    }
  }

  #payWhatIsOwed(): void {
    for (const [writer, rev] of this.#owed) {
      // Each step counts: who is always a little behind would else never say anything.
      this.#channel.acknowledge(writer, this.follower.rev);
      if (this.follower.rev >= rev) this.#owed.delete(writer);
    }
  }

  async #sweep(): Promise<void> {
    const { signal, store, log } = this.#options;
    for (let turn = 1; ; turn++) {
      await pause(sweepMs * (0.75 + Math.random() / 2), signal);
      if (signal.aborted) return;
      try {
        await this.#confirmations.sweep();
        if (turn % sweepsPerCleaning === 0) await store.forgetUsedKeys();
      } catch (error) {
        log.warn({ reason: messageOf(error) }, "cannot sweep");
      }
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
