import { type Bus, BusError, type BusMessage, type BusSubscription } from "../../lib/bus.ts";
import type { Log } from "../../lib/log.ts";
import { isRecord, parseJson } from "../json.ts";

export interface MembersLimits {
  /** How often each gateway says that it is there. */
  readonly helloIntervalMs: number;
  /** After so many intervals of silence NATS is asked whether the gateway is still subscribed. */
  readonly maxMisses: number;
  /**
   * How long a gateway counts that is subscribed and says nothing, as one that is paused. Longer than
   * its clients wait for its ping: after that they are on other gateways.
   */
  readonly forgetMs: number;
  /** How long the others have to answer the first hello, and the first after each reconnect. */
  readonly settleMs: number;
  /** How many other gateways are kept in mind at most. */
  readonly maxMembers: number;
}

export const defaultMembersLimits: MembersLimits = {
  helloIntervalMs: 2_000,
  maxMisses: 3,
  forgetMs: 60_000,
  settleMs: 200,
  maxMembers: 1_000,
};

export interface MembersOptions {
  readonly bus: Bus;
  /** A uuid made at the start of this process, so that none ever comes back. */
  readonly gatewayId: string;
  readonly log: Log;
  readonly limits?: Partial<MembersLimits>;
  /** Called each time `settled` becomes true. */
  readonly onSettled?: () => void;
}

/** Whether a gateway that nobody is subscribed for may still be on its way back to NATS. */
export type Absence = "gone" | "perhaps returning";

interface Member {
  /** Intervals of this gateway, and of who told of it, since it was last heard. */
  misses: number;
  /** Heard since this gateway connected to NATS, or told of by one of whom that is true. */
  current: boolean;
  asked: boolean;
}

/** What a gateway tells a new one of the others. */
interface Hearsay {
  readonly gateway: string;
  readonly misses: number;
  readonly current: boolean;
}

type Message =
  /** To all: a gateway has connected, and asks for an answer. */
  | { readonly type: "hello"; readonly gateway: string }
  /** To all: it is still there. */
  | { readonly type: "beat"; readonly gateway: string }
  /** To all: it stops, and has no clients any more. */
  | { readonly type: "bye"; readonly gateway: string }
  /** To one: it is there, and knows these others. */
  | { readonly type: "here"; readonly gateway: string; readonly others: readonly Hearsay[] }
  /** To one: is it still there? */
  | { readonly type: "probe"; readonly gateway: string };

const everyone = "g.hello";

/** Longer messages are none of these; the longest tells of a thousand others. */
const maxMessageBytes = 262_144;

/**
 * The gateways that know each other over NATS. Each says hello when it has connected, and all others
 * answer; then each says now and then that it is there. Who says nothing any more is forgotten when
 * NATS knows of no subscriber for it: a process that died takes its subscriptions with it, one that is
 * paused does not. Time is counted in intervals of one's own, so that neither a pause of this process
 * nor a clock makes the others look silent.
 */
export class Members {
  readonly #bus: Bus;
  readonly #id: string;
  readonly #log: Log;
  readonly #limits: MembersLimits;
  readonly #members = new Map<string, Member>();
  readonly #subscriptions: readonly BusSubscription[];
  readonly #stopListening: () => void;
  readonly #interval: NodeJS.Timeout;
  readonly #onSettled: () => void;
  #settling: NodeJS.Timeout | undefined;
  #settled = false;
  #whenSettled = Promise.withResolvers<undefined>();
  /** Counts connections, so that what began on one has no effect on the next. */
  #connection = 0;
  #intervalsConnected = 0;
  /** Intervals since somebody was turned away. */
  #intervalsComplete = Infinity;
  #stopped = false;

