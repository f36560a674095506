import { type Bus, BusError, type BusMessage, type BusSubscription } from "../../lib/bus.ts";
import type { Log } from "../../lib/log.ts";
import type { ClientInfo } from "./client-info.ts";
import { gatewaySubject, Members, type MembersLimits } from "./members.ts";
import { askOthers, isNobody } from "./others.ts";
import {
  badQuestion,
  decodePage,
  decodeQuestion,
  encodePage,
  encodeQuestion,
  type Question,
} from "./pages.ts";

export type { ClientInfo } from "./client-info.ts";

export interface PresenceLimits {
  /** From the question to the answer, whatever the other gateways do. */
  readonly askMs: number;
  /** How many clients an answer has at most. */
  readonly maxClients: number;
  /** How many bytes of answers are taken from other gateways for one question. */
  readonly maxBytes: number;
  /** What one message between gateways carries at most; NATS takes 1 MB. */
  readonly maxPageBytes: number;
  /** How many channels are asked for at a time; more wait. */
  readonly maxRounds: number;
  /** How long a question waits for another one about the same channel to end. */
  readonly gatherMs: number;
}

export const defaultPresenceLimits: PresenceLimits = {
  askMs: 500,
  maxClients: 10_000,
  maxBytes: 8_388_608,
  maxPageBytes: 262_144,
  maxRounds: 256,
  gatherMs: 50,
};

/** Shared by those who asked together, so that what is made of it can be shared, too. */
export interface Presence {
  /** By client id. */
  readonly clients: ReadonlyMap<string, ClientInfo>;
  /** False when a gateway did not answer in time, or a limit was reached. */
  readonly complete: boolean;
}

export interface PresenceStats {
  readonly numClients: number;
  readonly numUsers: number;
  readonly complete: boolean;
}

export interface PresenceOptions {
  readonly bus: Bus;
  /** A uuid made at the start of this process. */
  readonly gatewayId: string;
  /** The clients of this gateway that are present in a channel, by client id. */
  readonly local: (channel: string) => ReadonlyMap<string, ClientInfo>;
  readonly log: Log;
  readonly limits?: Partial<PresenceLimits & MembersLimits>;
}

/** One question to all gateways; those who ask before it is sent share it. */
interface Round {
  readonly channel: string;
  readonly deadline: number;
  readonly answer: PromiseWithResolvers<Presence>;
  readonly timer: NodeJS.Timeout;
  /** While it waits for another one about the same channel. */
  gathering: NodeJS.Timeout | undefined;
  started: boolean;
  ended: boolean;
  readonly clients: Map<string, ClientInfo>;
  bytes: number;
  complete: boolean;
}

/**
 * Who is in a channel. Nothing is stored anywhere: each question goes to all gateways, and each answers for its
 * own clients. So the clients of a gateway that died are gone with it; one that is paused makes the
 * answer late, and then it says that it is not complete. One that lost its connection to NATS counts like one
 * that died until it is back.
 */
export class PresenceService {
  readonly members: Members;
  readonly #bus: Bus;
  readonly #local: (channel: string) => ReadonlyMap<string, ClientInfo>;
  readonly #log: Log;
  readonly #limits: PresenceLimits;
  readonly #subscription: BusSubscription;
  /** Not sent yet: the round of a channel that the next who asks joins. */
  readonly #waiting = new Map<string, Round>();
  /** Of those the ones that only wait for their turn. */
  readonly #ready = new Set<Round>();
  readonly #running = new Map<string, Set<Round>>();
  readonly #stats = new WeakMap<Presence, PresenceStats>();
  #runningCount = 0;
  #stopped = false;

