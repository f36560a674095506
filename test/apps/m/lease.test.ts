import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Instant, longestBetween, shortestBetween } from "../../../apps/m/clock.ts";
import { HeldLease, LeaseObserver, leaseTimes } from "../../../apps/m/lease.ts";

const times = leaseTimes(1_000);

/** A moment at which both clocks have gone on by as much; or each by its own. */
function at(monotonic: number, wall = monotonic): Instant {
  return { monotonic, wall: 1_000_000 + wall };
}

describe("a lease in the view of its holder", () => {
  it("is renewed four times in its length, and ends a tenth before its end", () => {
    assert.deepEqual(times, { leaseMs: 1_000, renewMs: 250, marginMs: 100 });
    const lease = new HeldLease(times);
    assert.equal(lease.isValid(at(0)), false, "it has none yet");
    lease.grant(at(0));
    assert.equal(lease.isValid(at(899)), true);
    assert.equal(lease.isValid(at(900)), false);
  });

  it("counts from the moment at which the renewal was sent", () => {
    const lease = new HeldLease(times);
    lease.grant(at(0));
    lease.grant(at(500));
    assert.equal(lease.isValid(at(1_399)), true);
    assert.equal(lease.isValid(at(1_400)), false);
  });

  it("ends at once when it is dropped", () => {
    const lease = new HeldLease(times);
    lease.grant(at(0));
    lease.drop();
    assert.equal(lease.isValid(at(1)), false);
  });

  it("has ended after a suspension that the monotonic clock slept through", () => {
    const lease = new HeldLease(times);
    lease.grant(at(0));
    assert.equal(lease.isValid(at(10, 899)), true);
    assert.equal(lease.isValid(at(10, 900)), false);
  });

  it("does not last longer because the wall clock is set back, or ends when it is set forward", () => {
    const lease = new HeldLease(times);
    lease.grant(at(0));
    assert.equal(lease.isValid(at(899, -3_600_000)), true);
    assert.equal(lease.isValid(at(900, -3_600_000)), false);
    assert.equal(lease.isValid(at(1, 3_600_000)), false);
  });
});

describe("a lease in the view of those who wait", () => {
  it("has ended when its record stayed as it was for a whole lease", () => {
    const observer = new LeaseObserver(times);
    assert.equal(observer.hasEnded("a", 1, 1_000, at(0)), false);
    assert.equal(observer.hasEnded("a", 1, 1_000, at(999)), false);
    assert.equal(observer.hasEnded("a", 1, 1_000, at(1_000)), true);
  });

  it("lasts as long as its record says, where that is longer, and never shorter than one's own", () => {
    const observer = new LeaseObserver(times);
    observer.hasEnded("longer", 1, 5_000, at(0));
    assert.equal(observer.hasEnded("longer", 1, 5_000, at(4_999)), false);
    assert.equal(observer.hasEnded("longer", 1, 5_000, at(5_000)), true);
    observer.hasEnded("shorter", 1, 10, at(0));
    assert.equal(observer.hasEnded("shorter", 1, 10, at(999)), false);
    assert.equal(observer.hasEnded("shorter", 1, 10, at(1_000)), true);
  });

  it("begins anew with each renewal, also with one that was read late", () => {
    const observer = new LeaseObserver(times);
    observer.hasEnded("a", 1, 1_000, at(0));
    assert.equal(observer.hasEnded("a", 2, 1_000, at(1_000)), false);
    assert.equal(observer.hasEnded("a", 2, 1_000, at(1_999)), false);
    assert.equal(observer.hasEnded("a", 1, 1_000, at(2_500)), false, "an older answer overtook it");
    assert.equal(observer.hasEnded("a", 2, 1_000, at(2_600)), false);
    assert.equal(observer.hasEnded("a", 2, 1_000, at(3_599)), false);
    assert.equal(observer.hasEnded("a", 2, 1_000, at(3_600)), true);
  });

  it("keeps each replica's own time", () => {
    const observer = new LeaseObserver(times);
    observer.hasEnded("a", 1, 1_000, at(0));
    observer.hasEnded("b", 1, 1_000, at(600));
    assert.equal(observer.hasEnded("a", 1, 1_000, at(1_000)), true);
    assert.equal(observer.hasEnded("b", 1, 1_000, at(1_000)), false);
  });

  it("is not shortened by a wall clock that is set, nor by a suspension", () => {
    const observer = new LeaseObserver(times);
    observer.hasEnded("a", 1, 1_000, at(0));
    assert.equal(observer.hasEnded("a", 1, 1_000, at(999, 3_600_000)), false);
    assert.equal(observer.hasEnded("a", 1, 1_000, at(1_000, -3_600_000)), true);
  });

  it("begins anew for replicas that were forgotten", () => {
    const observer = new LeaseObserver(times);
    observer.hasEnded("a", 1, 1_000, at(0));
    observer.hasEnded("b", 1, 1_000, at(0));
    observer.keepOnly(new Set(["b", "c"]));
    assert.equal(observer.hasEnded("a", 1, 1_000, at(1_000)), false);
    assert.equal(observer.hasEnded("b", 1, 1_000, at(1_000)), true);
  });
});

