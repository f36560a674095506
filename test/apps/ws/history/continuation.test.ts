import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  continuation,
  type Continuation,
  storedPerChannel,
  type Tip,
} from "../../../../apps/ws/history/continuation.ts";
import type { StoredMessage } from "../../../../apps/ws/history/jetstream.ts";
import { ModelStream } from "./model/stream.ts";
import { channel, other } from "./model/world.ts";

const limits = { size: 10, ttlMs: 60_000 };
const full = storedPerChannel(limits.size);

/** A stream, a clock, and somebody who has counted a channel up to some moment. */
class Case {
  nowMs = 1_790_000_000_000;
  readonly stream: ModelStream;
  tip: Tip;
  last: StoredMessage | undefined;
  /** What happens before each of the questions. */
  between: () => void = () => undefined;
  lag = 0;

  constructor(published = 3) {
    const { ttlMs: maxAgeMs } = limits;
    this.stream = new ModelStream(() => this.nowMs, { maxPerSubject: full, maxAgeMs });
    this.publish(published);
    this.tip = this.count();
  }

  publish(count = 1, subject = channel): void {
    for (let each = 0; each < count; each += 1) this.stream.publish(subject);
  }

  /** The tip of somebody who has seen everything. */
  count(): Tip {
    const { lastSeq: through, created } = this.stream.state(channel);
    const { seq = 0, time = "" } = this.stream.last(channel) ?? {};
    return { offset: this.stream.published.get(channel) ?? 0, seq, time, through, created };
  }

  async find(): Promise<Continuation> {
    const { stream } = this;
    this.last = stream.last(channel);
    const ask = <T>(question: () => T): Promise<T> => {
      this.between();
      return Promise.resolve(question());
    };
    return continuation(
      {
        first: (fromSeq) => ask(() => stream.first(channel, fromSeq)),
        read: (fromSeq) => ask(() => stream.read(channel, fromSeq, this.lag)),
        state: () => ask(() => stream.state(channel)),
      },
      this.tip,
      this.last,
      limits,
      () => this.nowMs,
    );
  }

  async finds(expected: Continuation["kind"] | readonly number[]): Promise<void> {
    const found = await this.find();
    const seen = found.kind === "all" ? found.messages.map(idOf) : found.kind;
    assert.deepEqual(seen, expected);
  }
}

function idOf({ data }: StoredMessage): number {
  return Number(Buffer.from(data).toString());
}

describe("what followed a tip", () => {
  it("is nothing while the tip is the last", async () => {
    await new Case().finds([]);
  });

  it("is nothing while nothing was ever published", async () => {
    const empty = new Case(0);
    await empty.finds([]);
    empty.publish(3, other);
    await empty.finds([]);
  });

  it("is what is stored behind it", async () => {
    const few = new Case();
    few.publish(2, other);
    few.publish(2);
    await few.finds([4, 5]);
    const first = new Case(0);
    first.publish(2);
    await first.finds([1, 2]);
  });

  it("is known however much there is, while the tip's message is there", async () => {
    const much = new Case();
    much.publish(full - 1);
    await much.finds(Array.from({ length: full - 1 }, (_, index) => index + 4));
  });

  it("is unknown when the limit has driven the tip's message out", async () => {
    const over = new Case();
    over.publish(full);
    await over.finds("unknown");
    const empty = new Case(0);
    empty.publish(full);
    await empty.finds("unknown");
  });

  it("is unknown when the limit was lower for a while, or another version's is", async () => {
    const lowered = new Case();
    lowered.nowMs += 30_000;
    lowered.publish(1, other);
    lowered.tip = lowered.count();
    lowered.nowMs += limits.ttlMs - 20_000;
    lowered.publish(20);
    lowered.stream.setMaxPerSubject(15);
    await lowered.finds("unknown");
  });

  it("is known when the tip's message was too old, and nothing behind it can have been", async () => {
    const old = new Case();
    old.nowMs += 50_000;
    old.publish(1, other);
    old.tip = old.count();
    old.nowMs += 9_000;
    old.publish(2);
    old.nowMs += 2_000;
    old.stream.expire();
    assert.equal(old.stream.of(channel).length, 2);
    await old.finds([4, 5]);
  });

  it("is nothing when all was too old, and nothing was stored since it was counted", async () => {
    const idle = new Case();
    idle.nowMs += limits.ttlMs + 1_000;
    await idle.finds([]);
    idle.publish(2, other);
    await idle.finds([]);
    // What was stored for others is too old as well by now, and so may be what was on the channel.
    idle.nowMs += limits.ttlMs + 1_000;
    await idle.finds("unknown");
  });

  it("is unknown when messages behind the tip's may have been too old", async () => {
    const late = new Case();
    late.publish(1);
    late.nowMs += limits.ttlMs + 1_000;
    late.publish(1);
    await late.finds("unknown");
  });

  it("is refuted by a purge", async () => {
    const purges = [{}, { subject: channel }, { subject: channel, keep: 1 }];
    for (const purge of purges) {
      const purged = new Case();
      purged.publish(2, other);
      purged.publish(2);
      purged.stream.purge(purge);
      await purged.finds("refuted");
      purged.publish(1);
      await purged.finds("refuted");
    }
    const harmless = new Case();
    harmless.publish(2);
    harmless.stream.purge({ subject: channel, keep: 3 });
    await harmless.finds([4, 5]);
  });

  it("is not refuted by a purge of what was too old anyhow", async () => {
    const expired = new Case();
    expired.nowMs += limits.ttlMs + 3_000;
    expired.stream.purge();
    await expired.finds([]);
  });

  it("is refuted by a stream that was made anew, even if its sequences are the same", async () => {
    const anew = new Case();
    anew.stream.remake();
    await anew.finds("refuted");
    anew.publish(3);
    await anew.finds("refuted");
    anew.publish(3);
    await anew.finds("refuted");
    const empty = new Case(0);
    empty.nowMs += 1;
    empty.stream.remake();
    await empty.finds("refuted");
  });

  it("is refuted by a stream that has lost what was counted", async () => {
    const lost = new Case();
    lost.publish(2);
    lost.tip = lost.count();
    lost.stream.rewind(2);
    await lost.finds("refuted");
    lost.publish(4);
    await lost.finds("refuted");
    const others = new Case();
    others.publish(4, other);
    others.tip = others.count();
    others.nowMs += limits.ttlMs + 1;
    others.stream.rewind(2);
    await others.finds("refuted");
    // A message is where there was none.
    others.publish(3);
    await others.finds("refuted");
  });

  it("waits in a cluster for a leader that has less than was counted", async () => {
    const lagging = new Case();
    lagging.stream.replicas = 3;
    lagging.publish(2);
    lagging.tip = lagging.count();
    lagging.stream.rewind(2);
    await lagging.finds("rewound");
  });

  it("waits for a replica that lags", async () => {
    const lagging = new Case();
    lagging.publish(3);
    lagging.lag = 1;
    await lagging.finds("lagging");
    lagging.lag = 0;
    await lagging.finds([4, 5, 6]);
  });

  it("waits when it changes while it is asked for", async () => {
    const expired = new Case();
    expired.nowMs += 50_000;
    expired.publish(1, other);
    expired.tip = expired.count();
    expired.nowMs += 11_000;
    expired.between = () => {
      expired.publish(1);
    };
    await expired.finds("lagging");
    expired.between = () => undefined;
    await expired.finds([4]);
  });

  it("is unknown when the tip's message is driven out while the others are read", async () => {
    const racing = new Case();
    racing.publish(full - 2);
    racing.between = () => {
      racing.publish(1);
    };
    await racing.finds("unknown");
  });
});

