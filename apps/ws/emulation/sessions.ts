import { randomBytes } from "node:crypto";

/** Who takes what comes for a session. */
export interface SessionHolder {
  take(bytes: Uint8Array): void;
}

/** Whoever knows a session's name acts as its client, so that nobody may guess it: 192 bits. */
export function newSession(): string {
  return randomBytes(24).toString("base64url");
}

/** The streams that this gateway holds, by the names that only their clients know. */
export class Sessions {
  readonly #holders = new Map<string, SessionHolder>();

  get size(): number {
    return this.#holders.size;
  }

  /** The returned function ends it. */
  add(session: string, holder: SessionHolder): () => void {
    this.#holders.set(session, holder);
    return () => this.#holders.delete(session);
  }

  /** Hands over what a client sent; false when there is no such session. */
  take(session: string, bytes: Uint8Array): boolean {
    const holder = this.#holders.get(session);
    holder?.take(bytes);
    return holder !== undefined;
  }
}
