import {
  type Bus,
  BusError,
  type BusMessage,
  type DrainableSubscription,
} from "../../apps/lib/bus.ts";

type Callback = (data: Uint8Array, message: BusMessage) => void;

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
  readonly #subscriptions = new Set<{ subject: string; callback: Callback }>();

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

  request(): Promise<BusMessage> {
    return Promise.reject(new BusError("no_responders", "nobody answers on this bus"));
  }

  async flush(): Promise<void> {
    const flush = Promise.withResolvers<undefined>();
    this.flushes.push(flush);
    await flush.promise;
  }

  subscribe(subject: string, callback: Callback): DrainableSubscription {
    if (this.closed) throw new BusError("closed", "the bus is closed");
    const subscription = { subject, callback };
    this.#subscriptions.add(subscription);
    const unsubscribe = (): void => void this.#subscriptions.delete(subscription);
    return {
      confirmed: Promise.resolve(),
      unsubscribe,
      drain: () => {
        unsubscribe();
        return Promise.resolve();
      },
    };
  }

  /** Brings a message to who has subscribed; what is sent on this bus reaches nobody by itself. */
  deliver(subject: string, text: string): void {
    for (const subscription of this.#subscriptions) {
      if (subscription.subject !== subject) continue;
      const data = Buffer.from(text);
      const message = { subject, data, reply: undefined, status: undefined };
      subscription.callback(data, { ...message, header: () => undefined });
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
