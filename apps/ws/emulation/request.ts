import * as z from "zod";

/** What a client of a stream sends: commands for the connection whose answers go there. */
export interface EmulationRequest {
  /** The gateway that holds the stream. */
  readonly node: string;
  readonly session: string;
  /** As the connection's codec has them. */
  readonly data: Uint8Array;
}

const schema = z.object({ node: z.string(), session: z.string(), data: z.string() });

/** Decodes a body of JSON; undefined when it is none, or lacks something. */
export function decodeJsonRequest(bytes: Uint8Array): EmulationRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  const { data } = schema.safeParse(value);
  return data === undefined ? undefined : { ...data, data: Buffer.from(data.data) };
}
