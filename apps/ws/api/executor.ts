import { topicSubject } from "../../lib/topic-subject.ts";
import type { ChannelRules } from "../channel/rules.ts";
import { publicationOf, publicationsWithin } from "../client/encodings.ts";
import { readHistory } from "../client/read-history.ts";
import type { ChannelOptions } from "../config/options.ts";
import { Counting } from "../history/counted.ts";
import type { History } from "../history/history.ts";
import type { JetStream } from "../history/jetstream.ts";
import { streamName } from "../history/streams.ts";
import { Turns } from "../history/turns.ts";
import type { PresenceService } from "../presence/presence.ts";
import { errors } from "../protocol/codes.ts";
import { jsonCodec } from "../protocol/json/codec.ts";
import { encodeClientInfo, textOf } from "../protocol/json/encode.ts";
import type { Calls } from "../rpc/calls.ts";
import type { Shared } from "../shared.ts";
import type { Cluster } from "./cluster.ts";
import { type ApiError, badRequest, errorText, type Outcome } from "./errors.ts";
import { errorOf, type Published, type Publisher } from "./publisher.ts";
import type { Batch, Call, Requests } from "./requests.ts";

export interface ExecutorOptions {
  readonly shared: Pick<Shared, "hub">;
  readonly rules: ChannelRules;
  readonly publisher: Publisher;
  readonly history: History;
  readonly jetStream: JetStream;
  readonly presence: Pick<PresenceService, "ask" | "stats">;
  readonly cluster: Cluster;
  readonly calls: Pick<Calls, "callAsService">;
  readonly limits: ExecutorLimits;
}

export interface ExecutorLimits {
  /** How long NATS may take. */
  readonly answerMs: number;
  /** Publications in one answer, and their size. */
  readonly maxPublications: number;
  readonly maxAnswerSize: number;
}

/** How many commands of one parallel batch are under way. */
const parallelCommands = 64;
/** Large answers that are made at a time, whoever asks. */
const largeAnswers = 4;
/** Characters of all answers of a batch. */
const maxBatchSize = 33_554_432;

const empty = "{}";

/** Carries out the calls of the server API. Results are JSON text, in which payloads are as they were published. */
export class Executor {
  readonly #options: ExecutorOptions;
  readonly #large = new Turns(largeAnswers);

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  async execute(call: Call | Batch): Promise<Outcome<string>> {
    if (call.method === "batch") return { result: await this.#batch(call) };
    try {
      return await this.#call(call);
    } catch (error) {
      return { error: errorOf(error) };
    }
  }

  async #batch({ commands, parallel }: Batch): Promise<string> {
    const replies = new Array<string>(commands.length);
    let size = 0;
    const run = async (index: number): Promise<void> => {
      const command = commands[index];
      if (command === undefined) return;
      const outcome = "error" in command ? command : await this.execute(command);
      let reply = "method" in command ? replyOf(command.method, outcome) : replyOf("", outcome);
      size += reply.length;
      // What was asked for was done; only what came of it is too much for one answer.
      if (size > maxBatchSize) reply = replyOf("", { error: tooLarge });
      replies[index] = reply;
    };
    if (parallel) {
      const turns = new Turns(parallelCommands);
      await Promise.all(commands.map((_, index) => turns.run(() => run(index))));
    } else for (const index of commands.keys()) await run(index);
    return `{"replies":[${replies.join(",")}]}`;
  }

