import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { BusError } from "../../lib/bus.ts";
import { within } from "../../lib/within.ts";
import type { ChannelSubscription } from "../broker.ts";
import type { ChannelMessage } from "../channel-message.ts";
import type { Timed } from "../deadlines.ts";
import { textFrame } from "../frame.ts";
import type { HubSubscription, Subscriber } from "../hub.ts";
import type { Sender } from "../outbox.ts";
import { type Closing, Peer } from "../peer.ts";
import type { JoinLeaveEvent } from "../presence/join-leave.ts";
import { disconnects, errors } from "../protocol/codes.ts";
import type {
  Effect,
  HistoryOutcome,
  Input,
  SubscribeEffect,
  SubscribeOutcome,
} from "../protocol/effects.ts";
import { decodeFrame, encodePush, encodeReply } from "../protocol/json.ts";
import type { ClientInfo } from "../protocol/messages.ts";
import type { Session } from "../protocol/session.ts";
import { eventEncoding, publicationEncoding, publicationText, publisherText } from "./encodings.ts";
import type { Gate } from "./endpoint.ts";
import { selectHistory } from "./select-history.ts";

type PublicationShare = HubSubscription<ChannelMessage, ChannelSubscription>;
type EventShare = HubSubscription<JoinLeaveEvent>;

/** What a client has of a channel. */
interface Subscription {
  readonly publications: PublicationShare;
  readonly events: EventShare | undefined;
  /** Present to others, or announced to them, as this; undefined: neither. */
  readonly info: ClientInfo;
  readonly presence: boolean;
  readonly announce: boolean;
}

const pingFrame = textFrame(Buffer.from("{}"));

export interface ConnectionOptions {
  readonly websocket: WebSocket;
  readonly socket: Duplex;
  readonly session: Session;
  readonly gate: Gate;
  /** When it is asked to connect again, ms of `performance.now()`; undefined: never. */
  readonly endAt: number | undefined;
}

/**
 * One client of the protocol: carries the session's effects out on its websocket, the hub and the broker,
 * and tells the session what came of them.
 */
export class Connection implements Subscriber, Sender, Timed {
  readonly session: Session;
  readonly #gate: Gate;
  readonly #peer: Peer;
  readonly #endAt: number | undefined;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Tasks of subscriptions that are under way, by channel. */
  readonly #subscribing = new Map<string, number>();
  readonly #openedAt = performance.now();
  /** Frames of this turn. */
  #pending: Uint8Array[] = [];
  /** What was published on server-side subscriptions before the connect reply. */
  #held: Uint8Array[] | undefined = [];
  #heldBytes = 0;
  #ended = false;

