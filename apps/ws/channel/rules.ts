import { ConfigError } from "../config/options.ts";
import type { ChannelOptions, GatewayConfig } from "../config/options.ts";
import { topicProblem } from "../topic.ts";

/** What a token may set anew for one subscription; what it does not name stays as configured. */
export type ChannelOverride = Partial<
  Pick<
    ChannelOptions,
    "presence" | "join_leave" | "force_push_join_leave" | "force_recovery" | "force_positioning"
  >
>;

/** What the rules need of the configuration. */
export interface RulesConfig {
  readonly client: Pick<GatewayConfig["client"], "subscribe_to_user_personal_channel">;
  readonly channel: Omit<GatewayConfig["channel"], "history_meta_ttl">;
}

/** Who asks. An empty user id is an anonymous client; `insecure` is `client.insecure`: all is allowed. */
export interface Asker {
  readonly user: string;
  readonly insecure: boolean;
}

/** `token`: with a valid subscription token for this channel only. */
export type SubscribeAnswer = "yes" | "token" | "no";

/** The options of a channel as a token's override changes them. */
export function applyOverride(options: ChannelOptions, override: ChannelOverride): ChannelOptions {
  return { ...options, ...override };
}

interface Namespace {
  readonly options: ChannelOptions;
  /** What the channel's name must match; undefined: it may be any. */
  readonly pattern: RegExp | undefined;
}

/** A channel's name, taken apart. */
interface Name {
  readonly isPrivate: boolean;
  /** Empty: none. */
  readonly namespace: string;
  /** What follows the namespace; without one, all of the name, a private prefix too. */
  readonly rest: string;
}

/**
 * Which channels there can be, which options they have, and who may do what on them. Pure.
 *
 * Whoever is asked for something asks `problem` first (error 107), then `options` (102), then whether it
 * is allowed (103). A valid subscription token allows to subscribe whatever is answered here.
 */
export class ChannelRules {
  readonly #config: RulesConfig;
  /** By name; the empty one is of the channels without namespace. */
  readonly #namespaces: ReadonlyMap<string, Namespace>;

