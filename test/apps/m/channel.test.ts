import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  Channel,
  encodeNews,
  encodeWrite,
  type ForwardedOutcome,
  type ForwardedWrite,
  type News,
  parseNews,
  parseOutcome,
  parseWrite,
  subjects,
} from "../../../apps/m/channel.ts";
import type { Change } from "../../../apps/m/memory.ts";
import { decodePatch } from "../../../apps/m/patch.ts";
import type { WriteRequest } from "../../../apps/m/plan.ts";
import { collectingLog } from "../../support/gateway.ts";
import { MemoryBus } from "../../support/memory-bus.ts";

function change(rev: number, value = "1"): Change {
  return { rev, patch: new Map([["a", value]]) };
}

/** A request to write, with the key that a forwarded one has. */
function writing(patch: object): WriteRequest {
  return {
    id: "request-1",
    patch: decodePatch(patch),
    ifRev: undefined,
    idempotency: { key: "key", digest: "digest" },
  };
}

/** The channel of a replica, and what it hears. */
function open(replica = "own") {
  const bus = new MemoryBus();
  const { log, lines } = collectingLog();
  const news: News[] = [];
  const acknowledged: [string, number][] = [];
  const writes: ForwardedWrite[] = [];
  const written: ForwardedOutcome[] = [];
  const channel = new Channel({
    bus,
    replica,
    log,
    onNews: (each) => news.push(each),
    onAcknowledged: (replica, rev) => acknowledged.push([replica, rev]),
    onWrite: (each) => writes.push(each),
    onWritten: (each) => written.push(each),
  });
  return { bus, channel, news, acknowledged, writes, written, lines };
}

describe("the news of a revision", () => {
  it("is the same after it was sent", () => {
    const key = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) });
    const patch = fc
      .array(fc.tuple(key, fc.option(fc.json())), { maxLength: 4 })
      .map((pairs) => new Map<string, string | null>(pairs));
    const rev = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    const news = fc.record({
      from: fc.string(),
      to: fc.array(fc.string(), { maxLength: 3 }),
      rev,
      changes: fc.array(fc.record({ rev, patch }), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(news, (each) => {
        const read = parseNews(Buffer.from(encodeNews(each)).toString());
        assert.deepEqual([read.from, read.to, read.rev], [each.from, each.to, each.rev]);
        assert.deepEqual(
          read.changes.map((one) => [one.rev, [...one.patch]]),
          each.changes.map((one) => [one.rev, [...one.patch]]),
        );
      }),
    );
  });

  it("is not read from anything else", () => {
    const good = { from: "w", to: ["w"], rev: 1, changes: [] };
    const cases: [string, RegExp][] = [
      ["", /JSON/],
      ["null", /null/],
      ...[
        {},
        { ...good, from: 1 },
        { ...good, to: "w" },
        { ...good, to: [1] },
        { ...good, rev: 0 },
        { ...good, rev: 1.5 },
        { ...good, rev: "1" },
        { ...good, rev: 2 ** 53 },
        { ...good, changes: {} },
        { ...good, changes: undefined },
      ].map((each): [string, RegExp] => [
        JSON.stringify(each),
        /^Error: not the news of a revision$/,
      ]),
      ...[[null], [[1]], [["1", "[]"]], [[0, "[]"]], [{ rev: 1 }]].map(
        (changes): [string, RegExp] => [
          JSON.stringify({ ...good, changes }),
          /^Error: not a change$/,
        ],
      ),
      [JSON.stringify({ ...good, changes: [[1, "{}"]] }), /^Error: a patch is a list of pairs$/],
    ];
    for (const [text, message] of cases) assert.throws(() => parseNews(text), message);
  });
});

describe("a request to write, and its answer", () => {
  it("are not read from anything else", () => {
    const request = JSON.parse(encodeWrite({ from: "a", request: writing({ a: 1 }) })) as object;
    for (const wrong of [
      ...[{ from: 1 }, { id: 1 }, { patch: 1 }, { patch: "{}" }, { ifRev: "1" }],
      ...[{ idempotency: null }, { idempotency: { key: "k" } }],
    ]) {
      assert.throws(() => parseWrite(JSON.stringify({ ...request, ...wrong })));
    }
    for (const wrong of [
      ...["null", "{}", '{"id":"a"}', '{"id":"a","fate":null}', '{"id":"a","fate":{"kind":"x"}}'],
      '{"id":"a","fate":{"kind":"committed"}}',
    ]) {
      assert.throws(() => parseOutcome(wrong));
    }
  });
});

