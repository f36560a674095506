import * as z from "zod";
import type { Tip } from "./continuation.ts";

/** A tip that was written down, and the epoch in which it counts: a channel is counted from there. */
export interface Anchor {
  readonly epoch: string;
  readonly tip: Tip;
}

/** An anchor as the stream of anchors has it. */
export interface WrittenAnchor extends Anchor {
  /** Its sequence there, which orders the anchors of one channel. */
  readonly revision: number;
  /** When it was written, in ms since 1970. */
  readonly writtenMs: number;
}

const count = z.int().nonnegative();
const schema = z.object({
  epoch: z.string().min(1).max(64),
  tip: z.object({
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
