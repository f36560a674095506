import * as z from "zod";
import { type Bus, BusError } from "../../lib/bus.ts";
import type { Log } from "../../lib/log.ts";
import type { Connection } from "../client/connection.ts";
import type { Registry, Target } from "../client/registry.ts";
import { parseJson } from "../json.ts";
import type { Members } from "../presence/members.ts";
import { Scatter } from "../presence/scatter.ts";
import { errors } from "../protocol/codes.ts";
import type { Order } from "../protocol/control.ts";
import type { Closing } from "../transport/link.ts";
import { type ApiError, badRequest, internal } from "./errors.ts";
import { matches } from "./pattern.ts";

/** What a gateway tells of itself. */
export interface NodeInfo {
  readonly uid: string;
  readonly name: string;
  readonly version: string;
  readonly num_clients: number;
  readonly num_users: number;
  readonly num_channels: number;
  readonly num_subs: number;
  /** Seconds. */
  readonly uptime: number;
  readonly process: { readonly cpu: number; readonly rss: number };
}

/** What of this gateway is asked for. */
export interface LocalGateway {
  readonly clients: Pick<Registry<Connection>, "find">;
  readonly members: Members;
  /** Channels that have subscribers, and how many. */
  channels(): Iterable<readonly [channel: string, clients: number]>;
  info(): NodeInfo;
}

export interface ClusterLimits {
  /** How long gateways may take to do something. */
  readonly orderMs: number;
  readonly askMs: number;
  /** What one order may take, as other gateways are asked for it; NATS takes 1 MB. */
  readonly maxOrderBytes: number;
  /** How many channels are told of. */
  readonly maxChannels: number;
  /** How many bytes of names one message between gateways has; NATS takes 1 MB. */
  readonly maxPageBytes: number;
}

export const defaultClusterLimits: ClusterLimits = {
  orderMs: 5_000,
  askMs: 2_000,
  maxOrderBytes: 524_288,
  maxChannels: 100_000,
  maxPageBytes: 262_144,
};

const text = z.string();
const target = z.object({
  user: text.optional(),
  client: text.optional(),
  session: text.optional(),
});
const override = z.object({
  presence: z.boolean().exactOptional(),
  join_leave: z.boolean().exactOptional(),
  force_recovery: z.boolean().exactOptional(),
  force_positioning: z.boolean().exactOptional(),
  force_push_join_leave: z.boolean().exactOptional(),
});
const order = z.discriminatedUnion("order", [
  z.object({
    order: z.literal("subscribe"),
    channel: text,
    override,
    info: text.optional(),
    data: text.optional(),
    expireAt: z.number().optional(),
    recoverSince: z.object({ offset: z.number(), epoch: text }).optional(),
  }),
  z.object({ order: z.literal("unsubscribe"), channel: text }),
  z.object({
    order: z.literal("refresh"),
    expired: z.boolean(),
    expireAt: z.number().optional(),
    info: text.optional(),
  }),
]) satisfies z.ZodType<Order>;

/** What one gateway asks of another. */
const question = z.discriminatedUnion("ask", [
  z.object({ ask: z.literal("order"), target, order }),
  z.object({
    ask: z.literal("disconnect"),
    target,
    code: z.number(),
    reason: text,
    whitelist: z.array(text),
  }),
  z.object({ ask: z.literal("channels"), pattern: text, after: text }),
  z.object({ ask: z.literal("info") }),
]);
type Question = z.infer<typeof question>;

const done = z.object({ error: z.object({ code: z.number(), message: text }).optional() });
const page = z.object({
  channels: z.array(z.tuple([text, z.number()])),
  /** What to ask after for the next page; absent: there is none. */
  more: text.optional(),
});
const node = z.object({
  ...{ uid: text, name: text, version: text },
  ...{ num_clients: z.number(), num_users: z.number(), num_channels: z.number() },
  ...{ num_subs: z.number(), uptime: z.number() },
  process: z.object({ cpu: z.number(), rss: z.number() }),
});

const notAll = internal("some gateway did not answer in time");

/**
 * All gateways, as the server API sees them: whatever gateway it is called on, what it does reaches the
 * clients of every one, and it has a success only when every one has done it.
 */
export class Cluster {
  readonly #local: () => LocalGateway;
  readonly #scatter: Scatter;
  readonly #limits: ClusterLimits;

