import { messageOf } from "../ui/format.ts";

export type DraftFormat = "text" | "json";

/** What may be published, or why not. */
export type Checked =
  { readonly data: unknown; readonly problem?: undefined } | { readonly problem: string };

/**
 * Gateways take commands of up to 64 KiB, and end the connection of who sends a larger one; there is the
 * command around the data.
 */
const maxBytes = 64_000;

/** Checks what a person wrote, before it is sent. */
export function checkDraft(text: string, format: DraftFormat): Checked {
  if (text.trim() === "") return { problem: "There is nothing to publish yet." };
  const read = format === "text" ? { data: text } : readJson(text);
  if (read.problem !== undefined) return read;
  const bytes = new TextEncoder().encode(JSON.stringify(read.data)).length;
  return bytes <= maxBytes
    ? read
    : {
        problem: `These are ${bytes.toLocaleString("en")} bytes; more than ${maxBytes.toLocaleString("en")} the gateway does not take.`,
      };
}

function readJson(text: string): Checked {
  try {
    return { data: JSON.parse(text) as unknown };
  } catch (error) {
    return { problem: `This is not JSON: ${messageOf(error)}.` };
  }
}
