import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Centrifuge } from "centrifuge";
import { Centrifuge as ProtobufCentrifuge } from "centrifuge/build/protobuf";
import fc from "fast-check";
import { ChannelMessage } from "../../../../apps/ws/channel-message.ts";
import { Deltas } from "../../../../apps/ws/client/deltas.ts";
import { publicationOf } from "../../../../apps/ws/client/encodings.ts";
import type { Codec } from "../../../../apps/ws/protocol/codec.ts";
import { jsonCodec } from "../../../../apps/ws/protocol/json/codec.ts";
import type { Encoded } from "../../../../apps/ws/protocol/messages.ts";
import { protobufCodec } from "../../../../apps/ws/protocol/protobuf/codec.ts";
import { publicationHeaders } from "../../../../apps/ws/publication-headers.ts";
import { referenceCodec } from "../../../support/reference-codec.ts";

/** What the npm client does with a publication, given what it has got before. */
interface ClientCodec {
  applyDeltaIfNeeded(
    publication: { data: unknown; delta?: boolean },
    previous: unknown,
  ): { newData: unknown; newPrevValue: unknown; isDelta: boolean };
}
const codecOf = (client: object): ClientCodec =>
  (client as unknown as { readonly _codec: ClientCodec })._codec;
const ofJson = codecOf(new Centrifuge("ws://nowhere", { websocket: WebSocket }));
const ofProtobuf = codecOf(new ProtobufCentrifuge("ws://nowhere", { websocket: WebSocket }));

/** A subscriber with deltas, as the npm client is one. */
class Subscriber {
  readonly payloads: unknown[] = [];
  readonly wholes: boolean[] = [];
  readonly #codec: Codec;
  #previous: unknown;

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  take(encoded: Encoded): void {
    const isJson = this.#codec.name === "json";
    const push = this.#codec.publicationPush("channel")(encoded);
    const publication = isJson ? parsed(push) : decoded(push);
    const { newData, newPrevValue, isDelta } = (isJson ? ofJson : ofProtobuf).applyDeltaIfNeeded(
      publication,
      this.#previous,
    );
    this.#previous = newPrevValue;
    this.payloads.push(isJson ? newData : Buffer.from(newData as Uint8Array));
    this.wholes.push(!isDelta);
  }
}

interface Received {
  data: unknown;
  delta?: boolean;
}

function parsed(push: Encoded): Received {
  return (JSON.parse(push as string) as { push: { pub: Received } }).push.pub;
}

function decoded(push: Encoded): Received {
  const frame = new BinaryWriter().bytes(push as Uint8Array).finish();
  const [reply] = referenceCodec.decodeReplies(frame) as [{ push: { pub: Received } }];
  return reply.push.pub;
}

/** What clients of a codec make of a payload that they get whole. */
function seen(codec: Codec, payload: Uint8Array): unknown {
  if (codec.name === "protobuf") return Buffer.from(payload);
  return JSON.parse(Buffer.from(jsonCodec.payload(payload)).toString()) as unknown;
}

const codecs = [jsonCodec, protobufCodec];
const always = new Deltas(() => true);
const bytesOf = (encoded: Encoded): number => Buffer.byteLength(encoded);

/** Publishes one after the other; what each encoder made of it. */
function chain(codec: Codec, payloads: readonly Uint8Array[], deltas = always): Encoded[] {
  const encode = deltas.encoderFor(codec, "channel");
  let before: ChannelMessage | undefined;
  return payloads.map((payload, index) => {
    const message = new ChannelMessage(payload, { offset: index + 1 });
    const encoded = encode(message, before);
    before = message;
    return encoded;
  });
}

const text = fc.string({
  unit: fc.constantFrom("a", "é", "è", "語", "😀", '"', "\\", "\n", "\u0001"),
});
const json = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.array(fc.record({ id: fc.nat(9), name: text, tags: fc.array(text, { maxLength: 2 }) }), {
    maxLength: 8,
  }),
);
/** A document as it is written by hand, or by a machine. */
const documents = fc
  .tuple(json, fc.constantFrom(0, 2))
  .map(([value, indent]) => Buffer.from(JSON.stringify(value, undefined, indent)));
const payloads = fc.oneof(
  { weight: 5, arbitrary: documents },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: text.map((each) => Buffer.from(each)) },
);
/** Payloads that go back to one before, with something cut out, repeated or put between. */
const histories = fc
  .array(fc.tuple(payloads, fc.nat(), fc.nat(), fc.boolean()), { minLength: 2, maxLength: 12 })
  .map((steps) => {
    const all: Buffer[] = [];
    for (const [payload, from, to, isNew] of steps) {
      const last = all.at(-1);
      if (isNew || last === undefined || last.length === 0) {
        all.push(payload);
        continue;
      }
      const [a, b] = [from % last.length, to % last.length];
      all.push(Buffer.concat([last.subarray(0, a), payload.subarray(0, 9), last.subarray(b)]));
    }
    return all;
  });

