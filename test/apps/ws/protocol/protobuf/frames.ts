import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** Messages as a frame has them: each after its length. */
export function delimited(...messages: readonly Uint8Array[]): Buffer {
  const writer = new BinaryWriter();
  for (const message of messages) writer.bytes(message);
  return Buffer.from(writer.finish());
}
