import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** Writes a field with its number; nothing for what an absent field means anyhow. */
export type Write<V> = (writer: BinaryWriter, number: number, value: V) => void;

type Given<V> = Exclude<V, undefined>;

/** The names that there are in some of a union's types, and what they are there. */
type AnyOf<U> = {
  readonly [Name in NamesOf<U>]?: U extends unknown
    ? Name extends keyof U
      ? U[Name]
      : never
    : never;
};
type NamesOf<U> = U extends unknown ? keyof U : never;

/**
 * The fields of a message, each with its number, in the order of their numbers. What the protocol has no
 * field for is undefined, so that nothing is forgotten.
 */
type Fields<T> = {
  readonly [Name in NamesOf<T>]-?:
    readonly [number: number, write: Write<Given<AnyOf<T>[Name]>>] | undefined;
};

/** Writes the fields of a message. */
export type WriteFields<T> = (writer: BinaryWriter, value: T) => void;

export function fields<T extends object>(table: Fields<T>): WriteFields<T> {
  const all: WriteFields<AnyOf<T>>[] = [];
  for (const name of Object.keys(table) as NamesOf<T>[]) {
    const entry = table[name];
    if (entry !== undefined) all.push(field<T, typeof name>(name, entry[0], entry[1]));
  }
  return (writer, value) => {
    for (const write of all) write(writer, value);
  };
}

function field<U, Name extends NamesOf<U>>(
  name: Name,
  number: number,
  write: Write<Given<AnyOf<U>[Name]>>,
): WriteFields<AnyOf<U>> {
  return (writer, values) => {
    const value = values[name];
    if (value !== undefined) write(writer, number, value as Given<AnyOf<U>[Name]>);
  };
}

export const text: Write<string> = (writer, number, value) => {
  if (value !== "") textInMap(writer, number, value);
};

/** In entries of maps, what is empty is written, too. */
export const textInMap: Write<string> = (writer, number, value) => {
  writer.tag(number, WireType.LengthDelimited).string(value);
};

export const bytes: Write<Uint8Array> = (writer, number, value) => {
  if (value.length > 0) writer.tag(number, WireType.LengthDelimited).bytes(value);
};

export const flag: Write<boolean> = (writer, number, value) => {
  if (value) writer.tag(number, WireType.Varint).bool(value);
};

const maxUint32 = 0xffff_ffff;

/** Whole numbers from 0 on, of 32 or 64 bits, which are written alike. */
export const uint: Write<number> = (writer, number, value) => {
  if (value === 0) return;
  writer.tag(number, WireType.Varint);
  // The writer makes a bigint of 64 bits, which takes its time.
  if (value <= maxUint32) writer.uint32(value);
  else writer.uint64(value);
};

/** A message in a message. It is written when it is empty, too: that it is there means something. */
export function message<T>(writeFields: WriteFields<T>): Write<T> {
  return (writer, number, value) => {
    writer.tag(number, WireType.LengthDelimited).fork();
    writeFields(writer, value);
    writer.join();
  };
}

export function list<T>(write: Write<T>): Write<readonly T[]> {
  return (writer, number, values) => {
    for (const value of values) write(writer, number, value);
  };
}

export function byName<T>(write: Write<T>): Write<Iterable<readonly [string, T]>> {
  const entry = message<readonly [string, T]>((writer, [name, value]) => {
    textInMap(writer, 1, name);
    write(writer, 2, value);
  });
  return (writer, number, values) => {
    for (const each of values) entry(writer, number, each);
  };
}

/** Beyond, a writer is not kept for the next message. */
const maxKeptBytes = 16_384;

/** Making a writer costs more than writing what most messages are. */
let spare: BinaryWriter | undefined;

/** The bytes of a message. */
export function bytesOf<T>(writeFields: WriteFields<T>, value: T): Uint8Array {
  const writer = spare ?? new BinaryWriter();
  // Whoever writes fields may need another one; and one whose fields could not be written is of no use.
  spare = undefined;
  writeFields(writer, value);
  const result = writer.finish();
  if (result.length <= maxKeptBytes) spare = writer;
  return result;
}