describe("publications for subscribers with deltas", () => {
  it("are deltas in JSON, too, where characters differ in some of their bytes only", () => {
    // é and è differ in their second byte, 語 and 誟 in their last two: a delta of bytes cuts them.
    const around = "what stays as it is, and is long enough for a delta to be shorter. ".repeat(8);
    const published = ["é", "è", "語", "誟", "😀", "😁"].map((each) =>
      Buffer.from(JSON.stringify(`${around}${each}${around}`)),
    );
    const subscriber = new Subscriber(jsonCodec);
    for (const encoded of chain(jsonCodec, published)) subscriber.take(encoded);
    assert.deepEqual(
      subscriber.payloads,
      published.map((payload) => seen(jsonCodec, payload)),
    );
    assert.deepEqual(subscriber.wholes, [true, false, false, false, false, false]);
  });

  for (const codec of codecs) {
    it(`are what the npm client puts together to all that was published, in ${codec.name}`, () => {
      let deltas = 0;
      fc.assert(
        fc.property(histories, (published) => {
          const subscriber = new Subscriber(codec);
          for (const encoded of chain(codec, published)) subscriber.take(encoded);
          assert.deepEqual(
            subscriber.payloads,
            published.map((payload) => seen(codec, payload)),
          );
          assert.equal(subscriber.wholes[0], true);
          deltas += subscriber.wholes.filter((whole) => !whole).length;
        }),
        { numRuns: 150 },
      );
      assert.ok(deltas > 50, `only ${deltas} deltas`);
    });

    it(`are never longer than with their whole payload, in ${codec.name}`, () => {
      fc.assert(
        fc.property(histories, (published) => {
          const whole = chain(codec, published, new Deltas(() => false));
          for (const [index, encoded] of chain(codec, published).entries()) {
            assert.ok(bytesOf(encoded) <= bytesOf(whole[index] ?? ""));
          }
        }),
      );
    });

    it(`take a fifth of the bytes when a field changes in a document of 2 KB, in ${codec.name}`, () => {
      const document = (price: number): Buffer =>
        Buffer.from(
          JSON.stringify({
            items: Array.from({ length: 32 }, (_, id) => ({
              ...{ id, name: `größe ${id}`, price: id === 17 ? price : id * 7 },
            })),
          }),
        );
      const [first, second] = chain(codec, [document(1), document(2_000)]);
      assert.ok(bytesOf(second ?? "") * 5 < bytesOf(first ?? ""));
    });
  }

  it("are made once for all, and anew for those who have got another one before", () => {
    for (const codec of codecs) {
      const [a, b, c] = ["a", "b", "c"].map(
        (letter, index) =>
          new ChannelMessage(Buffer.from(`"${letter.repeat(99)}"`), { offset: index + 1 }),
      );
      assert.ok(a !== undefined && b !== undefined && c !== undefined);
      const aa = new ChannelMessage(Buffer.from(`"${"a".repeat(98)}c"`), { offset: 3 });
      const encode = always.encoderFor(codec, "channel");
      assert.equal(encode(aa, a), encode(aa, a));
      // Of the one there is a delta, of the other there is none.
      assert.notEqual(encode(aa, a), encode(aa, b));
      assert.notEqual(encode(aa, b), encode(aa, a));
    }
  });

  it("are whole where neither the channel's options nor they themselves want deltas", () => {
    const [before, plain] = [1, 2].map(
      (n) => new ChannelMessage(Buffer.from(`"${"x".repeat(99)}${n}"`)),
    );
    const { data } = before ?? assert.fail();
    const wanting = new ChannelMessage(data, { delta: true });
    for (const codec of codecs) {
      const encode = new Deltas((channel) => channel === "all").encoderFor(codec, "some");
      assert.ok(bytesOf(encode(plain ?? wanting, before)) > 99);
      assert.ok(bytesOf(encode(wanting, before)) < 60);
      const forAll = new Deltas((channel) => channel === "all").encoderFor(codec, "all");
      assert.ok(bytesOf(forAll(plain ?? wanting, before)) < 60);
    }
  });

  it("are with their tags, their publisher and their offset like others", () => {
    const details = { user: "ann", client: "c" };
    const headers = publicationHeaders({
      info: JSON.stringify(details),
      tags: { a: "1" },
      delta: true,
    });
    assert.deepEqual(Object.keys(headers ?? {}), [
      "Centrifuge-Info",
      "Centrifuge-Tags",
      "Centrifuge-Delta",
    ]);
    const texts = {
      info: headers?.["Centrifuge-Info"],
      tags: headers?.["Centrifuge-Tags"],
      delta: true,
    };
    const [first, second] = [1, 2].map(
      (offset) =>
        new ChannelMessage(Buffer.from(`"${"x".repeat(99)}${offset}"`), { ...texts, offset }),
    );
    assert.ok(first !== undefined && second !== undefined);
    const encode = always.encoderFor(jsonCodec, "channel");
    const { data, ...rest } = parsed(jsonCodec.publicationPush("c")(encode(second, first)));
    assert.deepEqual(rest, { info: details, offset: 2, tags: { a: "1" }, delta: true });
    assert.equal(typeof data, "string");
    // Histories, and those who want no deltas, know nothing of it.
    const plain = parsed(jsonCodec.publicationPush("c")(publicationOf(jsonCodec, second)));
    assert.deepEqual(plain, {
      data: `${"x".repeat(99)}2`,
      info: details,
      offset: 2,
      tags: { a: "1" },
    });
  });

  it("go on with a payload that is kept as a copy of its own", () => {
    for (const codec of codecs) {
      const buffer = Buffer.from(`junk"${"x".repeat(99)}1"junk`);
      const message = new ChannelMessage(buffer.subarray(4, -4));
      const next = Buffer.from(`"${"x".repeat(99)}2"`);
      const encode = always.encoderFor(codec, "channel");
      const whole = encode(message, undefined);
      assert.ok(message.keep() > 100);
      // What subscribers got would take as much again.
      assert.deepEqual(
        [message.madeFor(codec).encoded, message.madeFor(codec).full],
        [undefined, undefined],
      );
      // NATS's client may write over what it has read.
      buffer.fill("?");
      const subscriber = new Subscriber(codec);
      subscriber.take(whole);
      subscriber.take(encode(new ChannelMessage(next), message));
      assert.deepEqual(subscriber.payloads[1], seen(codec, next));
      assert.deepEqual(subscriber.wholes, [true, false]);
    }
  });
});
