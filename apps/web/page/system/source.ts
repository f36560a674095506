import type { KillTarget, Picture } from "./picture.ts";

/** What was seen at one time. */
export interface Look {
  readonly picture: Picture;
  /** Why the picture lacks something, in words for people. */
  readonly missing?: string;
}

/** Where the picture comes from. */
export interface SystemSource {
  /** @throws Error in words for people */
  readonly look: (signal: AbortSignal) => Promise<Look>;
  /**
   * Ends a process; undefined where nobody can.
   *
   * @returns its number
   * @throws Error in words for people
   */
  readonly kill?: (target: KillTarget) => Promise<number>;
}

/** A JSON answer. @throws Error in words for people */
export async function answerOf(
  who: string,
  ask: () => Promise<Response>,
): Promise<Readonly<Record<string, unknown>>> {
  const response = await ask().catch((cause: unknown) => {
    throw new Error(`${who} does not answer.`, { cause });
  });
  const body: unknown = await response.json().catch(() => undefined);
  const fields = isFields(body) ? body : undefined;
  if (!response.ok) {
    const error = fields?.["error"];
    const said = isFields(error) && typeof error["message"] === "string" ? error["message"] : "";
    throw new Error(`${who} answers ${response.status}${said === "" ? "" : `: ${said}`}.`);
  }
  if (fields === undefined) throw new Error(`${who} answers something else than JSON.`);
  return fields;
}

export function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