describe("the clocks", () => {
  it("tell a holder the longest and an observer the monotonic time between two moments", () => {
    assert.equal(longestBetween(at(0), at(5, 7)), 7);
    assert.equal(longestBetween(at(0), at(7, 5)), 7);
    assert.equal(longestBetween(at(0), at(7, -5)), 7);
    assert.equal(shortestBetween(at(0), at(5, 7)), 5);
    assert.equal(shortestBetween(at(0), at(7, 5)), 7);
  });
});

type Step =
  | { readonly do: "pass"; readonly tens: number }
  /** One machine stands still, the other goes on. */
  | { readonly do: "suspend holder" | "suspend observer"; readonly tens: number }
  | { readonly do: "set holder" | "set observer"; readonly by: number }
  | { readonly do: "send" | "land" | "answer" | "lose" | "read" | "look" };

/** A holder and an observer, the record between them, and what is under way. */
class World {
  readonly #held = new HeldLease(times);
  readonly #observer = new LeaseObserver(times);
  #holder = { monotonic: 50_000, wall: 1_000_000 };
  #watch = { monotonic: 7, wall: 5_000_000 };
  #record = 1;
  #sent: { readonly sentAt: Instant; readonly renewal: number; landed: boolean } | undefined;
  #renewals = 1;
  #read: number | undefined;
  /** Ended by the observer: the store refuses further renewals. */
  expelled = false;

  constructor() {
    this.#held.grant(this.#holder);
  }

  get serves(): boolean {
    return this.#held.isValid(this.#holder);
  }

  take(step: Step): void {
    switch (step.do) {
      case "pass":
      case "suspend holder":
      case "suspend observer": {
        // The holder's clocks lose a tenth, which is as much as the margin makes good.
        const own = step.tens * 9;
        const theirs = step.tens * 10;
        const { monotonic, wall } = this.#holder;
        this.#holder = {
          monotonic: monotonic + (step.do === "suspend holder" ? 0 : own),
          wall: wall + own,
        };
        this.#watch = {
          monotonic: this.#watch.monotonic + (step.do === "suspend observer" ? 0 : theirs),
          wall: this.#watch.wall + theirs,
        };
        break;
      }
      case "set holder":
        this.#holder = { ...this.#holder, wall: this.#holder.wall + step.by };
        break;
      case "set observer":
        this.#watch = { ...this.#watch, wall: this.#watch.wall + step.by };
        break;
      case "send":
        this.#sent ??= { sentAt: this.#holder, renewal: ++this.#renewals, landed: false };
        break;
      case "land":
        if (this.#sent === undefined || this.#sent.landed || this.expelled) break;
        this.#sent.landed = true;
        this.#record = this.#sent.renewal;
        break;
      case "answer":
        // As Membership does: what was answered after the lease had ended does not revive it.
        if (this.#sent?.landed !== true) break;
        if (this.serves) this.#held.grant(this.#sent.sentAt);
        this.#sent = undefined;
        break;
      case "lose":
        this.#sent = undefined;
        break;
      case "read":
        this.#read ??= this.#record;
        break;
      case "look": {
        const renewal = this.#read;
        this.#read = undefined;
        if (renewal === undefined) break;
        const ended = this.#observer.hasEnded("a", renewal, 1_000, this.#watch);
        // As Store.expel does: not when it was renewed since.
        if (ended && renewal === this.#record) this.expelled = true;
        break;
      }
    }
  }
}

describe("both views of a lease", () => {
  const tens = fc.nat(30);
  const message = fc.constantFrom("send", "land", "answer", "lose", "read", "look");
  const pass = fc.record({ do: fc.constant("pass" as const), tens });
  const talk = message.map((name): Step => ({ do: name }));
  const suspend = fc.record({
    do: fc.constantFrom("suspend holder" as const, "suspend observer" as const),
    tens: fc.nat(200),
  });
  const set = fc.record({
    do: fc.constantFrom("set holder" as const, "set observer" as const),
    by: fc.integer({ min: -10_000, max: 10_000 }),
  });
  // Reads that are often enough for a lease to be seen ending.
  const often = fc.constant<Step>({ do: "read" });
  const looks = fc.constant<Step>({ do: "look" });

  for (const [name, mishap] of [
    ["machines that are suspended", suspend],
    ["wall clocks that are set", set],
  ] as const) {
    it(`never overlap: who was given up serves no more, with ${name}`, () => {
      let expelled = 0;
      const steps = fc.array(fc.oneof(pass, pass, talk, talk, often, looks, mishap), {
        maxLength: 60,
        size: "max",
      });
      fc.assert(
        fc.property(steps, (taken) => {
          const world = new World();
          for (const step of taken) {
            world.take(step);
            assert.ok(!(world.expelled && world.serves));
          }
          if (world.expelled) expelled += 1;
        }),
        { numRuns: 2_000 },
      );
      assert.ok(expelled > 20, `only ${expelled} leases ended`);
    });
  }
});
