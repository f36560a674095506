import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { protobufCodec } from "../../../../../apps/ws/protocol/protobuf/codec.ts";
import { type Effect, type Input, Session } from "../../../../../apps/ws/protocol/session.ts";
import { delimited, someFrame } from "../../../../support/protobuf-fuzz.ts";
import { Random } from "../../../../support/random.ts";
import { referenceCodec } from "../../../../support/reference-codec.ts";
import { allowedCloses, allowedErrors, fuzzed } from "../fuzzed.ts";
import { commandVectors } from "../vectors.ts";

/** How many frames are tried. */
const runs = 60;
const framesPerRun = 250;

const messages = commandVectors.map(({ protobuf }) => Buffer.from(protobuf, "hex"));

/** Fields that have been read, wherever they were: the work that there was. */
let fieldsRead = 0;
const { prototype } = BinaryReader;
const tag: (this: BinaryReader) => [number, WireType] = Reflect.get(prototype, "tag");
before(() => {
  prototype.tag = function (this: BinaryReader) {
    fieldsRead += 1;
    return tag.call(this);
  };
});
after(() => {
  prototype.tag = tag;
});

/** What keeping a value costs, in objects and in characters or bytes. */
function weight(value: unknown): { objects: number; characters: number } {
  if (typeof value === "string" || value instanceof Uint8Array) {
    return { objects: 0, characters: value.length };
  }
  const sum = { objects: 0, characters: 0 };
  if (typeof value !== "object" || value === null) return sum;
  sum.objects = 1;
  const parts = value instanceof Map ? [...value.keys(), ...value.values()] : Object.values(value);
  for (const part of parts) {
    const { objects, characters } = weight(part);
    sum.objects += objects;
    sum.characters += characters;
  }
  return sum;
}

/** Decodes a frame, and checks that neither work nor memory are more than what came is worth. */
function decode(frame: Uint8Array): readonly Input[] {
  fieldsRead = 0;
  const inputs = protobufCodec.decode(frame);
  assert.ok(fieldsRead <= frame.length, `${fieldsRead} fields in ${frame.length} bytes`);
  const kept = inputs.flatMap((input) => (input.kind === "command" ? [input.command] : []));
  let objects = 0;
  let characters = 0;
  for (const command of kept) {
    const sum = weight(command);
    objects += sum.objects;
    characters += sum.characters - command.method.length;
  }
  // A node of a filter takes two bytes and makes three objects.
  assert.ok(objects <= 2 * frame.length, `${objects} objects of ${frame.length} bytes`);
  assert.ok(characters <= frame.length, `${characters} characters of ${frame.length} bytes`);
  assert.ok(inputs.length > 0 && inputs.length <= Math.max(1, frame.length));
  const malformedAt = inputs.findIndex(({ kind }) => kind === "malformed");
  assert.ok(malformedAt === -1 || malformedAt === inputs.length - 1, "nothing follows it");
  return inputs;
}

function connected(): Session {
  const session = new Session({
    ...fuzzed,
    ...{ client: "c1", version: "v1", now: 0, timeOrigin: 1e12, random: 0.5 },
  });
  const connect = referenceCodec.encodeCommands([{ id: 1, connect: {} }]);
  for (const input of decode(connect)) session.receive(input, 0);
  return session;
}

/** Whether all that a session wants done is what it may want; whether it is over. */
function check(effects: readonly Effect[]): boolean {
  for (const effect of effects) {
    if (effect.kind === "reply") {
      const reply = protobufCodec.reply(effect.reply);
      assert.ok(typeof reply !== "string");
      assert.equal(referenceCodec.decodeReplies(delimited(reply)).length, 1);
      if ("error" in effect.reply) assert.ok(allowedErrors.has(effect.reply.error.code));
    } else if (effect.kind === "close") {
      assert.equal(effect, effects.at(-1));
      assert.ok(allowedCloses.has(effect.code), `closed with ${effect.code}`);
      return true;
    } else if ("channel" in effect) assert.equal(fuzzed.rules.problem(effect.channel), undefined);
  }
  return false;
}

