/** Who has something to write at the end of the turn. */
export interface Sender {
  flush(): void;
}

/**
 * Lets all who have something to send do so at the end of the present turn, after the promises that are
 * settled in it: an answer and the echo of what it answers leave in one write, and so do the answers to
 * all commands of one frame. Nothing waits for the next turn.
 */
export class Outbox {
  #senders: Sender[] = [];
  readonly #flush = (): void => {
    const senders = this.#senders;
    this.#senders = [];
    for (const sender of senders) sender.flush();
  };

  /** To be called once by each until it was flushed. */
  add(sender: Sender): void {
    this.#senders.push(sender);
    if (this.#senders.length === 1) process.nextTick(this.#flush);
  }
}
