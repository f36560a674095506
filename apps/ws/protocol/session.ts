import * as channels from "./channel-commands.ts";
import { disconnects, errors, unsubscribes } from "./codes.ts";
import { connect, connectionVerified, connectJoined } from "./connect.ts";
import { obey, orderedJoined } from "./control.ts";
import type { Effect, Input } from "./effects.ts";
import { admit } from "./intake.ts";
import type { Command } from "./messages.ts";
import { refresh, refreshVerified, subRefresh, subRefreshVerified } from "./refresh.ts";
import { rpc, rpcAnswered } from "./rpc.ts";
import { type SessionOptions, SessionState, type Subscription } from "./state.ts";
import { joined, subscribe, subscriptionVerified } from "./subscribe.ts";
import { deadline, pong, tick } from "./timers.ts";

export type * from "./effects.ts";
export type { SessionOptions, Subscription } from "./state.ts";

type CommandInput = Extract<Input, { kind: "command" }>;
/** What came of a task. */
type OutcomeInput = Extract<Input, { readonly task: number }>;

const noChannels: ReadonlyMap<string, Subscription> = new Map();

/**
 * One client of the protocol: takes what comes from it and what came of earlier effects, and says what is
 * to be done. It does nothing itself and knows no time but what it is told.
 *
 * Commands have their turn in the order in which they come. Those that come while the connect command is
 * under way, or concern a channel whose subscribe command is, wait for its end; others may be answered
 * in any order. Each command with an id gets one reply, unless the connection is closed.
 */
export class Session {
  readonly #state: SessionState;

  constructor(options: SessionOptions) {
    this.#state = new SessionState(options);
  }

  get client(): string {
    return this.#state.options.client;
  }

  /** By which the requests of a client without a websocket name it. */
  get emulationSession(): string | undefined {
    return this.#state.options.emulation?.session;
  }

  /** The user's id, once it is known; empty: anonymous. */
  get user(): string | undefined {
    return this.#state.user;
  }

  /** Whether the connect reply was given, and it was no error. */
  get connected(): boolean {
    return this.#state.phase === "connected";
  }

  /** The channels that it is subscribed to, replies given. */
  get channels(): ReadonlyMap<string, Subscription> {
    return this.#state.subscriptions ?? noChannels;
  }

  /** When a `tick` is due, at the latest; undefined: never. */
  get deadline(): number | undefined {
    return deadline(this.#state);
  }

  /** One input, in the order in which they come. */
  receive(input: Input, now: number): readonly Effect[] {
    const state = this.#state;
    if (state.phase === "closed") return state.takeEffects();
    state.now = now;
    this.#take(input);
    // What is done with one may release more.
    for (let released = state.released; released !== undefined; released = state.released) {
      state.released = undefined;
      for (const held of released) this.#replay(held.input);
    }
    return state.takeEffects();
  }

  #take(input: Input): void {
    const state = this.#state;
    switch (input.kind) {
      case "command":
        this.#command(input);
        return;
      case "pong":
      case "malformed":
        if (state.connecting === undefined) this.#replay(input);
        // It gets its turn as a command would; what comes behind it does not matter any more.
        else if (!state.connecting.isDoomed) {
          state.hold(state.connecting.held, { input, size: 0 });
          state.connecting.isDoomed = true;
        }
        return;
      case "tick":
        tick(state);
        return;
      case "insufficient":
        this.#insufficient(input.channel);
        return;
      case "order":
        obey(state, input);
        return;
      default:
        this.#taskEnded(input);
    }
  }

