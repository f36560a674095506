/** What one peer has of the budget. */
interface Share {
  bytes: number;
  ended: boolean;
  readonly letGo: () => void;
}

/**
 * Bounds what waits for all slow peers of one process together.
 *
 * Each has a share and reports what waits for it when that changes, so that a report costs no look at
 * the others. Only when the sum exceeds the bound, those with the largest shares must let go, until an
 * eighth of the bound is free: so the look at all of them is seldom.
 *
 * A message that waits for several peers is counted for each, though it is in memory once.
 */
export class BacklogBudget {
  readonly #maxBytes: number;
  readonly #waiting = new Set<Share>();
  #totalBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  /**
   * Opens a share, which is ended when nothing waits any more, whatever happens.
   *
   * @param letGo called when the peer's backlog must be freed; its share has ended then
   */
  share(letGo: () => void): BacklogShare {
    const share: Share = { bytes: 0, ended: false, letGo };
    return {
      report: (bytes) => {
        if (share.ended || bytes === share.bytes) return;
        this.#set(share, bytes);
        if (this.#totalBytes > this.#maxBytes) this.#free();
      },
      end: () => {
        this.#end(share);
      },
    };
  }

  #set(share: Share, bytes: number): void {
    this.#totalBytes += bytes - share.bytes;
    share.bytes = bytes;
    if (bytes === 0) this.#waiting.delete(share);
    else this.#waiting.add(share);
  }

  #end(share: Share): void {
    share.ended = true;
    this.#set(share, 0);
  }

  #free(): void {
    const enough = (this.#maxBytes * 7) / 8;
    for (const share of [...this.#waiting].sort((one, other) => other.bytes - one.bytes)) {
      if (this.#totalBytes <= enough) return;
      this.#end(share);
      share.letGo();
    }
  }
}

export interface BacklogShare {
  /** Says how many bytes wait now. */
  readonly report: (bytes: number) => void;
  /** Idempotent. */
  readonly end: () => void;
}
