import * as z from "zod";
import type { Tip } from "./continuation.ts";

/** A tip that was written down, and the epoch in which it counts. */
export interface Anchor {
  readonly epoch: string;
  readonly tip: Tip;
}

/** An anchor with its sequence in the stream of anchors, which orders those of one channel. */
export interface WrittenAnchor extends Anchor {
  readonly revision: number;
}

const count = z.int().nonnegative();
const schema = z.strictObject({
  epoch: z.string().min(1).max(64),
  tip: z.strictObject({
    offset: count,
    seq: count,
    time: z.string().max(64),
    through: count,
    created: z.string().max(64),
  }),
});

export function encodeAnchor({ epoch, tip }: Anchor): Buffer {
  return Buffer.from(JSON.stringify({ epoch, tip }));
}

/** undefined when the bytes are no anchor. */
export function decodeAnchor(bytes: Uint8Array): Anchor | undefined {
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    return undefined;
  }
}
