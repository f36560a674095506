/** The part of a TCP socket that a writer needs. */
export interface Outlet {
  readonly writableLength: number;
  write(bytes: Uint8Array, done?: () => void): unknown;
}

/** Memory that a piece takes in the socket's queue beside its own bytes, roughly. */
const bytesPerPiece = 64;

/**
 * Writes whole frames to one socket and bounds what waits for a peer that reads slowly.
 *
 * It writes at once when nothing waits: the hub has already joined what belongs together. While the
 * peer does not read, the socket itself queues references to bytes that all receivers share, and sends
 * them together when it can.
 */
export class Writer {
  readonly #outlet: Outlet;
  readonly #maxBacklogBytes: number;
  readonly #onOverflow: () => void;
  /** Pieces in the socket's queue; counted, because a queue of tiny frames is larger than its bytes. */
  #pieces = 0;
  #ended = false;
  readonly #written = (): void => {
    this.#pieces -= 1;
  };

  /** @param onOverflow called once, when the backlog would grow beyond the limit; then it writes no more */
  constructor(outlet: Outlet, maxBacklogBytes: number, onOverflow: () => void) {
    this.#outlet = outlet;
    this.#maxBacklogBytes = maxBacklogBytes;
    this.#onOverflow = onOverflow;
  }

  /** Bytes that wait, with what it takes to keep them. */
  get backlogBytes(): number {
    return this.#outlet.writableLength + this.#pieces * bytesPerPiece;
  }

  write(bytes: Uint8Array): void {
    if (this.#ended) return;
    if (this.#outlet.writableLength === 0) {
      // No callback: it costs as much as the rest of this method.
      this.#outlet.write(bytes);
      return;
    }
    if (this.backlogBytes + bytesPerPiece + bytes.length > this.#maxBacklogBytes) {
      this.#ended = true;
      this.#onOverflow();
      return;
    }
    this.#pieces += 1;
    this.#outlet.write(bytes, this.#written);
  }
}