  /** @throws ConfigError that names each `channel_regex` that is none */
  constructor(config: RulesConfig) {
    this.#config = config;
    const problems: string[] = [];
    const { without_namespace, namespaces } = config.channel;
    this.#namespaces = new Map(
      [
        { name: "", options: without_namespace, path: "channel.without_namespace" },
        ...namespaces.map((options, index) => ({
          name: options.name,
          options,
          path: `channel.namespaces[${index}]`,
        })),
      ].map(({ name, options, path }) => [
        name,
        { options, pattern: compile(options.channel_regex, `${path}.channel_regex`, problems) },
      ]),
    );
    if (problems.length > 0) throw new ConfigError(problems);
  }

  /** Why a text cannot be a channel; undefined when it can, be its namespace known or not. */
  problem(channel: string): string | undefined {
    const problem = topicProblem(channel, this.#config.channel.max_length);
    if (problem !== undefined) return problem;
    const { namespace, rest } = this.#parse(channel);
    return this.#namespaces.get(namespace)?.pattern?.test(rest) === false
      ? "the channel does not match channel_regex"
      : undefined;
  }

  /** The options of a channel's namespace; undefined when there is no such namespace. */
  options(channel: string): ChannelOptions | undefined {
    return this.#namespaces.get(this.#parse(channel).namespace)?.options;
  }

  /** Whether a client may subscribe; `no`: there can be no such channel, whatever a token says. */
  maySubscribe(who: Asker, channel: string): SubscribeAnswer {
    const options = this.options(channel);
    if (options === undefined || this.problem(channel) !== undefined) return "no";
    if (who.insecure) return "yes";
    const { isPrivate, rest } = this.#parse(channel);
    if (isPrivate) return "token";
    if (channel === this.personalChannel(who.user)) return "yes";
    const { user_boundary: boundary } = this.#config.channel;
    if (options.allow_user_limited_channels && channel.includes(boundary)) {
      return this.#isAmongUsers(who.user, channel) ? "yes" : "token";
    }
    // It has the form of a personal channel, and belongs to that user even where nothing says so.
    if (rest.startsWith(boundary)) return "token";
    const { allow_subscribe_for_client: forClient, allow_subscribe_for_anonymous: forAnonymous } =
      options;
    return isAllowed(who, forClient, forAnonymous) ? "yes" : "token";
  }

  /** Whether a client may publish. */
  mayPublish(who: Asker, channel: string, subscribed: boolean): boolean {
    const options = this.options(channel);
    if (options === undefined) return false;
    return isAllowed(
      who,
      options.allow_publish_for_client || (subscribed && options.allow_publish_for_subscriber),
      options.allow_publish_for_anonymous,
    );
  }

  /** Whether a client may ask who is there, and be told who joins and leaves. */
  mayPresence(who: Asker, channel: string, subscribed: boolean): boolean {
    const options = this.options(channel);
    if (options === undefined) return false;
    return isAllowed(
      who,
      options.allow_presence_for_client || (subscribed && options.allow_presence_for_subscriber),
      options.allow_presence_for_anonymous,
    );
  }

  /** Whether a client may read what was published. */
  mayHistory(who: Asker, channel: string, subscribed: boolean): boolean {
    const options = this.options(channel);
    if (options === undefined) return false;
    return isAllowed(
      who,
      options.allow_history_for_client || (subscribed && options.allow_history_for_subscriber),
      options.allow_history_for_anonymous,
    );
  }

  /**
   * The channel to which the gateway itself subscribes a user; undefined when it subscribes none, for an
   * anonymous client, and for a user whose id would make the channel that of others or none at all.
   */
  personalChannel(user: string): string | undefined {
    const { enabled, personal_channel_namespace } =
      this.#config.client.subscribe_to_user_personal_channel;
    if (!enabled || user === "") return undefined;
    const {
      namespace_boundary,
      user_boundary: boundary,
      user_separator: separator,
    } = this.#config.channel;
    // The channel of a user `1,2` would be one of the users 1 and 2.
    if (user.includes(boundary) || user.includes(separator)) return undefined;
    const namespace =
      personal_channel_namespace === "" ? "" : personal_channel_namespace + namespace_boundary;
    const channel = namespace + boundary + user;
    // A user `x.>` must not become a wildcard, nor `x:y` put the channel into another namespace.
    if (topicProblem(channel, this.#config.channel.max_length) !== undefined) return undefined;
    return this.#parse(channel).namespace === personal_channel_namespace ? channel : undefined;
  }

  /** Whether a channel that is limited to users, such as `news#1,2`, names this one. */
  #isAmongUsers(user: string, channel: string): boolean {
    const { user_boundary: boundary, user_separator: separator } = this.#config.channel;
    if (user === "") return false;
    const users = channel.slice(channel.lastIndexOf(boundary) + boundary.length);
    return users.split(separator).includes(user);
  }

  #parse(channel: string): Name {
    const { private_prefix: prefix, namespace_boundary: boundary } = this.#config.channel;
    const isPrivate = channel.startsWith(prefix);
    const start = isPrivate ? prefix.length : 0;
    const end = channel.indexOf(boundary, start);
    if (end < 0) return { isPrivate, namespace: "", rest: channel };
    const namespace = channel.slice(start, end);
    return { isPrivate, namespace, rest: channel.slice(end + boundary.length) };
  }
}

/**
 * `…_for_anonymous` lets anonymous clients do what others may; alone it allows nothing, which is how
 * the family's server reads its options.
 */
function isAllowed(who: Asker, forOthers: boolean, forAnonymous: boolean): boolean {
  return who.insecure || (forOthers && (who.user !== "" || forAnonymous));
}

function compile(pattern: string, path: string, problems: string[]): RegExp | undefined {
  if (pattern === "") return undefined;
  try {
    return new RegExp(pattern, "u");
  } catch {
    problems.push(`${path}: is no regular expression as JavaScript has them`);
    return undefined;
  }
}
