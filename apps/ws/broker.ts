import type { Bus, BusSubscription } from "../lib/bus.ts";
import { topicSubject } from "../lib/topic-subject.ts";

export interface BrokerLimits {
  /** Published bytes that NATS has not confirmed; beyond, publishers should wait. */
  readonly maxUnconfirmedBytes: number;
}

/**
 * Topics on NATS. Publications are not waited for one by one: each gets a ticket, and one question to
 * the server at a time confirms all tickets before it.
 */
export class Broker {
  readonly #bus: Bus;
  readonly #limits: BrokerLimits;
  #sent = 0;
  #confirmed = 0;
  #sentBytes = 0;
  #confirmedBytes = 0;
  #confirming = false;

  /** Called when publications may have been lost: those with a ticket above `confirmed`. */
  onLost: (confirmed: number) => void = () => undefined;
  /** Called after each confirmation that leaves room. */
  onRoom: () => void = () => undefined;

  constructor(bus: Bus, limits: BrokerLimits) {
    this.#bus = bus;
    this.#limits = limits;
  }

  /** True while NATS owes so many confirmations that publishers should pause. */
  get full(): boolean {
    return this.#sentBytes - this.#confirmedBytes > this.#limits.maxUnconfirmedBytes;
  }

  onChange(listener: (connected: boolean) => void): () => void {
    return this.#bus.onChange(listener);
  }

  subscribe(topic: string, callback: (message: Uint8Array) => void): BusSubscription {
    return this.#bus.subscribe(topicSubject(topic), callback);
  }

  /**
   * Hands a message to NATS.
   *
   * @returns its ticket; tickets increase
   * @throws BusError when there is no connection or the message is too large for NATS
   */
  publish(topic: string, message: Uint8Array): number {
    this.#bus.send(topicSubject(topic), message);
    this.#sent += 1;
    this.#sentBytes += message.length;
    if (!this.#confirming) void this.#confirm();
    return this.#sent;
  }

  async #confirm(): Promise<void> {
    this.#confirming = true;
    while (this.#confirmed < this.#sent) {
      const [sent, bytes] = [this.#sent, this.#sentBytes];
      try {
        await this.#bus.flush();
        this.#confirmed = sent;
        this.#confirmedBytes = bytes;
      } catch {
        const confirmed = this.#confirmed;
        this.#confirmed = this.#sent;
        this.#confirmedBytes = this.#sentBytes;
        this.onLost(confirmed);
      }
      if (!this.full) this.onRoom();
    }
    this.#confirming = false;
  }
}
