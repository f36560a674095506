interface Waiter {
  readonly resolve: (isTurn: boolean) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Lets the large answers of one connection be made one after the other, each when the peer has read what
 * waits for it: many may be asked for in one frame, and each may be megabytes.
 */
export class AnswerTurns {
  readonly #mayAnswer: () => boolean;
  readonly #waiters: Waiter[] = [];
  #taken = false;
  #ended = false;

  /** @param mayAnswer whether little enough waits for the peer */
  constructor(mayAnswer: () => boolean) {
    this.#mayAnswer = mayAnswer;
  }

  /**
   * Resolves with true when it is the caller's turn, which `done` ends; with false when the time is over
   * or the connection has ended.
   */
  async take(withinMs: number): Promise<boolean> {
    if (this.#ended) return false;
    if (!this.#taken && this.#waiters.length === 0 && this.#mayAnswer()) {
      this.#taken = true;
      return true;
    }
    return new Promise((resolve) => {
      const waiter: Waiter = {
        resolve,
        timer: setTimeout(
          () => {
            this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
            resolve(false);
          },
          Math.max(0, withinMs),
        ),
      };
      this.#waiters.push(waiter);
    });
  }

  /** Ends the turn. */
  done(): void {
    this.#taken = false;
    this.check();
  }

  /** To be called when the peer has read something. */
  check(): void {
    if (this.#taken || this.#ended || !this.#mayAnswer()) return;
    const next = this.#waiters.shift();
    if (next === undefined) return;
    this.#taken = true;
    clearTimeout(next.timer);
    next.resolve(true);
  }

  end(): void {
    this.#ended = true;
    for (const { resolve, timer } of this.#waiters.splice(0)) {
      clearTimeout(timer);
      resolve(false);
    }
  }
}
