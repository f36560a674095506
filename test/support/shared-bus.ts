import { MemoryBus } from "./memory-bus.ts";

/** What several buses in this process have in common, as several processes have a nats-server. */
export class SharedBus {
  /** What is true of a message gets lost. */
  loses: (subject: string, text: string) => boolean = () => false;
  /** Every message so far, lost or not. */
  readonly sent: { readonly subject: string; readonly text: string }[] = [];
  readonly #buses = new Set<MemoryBus>();

  /** A bus of its own for one who takes part. */
  connect(): MemoryBus {
    const bus = new ConnectedBus((subject, text) => {
      this.#carry(subject, text);
    });
    this.#buses.add(bus);
    return bus;
  }

  #carry(subject: string, text: string): void {
    this.sent.push({ subject, text });
    if (this.loses(subject, text)) return;
    // As with a server, nothing arrives before its sender has gone on.
    setImmediate(() => {
      for (const bus of this.#buses) if (bus.connected) bus.deliver(subject, text);
    });
  }
}

class ConnectedBus extends MemoryBus {
  readonly #carry: (subject: string, text: string) => void;

  constructor(carry: (subject: string, text: string) => void) {
    super();
    this.#carry = carry;
  }

  override send(subject: string, data: Uint8Array): void {
    super.send(subject, data);
    this.#carry(subject, Buffer.from(data).toString());
  }
}