  #command(input: CommandInput): void {
    const state = this.#state;
    const { command, size } = input;
    if (state.phase === "unusable" || (state.phase === "new" && command.method !== "connect")) {
      state.close(disconnects.badRequest);
      return;
    }
    if (state.connecting?.isDoomed === true) return;
    const admission = admit(state, size);
    if (admission === "yes") {
      if (state.connecting === undefined) this.#perform(input);
      else state.hold(state.connecting.held, { input, size });
    } else if (admission === "never" || command.id === undefined) {
      state.close(disconnects.tooManyRequests);
    } else state.fail(command.id, errors.tooManyRequests);
  }

  /** The turn of an input that was held, or need not be. */
  #replay(input: Input): void {
    const state = this.#state;
    if (state.phase === "closed") return;
    if (input.kind === "pong") pong(state);
    else if (input.kind === "order") obey(state, input);
    else if (input.kind === "command" && state.phase === "connected") this.#perform(input);
    else state.close(disconnects.badRequest);
  }

  #perform(input: CommandInput): void {
    const { command, size } = input;
    const state = this.#state;
    const waiting = "channel" in command ? state.joining?.get(command.channel) : undefined;
    if (waiting !== undefined && (command.method !== "subscribe" || waiting.length > 0)) {
      state.hold(waiting, { input, size });
      return;
    }
    this.#dispatch(command, size);
  }

  #dispatch(command: Command, size: number): void {
    const state = this.#state;
    switch (command.method) {
      case "publish":
        channels.publish(state, command, size);
        return;
      case "subscribe":
        subscribe(state, command, size);
        return;
      case "unsubscribe":
        channels.unsubscribe(state, command);
        return;
      case "presence":
        channels.presence(state, command, "presence", size);
        return;
      case "presence_stats":
        channels.presence(state, command, "presence-stats", size);
        return;
      case "history":
        channels.history(state, command, size);
        return;
      case "rpc":
        rpc(state, command, size);
        return;
      case "refresh":
        refresh(state, command, size);
        return;
      case "sub_refresh":
        subRefresh(state, command, size);
        return;
      case "connect":
        if (state.phase === "new") connect(state, command, size);
        else state.close(disconnects.badRequest);
        return;
      case "send":
        // Nobody takes messages, and without a reply the client would never know.
        state.close(disconnects.notAvailable);
        return;
      case "ping":
        state.close(disconnects.badRequest);
        return;
    }
  }

  #taskEnded(input: OutcomeInput): void {
    const state = this.#state;
    switch (input.kind) {
      case "published": {
        const task = state.end("published", input.task);
        if (task === undefined) return;
        if (input.error === undefined) state.reply(task.id, { publish: {} });
        else state.fail(task.id, input.error);
        return;
      }
      case "subscribed": {
        const task = state.end("subscribed", input.task);
        if (task === undefined) return;
        const { join } = task;
        if (join.id !== undefined) joined(state, join.id, join, input.outcome);
        else if (join.isOrdered === true) orderedJoined(state, join, input.outcome);
        else if (state.connecting !== undefined) {
          connectJoined(state, state.connecting, join, input.outcome);
        }
        return;
      }
      case "connection-token": {
        const task = state.end("connection-token", input.task);
        if (task === undefined) return;
        if (state.connecting === undefined) refreshVerified(state, task.id, input.outcome);
        else connectionVerified(state, state.connecting, input.outcome);
        return;
      }
      case "subscription-token": {
        const task = state.end("subscription-token", input.task);
        if (task === undefined) return;
        const { command, size } = task;
        if (command.method === "subscribe") {
          subscriptionVerified(state, command, input.outcome, size);
        } else subRefreshVerified(state, command, input.outcome);
        return;
      }
      case "presence": {
        const task = state.end("presence", input.task);
        if (task !== undefined) channels.presenceFound(state, task.id, input.outcome);
        return;
      }
      case "presence-stats": {
        const task = state.end("presence-stats", input.task);
        if (task !== undefined) channels.presenceCounted(state, task.id, input.outcome);
        return;
      }
      case "rpc": {
        const task = state.end("rpc", input.task);
        if (task !== undefined) rpcAnswered(state, task.id, input.outcome);
        return;
      }
      case "history": {
        const task = state.end("history", input.task);
        if (task !== undefined) channels.historyRead(state, task, input.outcome);
        return;
      }
    }
  }

  #insufficient(channel: string): void {
    const state = this.#state;
    const subscription =
      state.subscriptions?.get(channel) ?? state.connecting?.joined.get(channel)?.join;
    // Who knows no position has never been promised that nothing is lost.
    if (subscription?.positioned !== true) return;
    if (subscription.serverSide) state.close(disconnects.insufficientState);
    else if (state.unsubscribe(channel)) {
      const unsubscribe = unsubscribes.insufficientState;
      state.emit({ kind: "push", push: { channel, unsubscribe } });
    }
  }
}