type Event = "publish" | "other" | "wait" | "expire" | "purge" | "remake" | "tip" | "limit";
const events: readonly Event[] = [
  "publish",
  "publish",
  "publish",
  "other",
  "other",
  "wait",
  "tip",
  "expire",
  "purge",
  "remake",
  "limit",
];

/** What happens to a stream; also while questions are asked. */
function happen(at: Case, event: Event, number: number): void {
  const { stream } = at;
  if (event === "publish") at.publish(number % 20 === 0 ? 200 : 1 + (number % 3));
  else if (event === "other") at.publish(1 + (number % 3), other);
  else if (event === "wait") at.nowMs += (number % 20) * 1_000;
  else if (event === "expire") at.nowMs += limits.ttlMs - 2_000 + (number % 3) * 2_000;
  else if (event === "purge") stream.purge();
  else if (event === "remake") stream.remake();
  else if (event === "tip") at.tip = at.count();
  else stream.setMaxPerSubject(10);
}

describe("what is found of what followed a tip", () => {
  const step = fc.tuple(fc.constantFrom(...events), fc.nat(200));

  it("is all of it or nothing, whatever happens before or meanwhile", async () => {
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 12 }),
      fc.array(fc.option(step), { maxLength: 4 }),
      fc.nat(3),
      async (before, meanwhile, lag) => {
        const at = new Case();
        for (const [event, number] of before) happen(at, event, number);
        const { tip } = at;
        at.lag = lag;
        const queue = [...meanwhile];
        at.between = () => {
          const next = queue.shift();
          if (next !== undefined && next !== null && next[0] !== "tip") happen(at, ...next);
        };
        const published = at.stream.published.get(channel) ?? 0;
        const found = await at.find();
        if (found.kind !== "all") return;
        const ids = found.messages.map(idOf);
        const expected = ids.map((_, index) => tip.offset + index + 1);
        assert.deepEqual(ids, expected);
        const there = at.last === undefined ? tip.offset : published;
        assert.ok(tip.offset + ids.length >= there);
      },
    );
    await fc.assert(property, { seed: 20_261_126, numRuns: 3_000, endOnFailure: false });
  });

  it("is all of it when the tip's message is there and nothing happens meanwhile", async () => {
    const few = fc.array(fc.constantFrom<Event>("publish", "other", "wait"), { maxLength: 12 });
    const property = fc.asyncProperty(few, async (steps) => {
      const at = new Case();
      for (const [index, event] of steps.entries()) happen(at, event, index % 5 === 0 ? 1 : 2);
      const published = at.stream.published.get(channel) ?? 0;
      if (at.nowMs - 1_790_000_000_000 >= limits.ttlMs) return;
      await at.finds(Array.from({ length: published - 3 }, (_, index) => index + 4));
    });
    await fc.assert(property, { seed: 20_261_126, numRuns: 300 });
  });
});
