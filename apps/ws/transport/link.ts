/** Why this side ends a connection: the code that the peer sees and the words that go with it. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** Who speaks with the peer of a link. */
export interface LinkOwner {
  /** Called for each message; never after this side has closed. */
  onMessage(bytes: Buffer, isBinary: boolean): void;
  onPong?(): void;
  /** Called when the peer has read all that had waited for it. */
  onDrain?(): void;
  /** Called once, when nothing more will come or go, with the reason when it was this side that closed. */
  onClose(closing: Closing | undefined): void;
}

/** The way to a peer: what goes to it is bounded, and so is the time that it may take to end. */
export interface Link {
  /** Whole messages, framed; ignored once the link is closing. */
  write(bytes: Uint8Array): void;
  /** Says goodbye, and cuts the connection when the peer does not answer in time. Idempotent. */
  close(closing: Closing, graceMs?: number): void;
  /** Asks for a sign of life that is none of the protocol's, where there is one. */
  ping?(): void;
  /** What waits for the peer to read it. */
  readonly backlogBytes: number;
  readonly closing: Closing | undefined;
}

/** Begins to speak with a peer. */
export type OpenLink = (owner: LinkOwner) => Link;
