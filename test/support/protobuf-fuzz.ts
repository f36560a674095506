import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Random } from "./random.ts";

/** Messages as a frame has them: each after its length. */
export function delimited(...messages: readonly Uint8Array[]): Buffer {
  const writer = new BinaryWriter();
  for (const message of messages) writer.bytes(message);
  return Buffer.from(writer.finish());
}

/**
 * Makes a frame of messages that are right: changed in some of their fields, so that lengths are right and what
 * is in them is not, or in some of their bytes, or neither; or of bytes that never meant anything.
 */
export function someFrame(random: Random, messages: readonly Uint8Array[]): Buffer {
  if (random.chance(0.05)) return Buffer.from(someBytes(random, 40));
  const bodies = Array.from({ length: 1 + random.below(3) }, () => {
    let body = random.one(messages);
    if (random.chance(0.6)) body = changed(random, body, 4);
    return random.chance(0.15) ? damaged(random, body) : body;
  });
  const frame = delimited(...bodies);
  return random.chance(0.1) ? Buffer.from(damaged(random, frame)) : frame;
}

interface Field {
  readonly number: number;
  readonly wire: WireType;
  /** All that comes after the tag, and after the length where there is one. */
  readonly body: Uint8Array;
}

/** The fields of what may be a message; undefined when it is none. */
function fieldsOf(bytes: Uint8Array): Field[] | undefined {
  const reader = new BinaryReader(bytes);
  const fields: Field[] = [];
  try {
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag();
      const body = wire === WireType.LengthDelimited ? reader.bytes() : reader.skip(wire, number);
      fields.push({ number, wire, body });
    }
  } catch {
    return undefined;
  }
  return fields;
}

function written(fields: readonly Field[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const { number, wire, body } of fields) {
    writer.tag(number, wire);
    if (wire === WireType.LengthDelimited) writer.bytes(body);
    else writer.raw(body);
  }
  return writer.finish();
}

/** Changes a field, or some fields of a message in a field. */
function changed(random: Random, message: Uint8Array, depth: number): Uint8Array {
  const fields = fieldsOf(message);
  if (fields === undefined || depth === 0) return damaged(random, message);
  for (let count = random.below(3); count >= 0; count -= 1) {
    const at = random.below(fields.length + 1);
    const field = fields[at] ?? someField(random);
    const { number, wire, body } = field;
    switch (random.below(9)) {
      case 0:
        fields.splice(at, 1);
        break;
      case 1:
        fields.splice(random.below(fields.length + 1), 0, field);
        break;
      case 2:
        fields.splice(at, 0, someField(random));
        break;
      case 3:
        fields[at] = { number: 1 + random.below(20), wire, body };
        break;
      case 4:
        fields[at] = { ...someField(random), number };
        break;
      default:
        // Mostly something within it, as most of a message is.
        if (wire === WireType.LengthDelimited) {
          fields[at] = { number, wire, body: changed(random, body, depth - 1) };
        } else fields[at] = { number, wire: WireType.Varint, body: varint(random) };
    }
  }
  return written(fields);
}

const texts = [
  "",
  "a",
  "é😀",
  "__proto__",
  "\0",
  "*",
  "a..b",
  "$x",
  "#1",
  "x".repeat(300),
  "{}",
  "[",
];

function someField(random: Random): Field {
  const number = random.chance(0.9) ? 1 + random.below(16) : 1 + random.below(2 ** 29 - 1);
  switch (random.below(7)) {
    case 0:
      return { number, wire: WireType.Varint, body: varint(random) };
    case 1:
      return { number, wire: WireType.Bit32, body: someBytes(random, 4, 4) };
    case 2:
      return { number, wire: WireType.Bit64, body: someBytes(random, 8, 8) };
    case 3: {
      const end = new BinaryWriter().tag(number, WireType.EndGroup).finish();
      return { number, wire: WireType.StartGroup, body: end };
    }
    case 4:
      return { number, wire: WireType.LengthDelimited, body: someBytes(random, 12) };
    case 5:
      return { number, wire: WireType.LengthDelimited, body: written([someField(random)]) };
    default:
      return { number, wire: WireType.LengthDelimited, body: Buffer.from(random.one(texts)) };
  }
}

const numbers = [0n, 1n, 2n, 3n, 127n, 128n, 2n ** 31n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 64n - 1n];

function varint(random: Random): Uint8Array {
  return new BinaryWriter().uint64(random.one(numbers)).finish();
}

function damaged(random: Random, bytes: Uint8Array): Uint8Array {
  const at = random.below(bytes.length + 1);
  const removed = random.below(4);
  return Buffer.concat([bytes.subarray(0, at), someBytes(random, 4), bytes.subarray(at + removed)]);
}

function someBytes(random: Random, max: number, min = 0): Uint8Array {
  const length = min + random.below(max - min + 1);
  return Uint8Array.from({ length }, () => random.below(256));
}