  async #call(call: Call): Promise<Outcome<string>> {
    const { publisher, cluster } = this.#options;
    switch (call.method) {
      case "publish":
        return published(await publisher.publish(call.request.channel, call.request));
      case "broadcast": {
        const responses = await publisher.broadcast(call.request.channels, call.request);
        return { result: `{"responses":[${responses.map(responseOf).join(",")}]}` };
      }
      case "subscribe":
        return this.#subscribe(call.request);
      case "unsubscribe": {
        const { channel, target } = call.request;
        const error = channel === "" ? undefined : this.#problem(channel);
        if (error !== undefined) return { error };
        return ordered(await cluster.order(target, { order: "unsubscribe", channel }));
      }
      case "disconnect": {
        const { target, disconnect, whitelist } = call.request;
        return ordered(await cluster.disconnect(target, disconnect, whitelist));
      }
      case "refresh": {
        const { target, expired, expireAt, info } = call.request;
        const what = { order: "refresh", expired, expireAt, info } as const;
        return ordered(await cluster.order(target, what));
      }
      case "presence":
        return this.#presence(call.request.channel);
      case "presence_stats":
        return this.#presenceStats(call.request.channel);
      case "history":
        return this.#large.run(() => this.#history(call.request));
      case "history_remove":
        return this.#removeHistory(call.request.channel);
      case "channels":
        return this.#channels(call.request.pattern);
      case "info": {
        const nodes = await cluster.info();
        return "code" in nodes ? { error: nodes } : { result: JSON.stringify({ nodes }) };
      }
      case "rpc":
        return this.#rpc(call.request);
    }
  }

  async #subscribe(request: Requests["subscribe"]): Promise<Outcome<string>> {
    const { channel, target, override, info, data, expireAt, recoverSince } = request;
    const error = this.#problem(channel);
    if (error !== undefined) return { error };
    const details = { info, data, expireAt, recoverSince };
    const what = { order: "subscribe", channel, override, ...details } as const;
    return ordered(await this.#options.cluster.order(target, what));
  }

  async #presence(channel: string): Promise<Outcome<string>> {
    const error = this.#problem(channel, ({ presence }) => presence);
    if (error !== undefined) return { error };
    const { clients, complete } = await this.#options.presence.ask(channel);
    const all = [...clients].map(([id, info]) => `${JSON.stringify(id)}:${encodeClientInfo(info)}`);
    // As in the protocol, and no error: what there is may be enough.
    const incomplete = complete ? "" : ',"incomplete":true';
    return { result: `{"presence":{${all.join(",")}}${incomplete}}` };
  }

  async #presenceStats(channel: string): Promise<Outcome<string>> {
    const error = this.#problem(channel, ({ presence }) => presence);
    if (error !== undefined) return { error };
    const { numClients, numUsers, complete } = await this.#options.presence.stats(channel);
    const stats = { num_clients: numClients, num_users: numUsers };
    return { result: JSON.stringify(complete ? stats : { ...stats, incomplete: true }) };
  }

  async #history({
    channel,
    limit,
    since,
    reverse,
  }: Requests["history"]): Promise<Outcome<string>> {
    const { shared, limits } = this.#options;
    const error = this.#problem(channel, hasHistory);
    if (error !== undefined) return { error };
    const most = limits.maxPublications;
    const request = { limit: limit < 0 ? most : Math.min(limit, most), since, reverse };
    const deadline = performance.now() + limits.answerMs;
    const read = await readHistory(shared, channel, request, deadline);
    if (read === undefined) return { error: errors.unrecoverablePosition };
    const texts = publicationsWithin(read.messages, limits.maxAnswerSize, (message) =>
      publicationOf(jsonCodec, message),
    );
    const { offset, epoch } = read.position;
    const publications = texts.join(",");
    const position = `"epoch":${JSON.stringify(epoch)},"offset":${offset}`;
    return { result: `{"publications":[${publications}],${position}}` };
  }

  /**
   * Purges the channel, and counts it anew: everybody who follows it, here and elsewhere, is told that
   * the old positions mean nothing any more.
   */
  async #removeHistory(channel: string): Promise<Outcome<string>> {
    const { history, jetStream, limits } = this.#options;
    const error = this.#problem(channel, hasHistory);
    if (error !== undefined) return { error };
    const namespace = history.namespaceOf(channel);
    if (namespace === undefined) return { error: errors.notAvailable };
    const deadline = performance.now() + limits.answerMs;
    const counting = new Counting(history, channel);
    try {
      await counting.ready(deadline);
      await jetStream.purge(streamName(namespace), topicSubject(channel));
      await counting.fresh(deadline);
      return { result: empty };
    } finally {
      counting.end();
    }
  }

  async #channels(pattern: string): Promise<Outcome<string>> {
    const channels = await this.#options.cluster.channels(pattern);
    if ("code" in channels) return { error: channels };
    const all = [...channels].map(
      ([channel, clients]) => `${JSON.stringify(channel)}:{"num_clients":${clients}}`,
    );
    return { result: `{"channels":{${all.join(",")}}}` };
  }

  async #rpc({ method, params }: Requests["rpc"]): Promise<Outcome<string>> {
    const outcome = await this.#options.calls.callAsService(method, Buffer.from(params));
    if (!outcome.ok) return { error: outcome.error };
    return { result: `{"data":${textOf(jsonCodec.payload(outcome.data))}}` };
  }

  /** Why nothing can be done on a channel; undefined when it can. */
  #problem(
    channel: string,
    isAvailable: (options: ChannelOptions) => boolean = () => true,
  ): ApiError | undefined {
    const { rules } = this.#options;
    const problem = rules.problem(channel);
    if (problem !== undefined) return badRequest(problem);
    const options = rules.options(channel);
    if (options === undefined) return errors.unknownChannel;
    return isAvailable(options) ? undefined : errors.notAvailable;
  }
}

const tooLarge: ApiError = {
  code: errors.limitExceeded.code,
  message: "limit exceeded: the answers of the batch are too large; this command was carried out",
};

function hasHistory({ history_size: size, history_ttl: ttl }: ChannelOptions): boolean {
  return size > 0 && ttl > 0;
}

function ordered(error: ApiError | undefined): Outcome<string> {
  return error === undefined ? { result: empty } : { error };
}

function published(outcome: Published): Outcome<string> {
  if (outcome.result === undefined) return outcome;
  return { result: JSON.stringify(outcome.result ?? {}) };
}

function responseOf(outcome: Published): string {
  const answer = published(outcome);
  return answer.result === undefined ? errorText(answer.error) : `{"result":${answer.result}}`;
}

function replyOf(method: string, outcome: Outcome<string>): string {
  const { result } = outcome;
  return result === undefined ? errorText(outcome.error) : `{${JSON.stringify(method)}:${result}}`;
}