describe("whatever a client sends in protobuf", () => {
  it(`is answered with what the protocol has, ${runs * framesPerRun} times`, () => {
    const outcomes = { closed: 0, answered: 0, malformed: 0 };
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = new Random(seed);
        let session = connected();
        for (let count = 0; count < framesPerRun; count += 1) {
          const frame = someFrame(random, messages);
          try {
            const inputs = decode(frame);
            const isMalformed = inputs.at(-1)?.kind === "malformed";
            const isClosed = check(inputs.flatMap((input) => session.receive(input, 0)));
            assert.ok(isClosed || !isMalformed);
            outcomes[isMalformed ? "malformed" : isClosed ? "closed" : "answered"] += 1;
            if (isClosed) session = connected();
          } catch (error) {
            throw new Error(`the frame was ${frame.toString("hex")}`, { cause: error });
          }
        }
      }),
      { numRuns: runs },
    );
    // Had all been nonsense, little would have been tried.
    const tried = outcomes.closed + outcomes.answered + outcomes.malformed;
    for (const count of Object.values(outcomes)) {
      assert.ok(count > tried / 10, JSON.stringify(outcomes));
    }
  });

  it("is malformed or not, when it is any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (frame) => {
        decode(frame);
      }),
      { numRuns: 2_000 },
    );
  });

  const size = 65_536;
  const { LengthDelimited, StartGroup } = WireType;
  const id = Buffer.of(0x08, 1);

  function repeated(part: (index: number) => Uint8Array, partSize: number): Uint8Array {
    return Buffer.concat(Array.from({ length: Math.floor(size / partSize) }, (_, at) => part(at)));
  }

  function nested(number: number, depth: number): Uint8Array {
    let inner: Uint8Array = Buffer.alloc(0);
    for (let left = depth; left > 0; left -= 1) {
      inner = new BinaryWriter().tag(number, LengthDelimited).bytes(inner).finish();
    }
    return inner;
  }

  function within(number: number, body: Uint8Array): Uint8Array {
    return new BinaryWriter().raw(id).tag(number, LengthDelimited).bytes(body).finish();
  }

  const entry = (key: string): Uint8Array =>
    new BinaryWriter()
      .tag(3, LengthDelimited)
      .bytes(new BinaryWriter().tag(1, LengthDelimited).string(key).finish())
      .finish();
  const filter = (body: Uint8Array): Uint8Array =>
    within(5, new BinaryWriter().tag(13, LengthDelimited).bytes(body).finish());
  const large: [what: string, frame: Uint8Array, last: Input["kind"]][] = [
    ["pongs", Buffer.alloc(size), "pong"],
    [
      "the least commands",
      delimited(...Array<Buffer>(size / 8).fill(Buffer.of(8, 1, 106, 0))),
      "command",
    ],
    [
      "channels in a map",
      delimited(
        within(
          4,
          repeated((at) => entry(at.toString(36)), 8),
        ),
      ),
      "command",
    ],
    ["nodes in a filter", delimited(filter(Buffer.alloc(size, Buffer.of(0x32, 0)))), "command"],
    ["values in a filter", delimited(filter(Buffer.alloc(size, Buffer.of(0x2a, 0)))), "command"],
    ["a filter in a filter", delimited(filter(nested(6, 8_000))), "command"],
    ["unknown messages in each other", delimited(within(5, nested(99, 8_000))), "command"],
    [
      "groups in each other",
      delimited(Buffer.alloc(size, new BinaryWriter().tag(20, StartGroup).finish())),
      "malformed",
    ],
    [
      "one field again and again",
      delimited(within(5, Buffer.alloc(size - 1, Buffer.of(0x0a, 1, 0x61)))),
      "command",
    ],
    [
      "parts of one command",
      delimited(Buffer.concat([id, Buffer.alloc(size, Buffer.of(0x3a, 0))])),
      "command",
    ],
    [
      "a number without an end",
      delimited(Buffer.concat([Buffer.of(0x98, 6), Buffer.alloc(size, 0xff)])),
      "malformed",
    ],
    [
      "data",
      delimited(
        within(7, new BinaryWriter().tag(2, LengthDelimited).bytes(Buffer.alloc(size)).finish()),
      ),
      "command",
    ],
  ];
  for (const [what, frame, last] of large) {
    it(`is not worth more than its length when it is full of ${what}`, () => {
      assert.equal(decode(frame).at(-1)?.kind, last);
    });
  }
});
