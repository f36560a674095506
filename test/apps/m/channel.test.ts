import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  acknowledgementSubject,
  changesSubject,
  Channel,
  encodeNews,
  type News,
  parseNews,
} from "../../../apps/m/channel.ts";
import type { Change } from "../../../apps/m/memory.ts";
import { collectingLog } from "../../support/gateway.ts";
import { MemoryBus } from "../../support/memory-bus.ts";

function change(rev: number, value = "1"): Change {
  return { rev, patch: new Map([["a", value]]) };
}

/** The channel of replica "own", and what it hears. */
function open() {
  const bus = new MemoryBus();
  const { log, lines } = collectingLog();
  const news: News[] = [];
  const acknowledged: [string, number][] = [];
  const channel = new Channel({
    bus,
    replica: "own",
    log,
    onNews: (each) => news.push(each),
    onAcknowledged: (replica, rev) => acknowledged.push([replica, rev]),
  });
  return { bus, channel, news, acknowledged, lines };
}

describe("the news of a revision", () => {
  it("is the same after it was sent", () => {
    const key = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) });
    const patch = fc
      .array(fc.tuple(key, fc.option(fc.json())), { maxLength: 4 })
      .map((pairs) => new Map<string, string | null>(pairs));
    const rev = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    const news = fc.record({
      writer: fc.string(),
      rev,
      changes: fc.array(fc.record({ rev, patch }), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(news, (each) => {
        const read = parseNews(Buffer.from(encodeNews(each)).toString());
        assert.deepEqual([read.writer, read.rev], [each.writer, each.rev]);
        assert.deepEqual(
          read.changes.map((one) => [one.rev, [...one.patch]]),
          each.changes.map((one) => [one.rev, [...one.patch]]),
        );
      }),
    );
  });

  it("is not read from anything else", () => {
    const good = { writer: "w", rev: 1, changes: [] };
    const cases: [string, RegExp][] = [
      ["", /JSON/],
      ["null", /null/],
      ...[
        {},
        { ...good, writer: 1 },
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

describe("the channel", () => {
  it("tells of changes with all that is needed to apply them, and asks by the newest", () => {
    const { bus, channel } = open();
    channel.tell([change(6), change(7)]);
    channel.ask(9);
    channel.tell([]);
    assert.deepEqual(
      bus.sent.map(({ subject, text }) => [subject, parseNews(text)]),
      [
        [changesSubject, { writer: "own", rev: 7, changes: [change(6), change(7)] }],
        [changesSubject, { writer: "own", rev: 9, changes: [] }],
      ],
    );
  });

  it("only asks where the changes would be too large for a message of NATS", () => {
    const { bus, channel } = open();
    channel.tell([change(6, `"${"x".repeat(400_000)}"`)]);
    channel.tell([change(6, `"${"x".repeat(300_000)}"`), change(7, `"${"x".repeat(300_000)}"`)]);
    // Few characters, and more than a megabyte of UTF-8.
    channel.tell([change(8, `"${"語".repeat(400_000)}"`)]);
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
    channel.tell([change(1)]);
    bus.deliver(changesSubject, bus.sent[0]?.text ?? "");
    const theirs = { writer: "other", rev: 2, changes: [change(2)] };
    bus.deliver(changesSubject, encodeNews(theirs));
    assert.deepEqual(news, [theirs]);
  });

  it("acknowledges to the writer alone", () => {
    const writer = open();
    const other = open();
    other.channel.acknowledge("own", 7);
    const { subject = "", text = "" } = other.bus.sent[0] ?? {};
    assert.equal(subject, acknowledgementSubject("own"));
    writer.bus.deliver(subject, text);
    writer.bus.deliver(acknowledgementSubject("somebody else"), text);
    assert.deepEqual(writer.acknowledged, [["own", 7]]);
  });

  it("lets messages go that it cannot read, and says so", () => {
    const { bus, news, acknowledged, lines } = open();
    for (const text of ["", "null", "[]", '{"writer":"w","rev":1}']) {
      bus.deliver(changesSubject, text);
    }
    for (const text of ["x", "null", "{}", '{"replica":1,"rev":1}', '{"replica":"r","rev":0}']) {
      bus.deliver(acknowledgementSubject("own"), text);
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
    channel.tell([change(1)]);
    channel.ask(1);
    channel.acknowledge("other", 1);
    assert.deepEqual([bus.sent, lines], [[], []]);
  });
});