  /** @param local this gateway; asked for when the first question comes */
  constructor({
    bus,
    gatewayId,
    log,
    local,
    limits,
  }: {
    readonly bus: Bus;
    readonly gatewayId: string;
    readonly log: Log;
    readonly local: () => LocalGateway;
    readonly limits?: Partial<ClusterLimits>;
  }) {
    this.#local = local;
    this.#limits = { ...defaultClusterLimits, ...limits };
    this.#scatter = new Scatter({
      ...{ bus, gatewayId, log, part: "api" },
      answer: (data) => this.#answer(data),
    });
  }

  /** Has all connections that are meant carry out an order; undefined when they have. */
  async order(who: Target, what: Order): Promise<ApiError | undefined> {
    return this.#do({ ask: "order", target: who, order: what });
  }

  /** Ends all connections that are meant but those of the clients on the whitelist. */
  async disconnect(
    who: Target,
    { code, reason }: Closing,
    whitelist: readonly string[],
  ): Promise<ApiError | undefined> {
    const list = [...whitelist];
    return this.#do({ ask: "disconnect", target: who, code, reason, whitelist: list });
  }

  /** The channels that have subscribers on any gateway, and how many. */
  async channels(pattern: string): Promise<ReadonlyMap<string, number> | ApiError> {
    const { askMs, maxChannels } = this.#limits;
    const all = new Map<string, number>();
    const add = (channel: string, clients: number): void => {
      // One more than there may be says that there are too many.
      if (all.size > maxChannels) return;
      all.set(channel, (all.get(channel) ?? 0) + clients);
    };
    for (const [channel, clients] of this.#local().channels()) {
      if (matches(channel, pattern)) add(channel, clients);
    }
    const complete = await this.#others(askMs, async (put) => {
      let after = "";
      do {
        const { channels, more } = await put({ ask: "channels", pattern, after }, page);
        for (const [channel, clients] of channels) add(channel, clients);
        // Each page goes on behind the one before, so that there is an end.
        if (more === undefined || more <= after) return;
        after = more;
      } while (all.size <= maxChannels);
    });
    if (all.size > maxChannels) return tooManyChannels(maxChannels);
    return complete ? all : notAll;
  }

  async info(): Promise<readonly NodeInfo[] | ApiError> {
    const nodes = [this.#local().info()];
    const complete = await this.#others(this.#limits.askMs, async (put) => {
      nodes.push(await put({ ask: "info" }, node));
    });
    return complete ? nodes : notAll;
  }

  stop(): void {
    this.#scatter.stop();
  }

  async #do(
    what: Extract<Question, { ask: "order" | "disconnect" }>,
  ): Promise<ApiError | undefined> {
    // Nothing is done here that the others cannot be asked for.
    const size = Buffer.byteLength(JSON.stringify(what));
    if (size > this.#limits.maxOrderBytes) return tooLarge(this.#limits.maxOrderBytes);
    const failures: ApiError[] = [];
    const note = ({ error }: z.infer<typeof done>): void => {
      if (error !== undefined) failures.push(error);
    };
    const [complete] = await Promise.all([
      this.#others(this.#limits.orderMs, async (put) => {
        note(await put(what, done));
      }),
      this.#carryOut(what).then(note),
    ]);
    // That it was done everywhere else says nothing where it was not.
    return complete ? failures[0] : notAll;
  }

  async #others(
    withinMs: number,
    ask: (put: <T>(what: Question, answer: z.ZodType<T>) => Promise<T>) => Promise<void>,
  ): Promise<boolean> {
    return this.#scatter.others(this.#local().members, withinMs, async (put) => {
      await ask(async (what, answer) => {
        const given = answer.safeParse(parseJson(await put(Buffer.from(JSON.stringify(what)))));
        if (given.success) return given.data;
        throw new BusError("unavailable", "it answers what is no answer");
      });
    });
  }

  async #carryOut(
    what: Extract<Question, { ask: "order" | "disconnect" }>,
  ): Promise<z.infer<typeof done>> {
    const found = this.#local().clients.find(what.target);
    if (what.ask === "disconnect") {
      const { code, reason, whitelist } = what;
      for (const each of found) {
        if (!whitelist.includes(each.client)) each.close({ code, reason });
      }
      return {};
    }
    const failures = await Promise.all(found.map((each) => each.order(what.order)));
    const error = failures.find((each) => each !== undefined);
    return error === undefined ? {} : { error: { code: error.code, message: error.message } };
  }

  async #answer(data: Uint8Array): Promise<Uint8Array | undefined> {
    const asked = question.safeParse(parseJson(data));
    if (!asked.success) return undefined;
    return Buffer.from(JSON.stringify(await this.#answerTo(asked.data)));
  }

  async #answerTo(asked: Question): Promise<object> {
    switch (asked.ask) {
      case "order":
      case "disconnect":
        return this.#carryOut(asked);
      case "channels":
        return this.#page(asked.pattern, asked.after);
      case "info":
        return this.#local().info();
    }
  }

  #page(pattern: string, after: string): z.infer<typeof page> {
    const rest = [...this.#local().channels()]
      .filter(([channel]) => channel > after && matches(channel, pattern))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const channels: [string, number][] = [];
    let bytes = 0;
    for (const [channel, clients] of rest) {
      // In JSON a character may take six.
      bytes += 6 * channel.length + 24;
      const last = channels.at(-1)?.[0];
      if (bytes > this.#limits.maxPageBytes && last !== undefined) return { channels, more: last };
      channels.push([channel, clients]);
    }
    return { channels };
  }
}

function tooLarge(maxBytes: number): ApiError {
  return badRequest(`info, data and whitelist take more than ${maxBytes} bytes`);
}

function tooManyChannels(max: number): ApiError {
  const message = `limit exceeded: there are more than ${max} channels that match; give a pattern`;
  return { code: errors.limitExceeded.code, message };
}