describe("the channel", () => {
  it("tells of changes with all that is needed to apply them, and asks by the newest", () => {
    const { bus, channel } = open();
    channel.tell([change(6), change(7)], ["own", "other"]);
    channel.ask(9);
    channel.tell([], ["own"]);
    assert.deepEqual(
      bus.sent.map(({ subject, text }) => [subject, parseNews(text)]),
      [
        [
          subjects.changes,
          { from: "own", to: ["own", "other"], rev: 7, changes: [change(6), change(7)] },
        ],
        [subjects.changes, { from: "own", to: ["own"], rev: 9, changes: [] }],
      ],
    );
  });

  it("only asks where the changes would be too large for a message of NATS", () => {
    const { bus, channel } = open();
    channel.tell([change(6, `"${"x".repeat(400_000)}"`)], ["own"]);
    channel.tell(
      [change(6, `"${"x".repeat(300_000)}"`), change(7, `"${"x".repeat(300_000)}"`)],
      ["own"],
    );
    // Few characters, and more than a megabyte of UTF-8.
    channel.tell([change(8, `"${"語".repeat(400_000)}"`)], ["own"]);
    const news = bus.sent.map(({ text }) => parseNews(text));
    assert.deepEqual(
      news.map(({ rev, changes }) => [rev, changes.length]),
      [
        [6, 1],
        [7, 0],
        [8, 0],
      ],
    );
  });

  it("hears the others and not itself", () => {
    const { bus, channel, news } = open();
    channel.tell([change(1)], ["own"]);
    bus.deliver(subjects.changes, bus.sent[0]?.text ?? "");
    const theirs = { from: "other", to: ["own"], rev: 2, changes: [change(2)] };
    bus.deliver(subjects.changes, encodeNews(theirs));
    assert.deepEqual(news, [theirs]);
  });

  it("acknowledges to the writer alone", () => {
    const writer = open();
    const other = open("other");
    other.channel.acknowledge("own", 7);
    const { subject = "", text = "" } = other.bus.sent[0] ?? {};
    assert.equal(subject, subjects.acknowledgement("own"));
    writer.bus.deliver(subject, text);
    writer.bus.deliver(subjects.acknowledgement("somebody else"), text);
    assert.deepEqual(writer.acknowledged, [["other", 7]]);
    // It knows what it has itself.
    writer.channel.acknowledge("own", 7);
    assert.deepEqual(writer.bus.sent, []);
  });

  it("has another replica write, and brings back what came of it", () => {
    const own = open();
    const primary = open();
    const request = { ...writing({ a: 1 }), ifRev: 6 };
    assert.equal(own.channel.forward("primary", request), true);
    assert.equal(own.bus.sent[0]?.subject, subjects.write("primary"));
    primary.bus.deliver(subjects.write("own"), own.bus.sent[0].text);
    assert.deepEqual(primary.writes, [{ from: "own", request }]);
    const answers: ForwardedOutcome[] = [
      { id: request.id, fate: { kind: "committed", rev: 7 } },
      { id: request.id, fate: { kind: "replayed", rev: 7 } },
      { id: request.id, fate: { kind: "mismatch", rev: 0 } },
      { id: request.id, fate: { kind: "reused key" } },
      { id: request.id, fate: { kind: "nothing" } },
      { id: request.id, fate: { kind: "unknown" } },
    ];
    for (const answer of answers) primary.channel.answer("own", answer);
    for (const { subject, text } of primary.bus.sent) own.bus.deliver(subject, text);
    assert.deepEqual(own.written, answers);
  });

  it("does not try to send a write that is too large for a message, or without NATS", () => {
    const { bus, channel } = open();
    assert.equal(channel.forward("primary", writing({ a: "x".repeat(600_000) })), false);
    bus.change(false);
    assert.equal(channel.forward("primary", writing({ a: 1 })), false);
    assert.deepEqual(bus.sent, []);
  });

  it("lets messages go that it cannot read, and says so", () => {
    const { bus, news, acknowledged, lines } = open();
    for (const text of ["", "null", "[]", '{"writer":"w","rev":1}']) {
      bus.deliver(subjects.changes, text);
    }
    for (const text of ["x", "null", "{}", '{"replica":1,"rev":1}', '{"replica":"r","rev":0}']) {
      bus.deliver(subjects.acknowledgement("own"), text);
    }
    assert.deepEqual([news, acknowledged], [[], []]);
    const messages = lines.map((line) => (JSON.parse(line) as { message: string }).message);
    assert.deepEqual(messages, Array(9).fill("a message on NATS cannot be read"));
  });

  it("is open while NATS is there, and loses what is sent meanwhile without a word", () => {
    const { bus, channel, lines } = open();
    assert.equal(channel.open, true);
    bus.change(false);
    assert.equal(channel.open, false);
    channel.tell([change(1)], ["own"]);
    channel.ask(1);
    channel.acknowledge("other", 1);
    channel.answer("other", { id: "1", fate: { kind: "nothing" } });
    assert.deepEqual([bus.sent, lines], [[], []]);
  });
});