  constructor({ websocket, socket, session, gate, endAt }: ConnectionOptions) {
    this.session = session;
    this.#gate = gate;
    this.#endAt = endAt;
    this.#peer = new Peer({ websocket, socket }, gate.shared.budget, gate.limits, disconnects, {
      onMessage: (data, isBinary) => {
        this.#take(data, isBinary);
      },
      onClose: (closing) => {
        this.#end(closing);
      },
    });
    gate.deadlines.watch(this);
  }

  get client(): string {
    return this.session.client;
  }

  get deadline(): number | undefined {
    const { deadline } = this.session;
    if (deadline === undefined || this.#endAt === undefined) return deadline ?? this.#endAt;
    return Math.min(deadline, this.#endAt);
  }

  onDeadline(now: number): void {
    if (this.#endAt !== undefined && now >= this.#endAt) this.close(disconnects.forceReconnect);
    else this.#input({ kind: "tick" });
  }

  write(bytes: Uint8Array): void {
    if (this.#held === undefined) {
      this.#enqueue(bytes);
      return;
    }
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > this.#gate.limits.maxBacklogBytes) this.close(disconnects.slow);
  }

  lost(channel: string): void {
    this.#input({ kind: "insufficient", channel });
  }

  flush(): void {
    const [first, ...more] = this.#pending;
    this.#pending = [];
    if (first === undefined) return;
    this.#peer.write(more.length === 0 ? first : Buffer.concat([first, ...more]));
  }

  /** Sends what is pending, says goodbye, and cuts the socket when the peer does not answer in time. */
  close(closing: Closing, graceMs?: number): void {
    this.flush();
    this.#peer.close(closing, graceMs);
  }

  #take(data: Buffer, isBinary: boolean): void {
    if (isBinary) {
      this.#input({ kind: "malformed", reason: "binary frames are not JSON" });
      return;
    }
    for (const input of decodeFrame(data.toString("utf8"))) {
      if (this.#peer.closing !== undefined) return;
      if (input.kind === "command") this.#gate.metrics.command(input.command.method);
      this.#input(input);
    }
  }

  #input(input: Input): void {
    if (this.#ended || this.#peer.closing !== undefined) return;
    const effects = this.session.receive(input, performance.now());
    for (const effect of effects) this.#carryOut(effect);
    if (this.#held !== undefined && this.session.connected) {
      const held = this.#held;
      this.#held = undefined;
      for (const bytes of held) this.#enqueue(bytes);
    }
    this.#gate.deadlines.watch(this);
  }

  #enqueue(bytes: Uint8Array): void {
    if (this.#pending.push(bytes) === 1) this.#gate.outbox.add(this);
  }

  #send(text: string): void {
    this.#enqueue(textFrame(Buffer.from(text)));
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case "reply":
        if ("error" in effect.reply) this.#gate.metrics.error(effect.reply.error.code);
        this.#send(encodeReply(effect.reply));
        return;
      case "push":
        this.#send(encodePush(effect.push));
        return;
      case "ping":
        this.#enqueue(pingFrame);
        return;
      case "close":
        this.close(effect);
        return;
      case "connected": {
        const refused = this.#gate.registry.add(this, effect.user);
        if (refused === undefined) this.#gate.connected(this);
        else this.close(refused);
        return;
      }
      case "verify-connection":
        void this.#gate.tokens.verifyConnection(effect.token).then((outcome) => {
          this.#input({ kind: "connection-token", task: effect.task, outcome });
        });
        return;
      case "verify-subscription":
        void this.#gate.tokens.verifySubscription(effect.token).then((outcome) => {
          this.#input({ kind: "subscription-token", task: effect.task, outcome });
        });
        return;
      case "subscribe":
        void this.#subscribe(effect);
        return;
      case "unsubscribe":
        this.#unsubscribe(effect.channel);
        return;
      case "publish":
        void this.#publish(effect);
        return;
      case "presence":
        void this.#gate.presence.ask(effect.channel).then((presence) => {
          this.#noteIncomplete(presence);
          this.#input({ kind: "presence", task: effect.task, outcome: presence });
        });
        return;
      case "presence-stats":
        void this.#gate.presence.stats(effect.channel).then((stats) => {
          this.#noteIncomplete(stats);
          this.#input({ kind: "presence-stats", task: effect.task, outcome: stats });
        });
        return;
      case "history":
        void this.#history(effect);
        return;
    }
  }

  async #subscribe(effect: SubscribeEffect): Promise<void> {
    const { channel, task, info } = effect;
    const { shared, events, limits } = this.#gate;
    this.#subscribing.set(channel, task);
    const startedAt = performance.now();
    let publications: PublicationShare | undefined;
    let eventShare: EventShare | undefined;
    let outcome: SubscribeOutcome;
    try {
      publications = shared.hub.subscribe(channel);
      eventShare = effect.joinLeave ? events.subscribe(channel) : undefined;
      const { log } = publications.source;
      const late = (): Error => new BusError("unavailable", "NATS did not answer in time");
      const prepared = Promise.all([
        log !== undefined && effect.recover !== undefined ? log.fresh() : publications.confirmed,
        eventShare?.confirmed,
      ]);
      const deadline = startedAt + limits.subscribeMs;
      await within(prepared, limits.subscribeMs, late);
      for (;;) {
        const found = this.#positioned(effect, publications);
        if (found !== undefined) {
          outcome = found;
          break;
        }
        // Positions are right for one turn only, and the log may have lost its stream meanwhile.
        const again = log?.following === true ? log.load() : log?.ready();
        await within(again ?? Promise.resolve(), deadline - performance.now(), late);
      }
    } catch (error) {
      publications?.unsubscribe();
      eventShare?.unsubscribe();
      this.#gate.complain(error, "a subscription failed");
      if (this.#subscribing.get(channel) !== task) return;
      this.#subscribing.delete(channel);
      this.#input({ kind: "subscribed", task, outcome: { ok: false, error: errors.internal } });
      return;
    }
    // Nothing is awaited from here on: what comes after the position goes to this subscriber.
    if (this.#ended || this.#subscribing.get(channel) !== task) {
      publications.unsubscribe();
      eventShare?.unsubscribe();
      return;
    }
    this.#subscribing.delete(channel);
    this.#gate.metrics.subscribeSeconds.observe((performance.now() - startedAt) / 1_000);
    publications.attach(this, publicationEncoding);
    eventShare?.attach(this, eventEncoding);
    const { presence, announce } = effect;
    this.#subscriptions.set(channel, {
      publications,
      events: eventShare,
      info,
      presence,
      announce,
    });
    if (presence) this.#gate.present.add(channel, info);
    this.#input({ kind: "subscribed", task, outcome });
    // It may have gone again by now.
    if (announce && this.#subscriptions.has(channel)) {
      this.#gate.joinLeave.publish(channel, "join", info);
    }
  }

  /** The answer to a subscription as of now; undefined: the log has to read first. */
  #positioned(effect: SubscribeEffect, share: PublicationShare): SubscribeOutcome | undefined {
    const { log } = share.source;
    if (log === undefined || !effect.positioned) return { ok: true };
    if (!log.following) return undefined;
    const nowMs = Date.now();
    const cache = effect.recover !== undefined && this.#gate.isCache(effect.channel);
    const max = this.#gate.recoverMax;
    const snapshot = cache ? log.latest(nowMs) : log.snapshot(effect.recover, { max, nowMs });
    if (snapshot === undefined) return undefined;
    const { position, recovery } = snapshot;
    if (recovery === undefined) return { ok: true, position };
    this.#gate.metrics.recovery(recovery.recovered);
    const publications = recovery.messages.map(publicationText);
    return { ok: true, position, recovery: { recovered: recovery.recovered, publications } };
  }

  #unsubscribe(channel: string): void {
    this.#subscribing.delete(channel);
    const subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) return;
    this.#subscriptions.delete(channel);
    // Frames of this turn are of the time before.
    this.flush();
    subscription.publications.unsubscribe();
    subscription.events?.unsubscribe();
    const { presence, announce, info } = subscription;
    if (presence) this.#gate.present.remove(channel, info);
    if (announce) this.#gate.joinLeave.publish(channel, "leave", info);
  }

  async #publish({
    task,
    channel,
    data,
    info,
  }: Extract<Effect, { kind: "publish" }>): Promise<void> {
    try {
      await this.#gate.shared.broker.publishFor(channel, Buffer.from(data), {
        info: publisherText(info),
        withinMs: this.#gate.limits.publishMs,
      });
    } catch (error) {
      this.#gate.complain(error, "a publication failed");
      const tooLarge = error instanceof BusError && error.code === "too_large";
      const answer = tooLarge ? errors.badRequest : errors.internal;
      this.#input({ kind: "published", task, error: answer });
      return;
    }
    this.#gate.metrics.published.inc();
    this.#input({ kind: "published", task });
  }

  async #history(effect: Extract<Effect, { kind: "history" }>): Promise<void> {
    const { task, channel } = effect;
    const share = this.#gate.shared.hub.subscribe(channel);
    try {
      const { log } = share.source;
      if (log === undefined) throw new BusError("unavailable", "the channel has no history");
      const late = (): Error => new BusError("unavailable", "JetStream did not answer in time");
      const deadline = performance.now() + this.#gate.limits.subscribeMs;
      await within(log.fresh(), this.#gate.limits.subscribeMs, late);
      for (;;) {
        const messages = log.following ? log.visible(Date.now()) : undefined;
        if (messages !== undefined) {
          const { position } = log;
          const selected = selectHistory(messages, position.epoch, effect);
          const outcome: HistoryOutcome =
            selected === undefined
              ? { ok: false, error: errors.unrecoverablePosition }
              : { ok: true, position, publications: selected.map(publicationText) };
          this.#input({ kind: "history", task, outcome });
          return;
        }
        const again = log.following ? log.load() : log.ready();
        await within(again, deadline - performance.now(), late);
      }
    } catch (error) {
      this.#gate.complain(error, "a history could not be read");
      this.#input({ kind: "history", task, outcome: { ok: false, error: errors.internal } });
    } finally {
      share.unsubscribe();
    }
  }

  #noteIncomplete({ complete }: { readonly complete: boolean }): void {
    if (!complete) this.#gate.metrics.incompletePresence.inc();
  }

  /** The transport has ended: only now others are told that the client has gone. */
  #end(closing: Closing | undefined): void {
    this.#ended = true;
    this.#gate.deadlines.forget(this);
    this.#subscribing.clear();
    for (const channel of [...this.#subscriptions.keys()]) this.#unsubscribe(channel);
    this.#gate.registry.remove(this, this.session.user);
    this.#gate.closed(this, closing, performance.now() - this.#openedAt);
  }
}
