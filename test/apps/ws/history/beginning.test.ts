import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeAnchor, encodeAnchor } from "../../../../apps/ws/history/anchor.ts";
import { Arrivals } from "../../../../apps/ws/history/arrivals.ts";
import { beginning } from "../../../../apps/ws/history/beginning.ts";
import { compareTimes } from "../../../../apps/ws/history/jetstream.ts";
import { ModelStream } from "./model/stream.ts";
import { channel, other } from "./model/world.ts";

/** A new epoch of a channel with so many publications, while others come between the questions. */
async function begin(
  published: number,
  {
    between = () => undefined,
    lag = 0,
  }: { between?: (stream: ModelStream) => void; lag?: number } = {},
) {
  const limits = { maxPerSubject: 300, maxAgeMs: 60_000 };
  const stream = new ModelStream(() => 1_790_000_000_000, limits);
  for (let count = 0; count < published; count += 1) stream.publish(channel);
  stream.publish(other);
  const last = stream.last(channel);
  const after = <T>(answer: T): Promise<T> => {
    between(stream);
    return Promise.resolve(answer);
  };
  const anchor = await beginning(
    {
      last: () => after(stream.last(channel)),
      read: (fromSeq) => after(stream.read(channel, fromSeq, lag)),
      state: () => after(stream.state(channel)),
    },
    last,
  );
  return anchor?.tip;
}

describe("the beginning of an epoch", () => {
  it("counts what is stored from 1", async () => {
    const nothing = await begin(0);
    assert.deepEqual([nothing?.offset, nothing?.seq, nothing?.through], [0, 0, 1]);
    const some = await begin(3);
    assert.deepEqual([some?.offset, some?.seq, some?.through], [3, 3, 4]);
  });

  it("counts as many as there are while others publish", async () => {
    const tip = await begin(3, { between: (stream) => stream.publish(channel) });
    // 3, another one's, and those that came after the first and the second question.
    assert.deepEqual([tip?.offset, tip?.seq, tip?.through], [5, 6, 6]);
  });

  it("is put off when the first publication comes, or a replica lags", async () => {
    let count = 0;
    const once = (stream: ModelStream) => {
      count += 1;
      if (count === 1) stream.publish(channel);
    };
    assert.equal((await begin(0, { between: once }))?.offset, 0);
    assert.equal(
      await begin(3, { between: (stream) => stream.publish(channel), lag: 2 }),
      undefined,
    );
  });
});

describe("the beginning of an epoch in a stream that is made anew meanwhile", () => {
  it("is put off, so that two streams are not taken for one", async () => {
    for (const when of [1, 2, 3]) {
      let answers = 0;
      const remakes = (stream: ModelStream) => {
        answers += 1;
        if (answers === 1) stream.publish(channel);
        if (answers !== when) return;
        stream.remake();
        for (let count = 0; count < 3; count += 1) stream.publish(channel);
      };
      assert.equal(await begin(3, { between: remakes }), undefined, `after answer ${when}`);
    }
  });
});

describe("arrivals", () => {
  const arrival = (seq: number, bytes: number) => {
    return { seq, previous: seq - 1, time: "", data: Buffer.alloc(bytes), header: () => undefined };
  };

  it("are handed out once, in order", () => {
    const arrivals = new Arrivals();
    for (const seq of [1, 2, 3]) arrivals.push(arrival(seq, 10));
    assert.deepEqual(
      arrivals.take()?.map(({ seq }) => seq),
      [1, 2, 3],
    );
    assert.deepEqual(arrivals.take(), []);
  });

  it("are not kept when they are too many or too large", () => {
    const arrivals = new Arrivals();
    for (let seq = 1; seq <= 10_001; seq += 1) arrivals.push(arrival(seq, 0));
    arrivals.push(arrival(10_002, 0));
    assert.equal(arrivals.take(), undefined);
    arrivals.push(arrival(1, 4_194_304));
    assert.equal(arrivals.take()?.length, 1);
    arrivals.push(arrival(1, 4_194_305));
    assert.equal(arrivals.take(), undefined);
    assert.deepEqual(arrivals.take(), []);
  });
});

describe("an anchor", () => {
  it("is read as it was written, and nothing else is one", () => {
    const tip = { offset: 5, seq: 7, time: "2026-01-01T00:00:00.5Z", through: 9, created: "c" };
    const anchor = { epoch: "e", tip };
    assert.deepEqual(decodeAnchor(encodeAnchor(anchor)), anchor);
    // A later version may say more.
    const more = Buffer.from(JSON.stringify({ ...anchor, more: 1 }));
    assert.deepEqual(decodeAnchor(more), anchor);
    const wrong = [{}, { epoch: "", tip }, { epoch: "e", tip: { ...tip, offset: -1 } }, null, 5];
    for (const each of wrong)
      assert.equal(decodeAnchor(Buffer.from(JSON.stringify(each))), undefined);
    for (const text of ["", "{", "\u0000"])
      assert.equal(decodeAnchor(Buffer.from(text)), undefined);
  });
});

describe("times of a stream", () => {
  it("are in their order, although zeros at the end are not written", () => {
    const ascending = [
      "2026-01-01T00:00:00Z",
      "2026-01-01T00:00:00.000000001Z",
      "2026-01-01T00:00:00.1Z",
      "2026-01-01T00:00:00.100000001Z",
      "2026-01-01T00:00:00.11Z",
      "2026-01-01T00:00:01Z",
      "2027-01-01T00:00:00.000001Z",
    ];
    for (const [i, a] of ascending.entries()) {
      for (const [j, b] of ascending.entries()) assert.equal(compareTimes(a, b), Math.sign(i - j));
    }
  });
});
