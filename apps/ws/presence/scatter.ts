import { type Bus, BusError, type BusMessage, type BusSubscription } from "../../lib/bus.ts";
import type { Log } from "../../lib/log.ts";
import { within } from "../../lib/within.ts";
import { gatewaySubject, type Members } from "./members.ts";
import { askOthers, isNobody } from "./others.ts";

export interface ScatterOptions {
  readonly bus: Bus;
  readonly gatewayId: string;
  /** The name of this part of a gateway. */
  readonly part: string;
  /** This gateway's answer to a question of another one; undefined: it is none. */
  readonly answer: (question: Uint8Array) => Promise<Uint8Array | undefined>;
  readonly log: Log;
  /** Questions of others that are answered at a time; to more there is no answer. */
  readonly maxAnswers?: number;
}

/** Asks all gateways to do something, or for something, and waits until all of them have answered. */
export class Scatter {
  readonly #options: ScatterOptions;
  readonly #subscription: BusSubscription;
  #answering = 0;

  /** To be made before this gateway says hello: whoever knows it can ask it. */
  constructor(options: ScatterOptions) {
    this.#options = options;
    const { bus, gatewayId, part } = options;
    this.#subscription = bus.subscribe(subjectOf(gatewayId, part), (data, message) => {
      void this.#answer(data, message);
    });
  }

  /**
   * Asks every other gateway.
   *
   * @param ask what is asked of one, by as many questions as it takes
   * @returns false when some gateway did not answer, so that it may not have done it
   */
  async others(
    members: Members,
    withinMs: number,
    ask: (put: (question: Uint8Array) => Promise<Uint8Array>) => Promise<void>,
  ): Promise<boolean> {
    const { bus, part, log } = this.#options;
    const deadline = performance.now() + withinMs;
    const leftMs = (): number => deadline - performance.now();
    const silent: string[] = [];
    const askOne = async (id: string): Promise<void> => {
      try {
        await ask(async (question) => {
          const options = { withinMs: Math.max(1, Math.ceil(leftMs())) };
          return (await bus.request(subjectOf(id, part), question, options)).data;
        });
      } catch (error) {
        if (!(error instanceof BusError)) throw error;
        // A gateway of another version may be there, and not know what is asked.
        if (isNobody(error) && (await members.absentPart(id)) === "gone") return;
        log.warn({ gateway: id, reason: error.message }, "another gateway did not answer");
        silent.push(id);
      }
    };
    const late = (): Error => new BusError("unavailable", "the other gateways are not known yet");
    try {
      await within(members.whenSettled(), leftMs(), late);
      const heard = await askOthers({ bus, members, ask: askOne, ended: () => leftMs() <= 0 });
      return heard && silent.length === 0 && members.complete && leftMs() > 0;
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      return false;
    }
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }

  async #answer(data: Uint8Array, { reply }: BusMessage): Promise<void> {
    const { answer, log, maxAnswers = 1_024 } = this.#options;
    if (reply === undefined || this.#answering >= maxAnswers) return;
    this.#answering += 1;
    try {
      const bytes = await answer(data);
      if (bytes !== undefined) this.#options.bus.send(reply, bytes);
    } catch (error) {
      // Who asks sees that no answer comes.
      log.warn({ err: error }, "cannot answer another gateway");
    } finally {
      this.#answering -= 1;
    }
  }
}

function subjectOf(id: string, part: string): string {
  return `${gatewaySubject(id)}.${part}`;
}
