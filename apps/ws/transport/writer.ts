/** The part of a TCP socket that a writer needs. */
export interface Outlet {
  readonly writableLength: number;
  write(bytes: Uint8Array, done?: () => void): unknown;
}

/** Memory that a piece takes in the socket's queue beside its own bytes, roughly. */
const bytesPerPiece = 64;
const nothing = new Uint8Array(0);

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
  readonly #onBacklog: (bytes: number) => void;
  /** Pieces in the socket's queue; counted, because a queue of tiny frames is larger than its bytes. */
  #pieces = 0;
  /** A piece above the limit that was taken because nothing else waited; what follows it has its own room. */
  #largeBytes = 0;
  #ended = false;
  readonly #written = (): void => {
    this.#pieces -= 1;
    this.#onBacklog(this.backlogBytes);
  };
  readonly #drained = (): void => {
    this.#onBacklog(this.backlogBytes);
  };

  /**
   * @param onOverflow called once, when the backlog would grow beyond the limit; then it writes no more
   * @param onBacklog told what waits whenever that has changed, but for what the socket takes at once
   */
  constructor(
    outlet: Outlet,
    maxBacklogBytes: number,
    onOverflow: () => void,
    onBacklog: (bytes: number) => void = () => undefined,
  ) {
    this.#outlet = outlet;
    this.#maxBacklogBytes = maxBacklogBytes;
    this.#onOverflow = onOverflow;
    this.#onBacklog = onBacklog;
  }

  /** Bytes that wait, with what it takes to keep them. */
  get backlogBytes(): number {
    return this.#outlet.writableLength + this.#pieces * bytesPerPiece;
  }

  write(bytes: Uint8Array): void {
    if (this.#ended) return;
    if (this.#outlet.writableLength === 0) {
      this.#largeBytes = bytes.length > this.#maxBacklogBytes ? bytes.length : 0;
      // No callback: it costs as much as the rest of this method.
      this.#outlet.write(bytes);
      // The socket did not take all of it: an empty piece behind it tells when it has.
      if (this.backlogBytes > 0) {
        this.#outlet.write(nothing, this.#drained);
        this.#onBacklog(this.backlogBytes);
      }
      return;
    }
    const limit = this.#maxBacklogBytes + this.#largeBytes;
    if (this.backlogBytes + bytesPerPiece + bytes.length > limit) {
      this.#ended = true;
      this.#onOverflow();
      return;
    }
    this.#pieces += 1;
    this.#outlet.write(bytes, this.#written);
    this.#onBacklog(this.backlogBytes);
  }
}
