import { type Bus, BusError, type BusSubscription } from "../../apps/lib/bus.ts";

/** A bus without a server, for what a real one does at no moment of the test's choice. */
export class MemoryBus implements Bus {
  connected = true;
  /** From now on `subscribe` throws, as after `close`. */
  closed = false;
  /** The most recent limit that a publication was given. */
  withinMs: number | undefined;
  readonly sent: { readonly subject: string; readonly text: string }[] = [];
  /** Every flush so far; the test settles them. */
  readonly flushes: PromiseWithResolvers<undefined>[] = [];
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #subscriptions = new Set<{ subject: string; callback: (data: Uint8Array) => void }>();

  onChange(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change(connected: boolean): void {
    this.connected = connected;
    for (const listener of this.#listeners) listener(connected);
  }

  publish(subject: string, data: Uint8Array, { withinMs }: { withinMs: number }): Promise<void> {
    this.withinMs = withinMs;
    this.send(subject, data);
    return Promise.resolve();
  }

  send(subject: string, data: Uint8Array): void {
    if (!this.connected) throw new BusError("unavailable", "there is no connection");
    this.sent.push({ subject, text: Buffer.from(data).toString() });
  }

  async flush(): Promise<void> {
    const flush = Promise.withResolvers<undefined>();
    this.flushes.push(flush);
    await flush.promise;
  }

  subscribe(subject: string, callback: (data: Uint8Array) => void): BusSubscription {
    if (this.closed) throw new BusError("closed", "the bus is closed");
    const subscription = { subject, callback };
    this.#subscriptions.add(subscription);
    return {
      confirmed: Promise.resolve(),
      unsubscribe: () => this.#subscriptions.delete(subscription),
    };
  }

  /** Brings a message to who has subscribed; what is sent on this bus reaches nobody by itself. */
  deliver(subject: string, text: string): void {
    for (const subscription of this.#subscriptions) {
      if (subscription.subject === subject) subscription.callback(Buffer.from(text));
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
