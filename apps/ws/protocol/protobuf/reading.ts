import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** Thrown in decoders only; the message goes to logs and holds nothing of what was sent. */
export class Malformed extends Error {}

/** Reads from bytes of a client. What one command may make of them is counted here. */
export class Reader extends BinaryReader {
  filterDepth = 0;
  filterNodes = 0;
  filterValues = 0;

  startCommand(): void {
    this.filterNodes = 0;
    this.filterValues = 0;
  }
}

/** How values of one type are read. */
export interface Kind<V> {
  readonly wire: WireType;
  /** @param before the value that the field had, for what is merged or gathered */
  readonly read: (reader: Reader, before: V) => V;
}

/** The fields of a message under the names that they get here, each with its number. */
type Fields<T> = { readonly [Name in keyof T]-?: readonly [number: number, kind: Kind<T[Name]>] };

/** How messages of one type are read. */
export interface Message<T> {
  /** One of which no field has come. */
  readonly empty: () => T;
  /** Reads all before `end` into a message, in which fields are replaced, merged or gathered. */
  readonly read: (reader: Reader, end: number, into: T) => void;
}

/** @param fields all of T but `method`, which is ours; others are skipped when they come */
export function message<T extends object>(
  empty: () => T,
  fields: Fields<Omit<T, "method">>,
): Message<T> {
  const byNumber: (Field<T> | undefined)[] = [];
  for (const name of Object.keys(fields) as Exclude<keyof T, "method">[]) {
    const [number, kind] = fields[name];
    byNumber[number] = field(name, kind);
  }
  return {
    empty,
    read: (reader, end, into) => {
      if (end > reader.len) throw new Malformed("a message is cut off");
      while (reader.pos < end) {
        const [number, wire] = reader.tag();
        const known = byNumber[number];
        if (known === undefined) reader.skip(wire, number);
        else if (wire === known.wire) known.read(reader, into);
        // Others skip it. To us it is what text in the place of a number is in JSON.
        else throw new Malformed(`field ${number} is of another type`);
      }
      // It was not cut off, but is partly of what follows.
      if (reader.pos !== end) throw new Malformed("a field is longer than its message");
    },
  };
}

interface Field<T> {
  readonly wire: WireType;
  readonly read: (reader: Reader, into: T) => void;
}

function field<T, Name extends keyof T>(name: Name, { wire, read }: Kind<T[Name]>): Field<T> {
  return {
    wire,
    read: (reader, into) => {
      into[name] = read(reader, into[name]);
    },
  };
}

export const text: Kind<string> = {
  wire: WireType.LengthDelimited,
  // What is no UTF-8 is refused.
  read: (reader) => reader.string(true),
};

export const bytes: Kind<Uint8Array> = {
  wire: WireType.LengthDelimited,
  // Copied, so that a few bytes that are kept do not keep all that came with them.
  read: (reader) => new Uint8Array(reader.bytes()),
};

export const flag: Kind<boolean> = { wire: WireType.Varint, read: (reader) => reader.bool() };

export const int32: Kind<number> = { wire: WireType.Varint, read: (reader) => reader.int32() };

/** Of longer numbers these are the lowest bits, as protobuf has it. */
export const uint32: Kind<number> = { wire: WireType.Varint, read: (reader) => reader.uint32() };

/** Those that no number here holds exactly are no position of any stream anyhow. */
export const uint64: Kind<number> = {
  wire: WireType.Varint,
  read: (reader) => Math.min(Number(reader.uint64()), Number.MAX_SAFE_INTEGER),
};

/** Reads a message after its length; when it comes again, what comes is added. */
export function nested<T>({ empty, read }: Message<T>, reader: Reader, before: T = empty()): T {
  const length = reader.uint32();
  read(reader, reader.pos + length, before);
  return before;
}

/** A message that may be there. */
export function optional<T>(of: Message<T>): Kind<T | undefined> {
  return { wire: WireType.LengthDelimited, read: (reader, before) => nested(of, reader, before) };
}

/** Values of a field that comes as often as there are values. */
export function list<T>(wire: WireType, read: (reader: Reader) => T): Kind<readonly T[]> {
  return {
    wire,
    read: (reader, before) => {
      // Made by `empty`, and nobody else's yet.
      (before as T[]).push(read(reader));
      return before;
    },
  };
}

/** Messages by name; of one name the last counts. */
export function byName<T>(values: Message<T>): Kind<ReadonlyMap<string, T>> {
  const entry = message<{ key: string; value: T | undefined }>(
    () => ({ key: "", value: undefined }),
    { key: [1, text], value: [2, optional(values)] },
  );
  return {
    wire: WireType.LengthDelimited,
    read: (reader, before) => {
      const { key, value = values.empty() } = nested(entry, reader);
      // As above.
      return (before as Map<string, T>).set(key, value);
    },
  };
}