  /** Says hello as soon as there is a connection. */
  constructor({ bus, gatewayId, log, limits, onSettled }: MembersOptions) {
    this.#bus = bus;
    this.#id = gatewayId;
    this.#log = log;
    this.#limits = { ...defaultMembersLimits, ...limits };
    this.#onSettled = onSettled ?? (() => undefined);
    const take = (data: Uint8Array, message: BusMessage): void => {
      this.#take(data, message);
    };
    this.#subscriptions = [
      bus.subscribe(everyone, take),
      bus.subscribe(gatewaySubject(gatewayId), take),
    ];
    this.#interval = setInterval(() => {
      this.#tick();
    }, this.#limits.helloIntervalMs);
    this.#stopListening = bus.onChange((connected) => {
      if (connected) this.#begin();
      else this.#lose();
    });
    if (bus.connected) this.#begin();
  }

  /** The ids of the other gateways. */
  get others(): readonly string[] {
    return [...this.#members.keys()];
  }

  /** False while there are more gateways than may be kept in mind. */
  get complete(): boolean {
    return this.#intervalsComplete > this.#limits.maxMisses;
  }

  /** True while there is a connection and the others had the time to answer the hello on it. */
  get settled(): boolean {
    return this.#settled;
  }

  /**
   * Resolves when `settled` is true, and at `stop`; never rejects. From then on all other gateways know
   * this one: it should take no clients before.
   */
  async whenSettled(): Promise<void> {
    if (this.#settled || this.#stopped) return;
    await this.#whenSettled.promise;
  }

  /**
   * To be called when NATS knows no subscriber for a gateway. It is gone and forgotten, unless it was not
   * heard since this gateway connected and that is a short time ago: when NATS restarts, one gateway
   * is back before the other.
   */
  absent(id: string): Absence {
    const member = this.#members.get(id);
    if (member?.current === false && this.#intervalsConnected <= this.#limits.maxMisses) {
      return "perhaps returning";
    }
    this.#forget(id, "NATS knows no subscriber for it");
    return "gone";
  }

  /** Says goodbye and ends all timers and subscriptions. Idempotent. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#send(everyone, { type: "bye", gateway: this.#id });
    this.#lose();
    clearInterval(this.#interval);
    this.#stopListening();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#members.clear();
    this.#whenSettled.resolve(undefined);
  }

  /** There is a connection: everyone is asked who is there. */
  #begin(): void {
    this.#lose();
    const connection = this.#connection;
    this.#send(everyone, { type: "hello", gateway: this.#id });
    this.#settling = setTimeout(() => {
      // This process may have been busy: what has come to NATS until now is in before its answer.
      this.#bus.flush().then(
        () => {
          if (connection !== this.#connection) return;
          this.#settled = true;
          this.#whenSettled.resolve(undefined);
          this.#onSettled();
        },
        () => undefined, // The connection broke; the next one says hello again.
      );
    }, this.#limits.settleMs);
  }

  /** There is no connection: the others may come and go unheard. */
  #lose(): void {
    this.#connection += 1;
    this.#intervalsConnected = 0;
    clearTimeout(this.#settling);
    if (this.#settled) this.#whenSettled = Promise.withResolvers();
    this.#settled = false;
    for (const member of this.#members.values()) member.current = false;
  }

  #tick(): void {
    if (!this.#bus.connected) return;
    this.#intervalsConnected += 1;
    this.#intervalsComplete += 1;
    this.#send(everyone, { type: "beat", gateway: this.#id });
    const { maxMisses, forgetMs, helloIntervalMs } = this.#limits;
    for (const [id, member] of this.#members) {
      member.misses += 1;
      if (member.misses * helloIntervalMs >= forgetMs) {
        this.#forget(id, "it was silent for too long");
      } else if (member.misses >= maxMisses && !member.asked) {
        member.asked = true;
        void this.#probe(id).finally(() => {
          member.asked = false;
        });
      }
    }
  }

  /** As `absent`, for a part that not every gateway has: the gateway itself is asked whether it is there. */
  async absentPart(id: string): Promise<Absence | "there"> {
    return this.#probe(id);
  }

  /** Asks a silent gateway whether it is there; its answer is taken like any other. */
  async #probe(id: string): Promise<Absence | "there"> {
    const probe = encode({ type: "probe", gateway: this.#id });
    try {
      const { data, subject } = await this.#bus.request(gatewaySubject(id), probe, {
        withinMs: this.#limits.helloIntervalMs,
      });
      this.#take(data, { subject, reply: undefined });
      return "there";
    } catch (error) {
      const isNobody = error instanceof BusError && error.code === "no_responders";
      return isNobody ? this.absent(id) : "perhaps returning";
    }
  }

  #take(data: Uint8Array, { subject, reply }: Pick<BusMessage, "subject" | "reply">): void {
    const message = decode(data);
    if (this.#stopped || message === undefined || message.gateway === this.#id) return;
    const { gateway } = message;
    switch (message.type) {
      case "bye":
        this.#forget(gateway, "it stopped");
        return;
      case "hello":
        this.#hear(gateway);
        this.#answer(gatewaySubject(gateway));
        return;
      case "probe":
        if (reply !== undefined && subject !== everyone) this.#answer(reply);
        return;
      case "beat":
        this.#hear(gateway);
        return;
      case "here":
        this.#hear(gateway);
        for (const { gateway: other, misses, current } of message.others) {
          // Who is paused cannot speak for itself. What this gateway knows, it knows better.
          if (other === this.#id || this.#members.has(other)) continue;
          this.#add(other, { misses, current, asked: false });
        }
        return;
    }
  }

  #hear(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined) {
      this.#add(id, { misses: 0, current: true, asked: false });
    } else {
      member.misses = 0;
      member.current = true;
    }
  }

  #add(id: string, member: Member): void {
    if (this.#members.size >= this.#limits.maxMembers) {
      if (this.complete) this.#log.warn({ gateway: id }, "there are more gateways than allowed");
      this.#intervalsComplete = 0;
      return;
    }
    this.#members.set(id, member);
    this.#log.info({ gateway: id, gateways: this.#members.size + 1 }, "another gateway is there");
  }

  #forget(id: string, reason: string): void {
    if (!this.#members.delete(id)) return;
    const gateways = this.#members.size + 1;
    this.#log.info({ gateway: id, gateways, reason }, "another gateway is gone");
  }

  #answer(subject: string): void {
    const others = [...this.#members].map(([gateway, { misses, current }]) => ({
      gateway,
      misses,
      current,
    }));
    this.#send(subject, { type: "here", gateway: this.#id, others });
  }

  #send(subject: string, message: Message): void {
    try {
      this.#bus.send(subject, encode(message));
    } catch (error) {
      // Without a connection nobody hears anything; with the next one hello is said again.
      if (!(error instanceof BusError)) throw error;
    }
  }
}

/** The subject that a gateway listens at; what is below it is its own too. */
export function gatewaySubject(id: string): string {
  return `g.${id}`;
}

function encode(message: Message): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}

/** The message, or undefined for what is none, from whoever. */
function decode(data: Uint8Array): Message | undefined {
  const value = data.length > maxMessageBytes ? undefined : parseJson(data);
  if (!isRecord(value)) return undefined;
  const { type, gateway, others } = value;
  if (!isGatewayId(gateway)) return undefined;
  switch (type) {
    case "hello":
    case "beat":
    case "bye":
    case "probe":
      return { type, gateway };
    case "here":
      return { type, gateway, others: Array.isArray(others) ? others.filter(isHearsay) : [] };
    default:
      return undefined;
  }
}

function isHearsay(value: unknown): value is Hearsay {
  if (!isRecord(value)) return false;
  const { gateway, misses, current } = value;
  return (
    isGatewayId(gateway) &&
    Number.isSafeInteger(misses) &&
    Number(misses) >= 0 &&
    typeof current === "boolean"
  );
}

/** Ids become a part of subjects. */
function isGatewayId(value: unknown): value is string {
  return typeof value === "string" && /^[\w-]{8,64}$/.test(value);
}
