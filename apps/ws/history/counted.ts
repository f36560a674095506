import { BusError } from "../../lib/bus.ts";
import { within } from "../../lib/within.ts";
import type { ChannelLog } from "./channel-log.ts";
import type { History, LogSubscription } from "./history.ts";
import type { ChannelPosition } from "./snapshot.ts";

/** A channel's log that is of use to somebody, and where what is stored from now on is in the channel. */
export class Counting {
  readonly #share: LogSubscription;
  /** Positions by sequence, of what came since. */
  readonly #positions = new Map<number, ChannelPosition>();
  #wake: () => void = () => undefined;

  /** @throws BusError `unavailable` when the channel has no history, or too many are open */
  constructor(history: History, channel: string) {
    const namespace = history.namespaceOf(channel);
    if (namespace === undefined) throw new BusError("unavailable", "the channel has no history");
    this.#share = history.subscribe(channel, namespace, {
      onMessage: () => {
        const { lastSeq, position } = this.#share.log;
        this.#positions.set(lastSeq, position);
        this.#wake();
      },
      onLost: () => {
        this.#positions.clear();
        this.#wake();
      },
    });
  }

  get log(): ChannelLog {
    return this.#share.log;
  }

  /** Resolves when the channel is counted. */
  async ready(deadline: number): Promise<void> {
    await until(this.log.ready(), deadline);
  }

  /** Resolves when everything is counted that is stored now. */
  async fresh(deadline: number): Promise<void> {
    await until(this.log.fresh(), deadline);
  }

  /**
   * The position of a message that is stored. undefined: it has left again, or nobody could say in time;
   * stored it was all the same.
   */
  async positionOf(seq: number, deadline: number): Promise<ChannelPosition | undefined> {
    try {
      for (;;) {
        const position = this.#positions.get(seq) ?? this.log.positionOf(seq);
        if (position !== undefined) return position;
        if (!this.log.following) await until(this.log.ready(), deadline);
        else if (this.log.lastSeq < seq) {
          const came = Promise.withResolvers<undefined>();
          this.#wake = () => {
            came.resolve(undefined);
          };
          await until(came.promise, deadline);
        } else {
          // It is older than what is here: it was published before.
          await until(this.log.load(), deadline);
          return this.log.positionOf(seq);
        }
      }
    } catch (error) {
      if (error instanceof BusError) return undefined;
      throw error;
    }
  }

  end(): void {
    this.#share.unsubscribe();
  }
}

async function until(promise: Promise<unknown>, deadline: number): Promise<void> {
  const late = (): Error => new BusError("unavailable", "NATS did not answer in time");
  await within(promise, deadline - performance.now(), late);
}