  constructor({ bus, gatewayId, local, log, limits }: PresenceOptions) {
    this.#bus = bus;
    this.#local = local;
    this.#log = log;
    this.#limits = { ...defaultPresenceLimits, ...limits };
    // Before the first hello: whoever knows this gateway can ask it.
    this.#subscription = bus.subscribe(presenceSubject(gatewayId), (data, message) => {
      this.#answer(data, message);
    });
    this.members = new Members({
      bus,
      gatewayId,
      log,
      onSettled: () => {
        this.#startReady();
      },
      ...(limits === undefined ? {} : { limits }),
    });
  }

  /**
   * The clients in a channel on all gateways. The answer is never older than the question: every client
   * is in it that was there all the time between them, and none that was not there at any time between
   * them. Never rejects.
   */
  ask(channel: string): Promise<Presence> {
    const waiting = this.#waiting.get(channel);
    if (waiting !== undefined) return waiting.answer.promise;
    const round: Round = {
      channel,
      deadline: performance.now() + this.#limits.askMs,
      answer: Promise.withResolvers(),
      timer: setTimeout(() => {
        round.complete = false;
        this.#end(round);
      }, this.#limits.askMs),
      gathering: undefined,
      started: false,
      ended: false,
      clients: new Map(),
      bytes: 0,
      complete: true,
    };
    if (this.#stopped) {
      round.complete = false;
      this.#end(round);
      return round.answer.promise;
    }
    this.#waiting.set(channel, round);
    if (this.#running.has(channel)) {
      // A gateway that is late must not hold up who asks meanwhile for as long again.
      round.gathering = setTimeout(() => {
        this.#ready.add(round);
        this.#startReady();
      }, this.#limits.gatherMs);
    } else {
      this.#ready.add(round);
      this.#startReady();
    }
    return round.answer.promise;
  }

  /** How many clients and users are in a channel; otherwise as `ask`. Never rejects. */
  async stats(channel: string): Promise<PresenceStats> {
    const presence = await this.ask(channel);
    let stats = this.#stats.get(presence);
    if (stats === undefined) {
      const { clients, complete } = presence;
      const users = new Set<string>();
      for (const { user } of clients.values()) users.add(user);
      stats = { numClients: clients.size, numUsers: users.size, complete };
      this.#stats.set(presence, stats);
    }
    return stats;
  }

  /**
   * Says goodbye to the other gateways, answers what was asked, and ends all timers and subscriptions.
   * To be called when there are no clients any more. Idempotent.
   */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.members.stop();
    this.#subscription.unsubscribe();
    for (const round of [
      ...this.#waiting.values(),
      ...[...this.#running.values()].flatMap((set) => [...set]),
    ]) {
      round.complete = false;
      this.#end(round);
    }
  }

  #startReady(): void {
    for (const round of this.#ready) {
      // Without a connection all wait, and end when their time is over.
      if (!this.members.settled || this.#runningCount >= this.#limits.maxRounds) return;
      this.#leaveQueue(round);
      round.started = true;
      this.#runningCount += 1;
      const running = this.#running.get(round.channel);
      if (running === undefined) this.#running.set(round.channel, new Set([round]));
      else running.add(round);
      this.#collect(round).then(
        () => {
          this.#end(round);
        },
        (error: unknown) => {
          this.#log.error({ err: error }, "bug: a question for presence failed");
          round.complete = false;
          this.#end(round);
        },
      );
    }
  }

  #leaveQueue(round: Round): void {
    clearTimeout(round.gathering);
    this.#ready.delete(round);
    if (this.#waiting.get(round.channel) === round) this.#waiting.delete(round.channel);
  }

  /** Answers with what has come, and with this gateway's own clients as they are now. Idempotent. */
  #end(round: Round): void {
    if (round.ended) return;
    round.ended = true;
    clearTimeout(round.timer);
    this.#leaveQueue(round);
    for (const [id, info] of this.#local(round.channel)) this.#put(round, id, info);
    const { clients, complete } = round;
    round.answer.resolve({ clients, complete: complete && this.members.complete });
    if (!round.started) return;
    this.#runningCount -= 1;
    const running = this.#running.get(round.channel);
    running?.delete(round);
    if (running?.size === 0) {
      this.#running.delete(round.channel);
      const next = this.#waiting.get(round.channel);
      if (next !== undefined) {
        clearTimeout(next.gathering);
        this.#ready.add(next);
      }
    }
    this.#startReady();
  }

  async #collect(round: Round): Promise<void> {
    const complete = await askOthers({
      bus: this.#bus,
      members: this.members,
      ask: (id) => this.#askOne(round, id),
      ended: () => round.ended,
    });
    if (!complete) round.complete = false;
  }

  /** Takes a gateway's clients, page by page; when it is gone, none. */
  async #askOne(round: Round, id: string): Promise<void> {
    const { maxClients, maxBytes } = this.#limits;
    const found: string[] = [];
    let after = "";
    try {
      for (;;) {
        const withinMs = Math.ceil(round.deadline - performance.now());
        // Whether there is one too many is seen when it is there.
        const room = Math.max(1, maxClients - round.clients.size);
        if (withinMs <= 0 || round.bytes > maxBytes) break;
        const question: Question = { channel: round.channel, after, maxClients: room };
        const { data } = await this.#bus.request(presenceSubject(id), encodeQuestion(question), {
          withinMs,
        });
        if (round.ended) return;
        round.bytes += data.length;
        const page = decodePage(data, question);
        if (page === undefined) {
          this.#log.warn({ gateway: id }, "a gateway answers what is no page of clients");
          break;
        }
        if (!page.complete) round.complete = false;
        for (const info of page.clients) {
          if (!this.#put(round, info.client, info)) return;
          found.push(info.client);
        }
        if (page.more === undefined) return;
        after = page.more;
      }
    } catch (error) {
      if (round.ended) return;
      if (!(error instanceof BusError)) throw error;
      if (isNobody(error) && this.members.absent(id) === "gone") {
        for (const client of found) round.clients.delete(client);
        return;
      }
    }
    round.complete = false;
  }

  /** @returns false when there is no room for the client */
  #put(round: Round, id: string, info: ClientInfo): boolean {
    if (round.clients.size >= this.#limits.maxClients && !round.clients.has(id)) {
      round.complete = false;
      return false;
    }
    round.clients.set(id, info);
    return true;
  }

  /** Answers another gateway's question with this one's own clients. */
  #answer(data: Uint8Array, { reply }: BusMessage): void {
    if (reply === undefined) return;
    const question = decodeQuestion(data);
    const page =
      question === undefined
        ? badQuestion
        : encodePage(this.#local(question.channel), question, this.#limits.maxPageBytes);
    try {
      this.#bus.send(reply, page);
    } catch (error) {
      // Who asks sees that no answer comes.
      this.#log.warn({ err: error }, "cannot answer another gateway");
    }
  }
}

/** Where a gateway is asked for its clients in a channel. */
function presenceSubject(id: string): string {
  return `${gatewaySubject(id)}.presence`;
}
