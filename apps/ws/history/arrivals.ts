import type { LiveMessage } from "./channel-store.ts";

const maxMessages = 10_000;
const maxBytes = 4_194_304;

/** Messages that came while it was being found out what was before them. */
export class Arrivals {
  #messages: LiveMessage[] = [];
  #bytes = 0;
  #overflown = false;

  push(message: LiveMessage): void {
    if (this.#overflown) return;
    this.#messages.push(message);
    this.#bytes += message.data.length;
    // Then they are read once more.
    if (this.#messages.length <= maxMessages && this.#bytes <= maxBytes) return;
    this.take();
    this.#overflown = true;
  }

  /** Hands out what there is and begins anew; undefined when it was too much to be kept. */
  take(): readonly LiveMessage[] | undefined {
    const messages = this.#overflown ? undefined : this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    this.#overflown = false;
    return messages;
  }
}
