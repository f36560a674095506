import type { Timed } from "../deadlines.ts";
import type { Pinged } from "../heartbeat.ts";
import { disconnects, type ProtocolError } from "../protocol/codes.ts";
import type { Order } from "../protocol/control.ts";
import type { Effect, Input } from "../protocol/effects.ts";
import type { Encoded } from "../protocol/messages.ts";
import type { Session } from "../protocol/session.ts";
import type { Closing, Link, OpenLink } from "../transport/link.ts";
import type { Wire } from "../transport/wire.ts";
import * as answers from "./answers.ts";
import type { Gate } from "./endpoint.ts";
import type { Host } from "./host.ts";
import { Orders } from "./orders.ts";
import { Outgoing } from "./outgoing.ts";
import { call } from "./rpc.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface ConnectionOptions {
  readonly wire: Wire;
  readonly openLink: OpenLink;
  readonly session: Session;
  readonly gate: Gate;
  /** Whether it is asked for signs of life by frames of the websocket. */
  readonly framePings: boolean;
  /** When it is asked to connect again, ms of `performance.now()`; undefined: never. */
  readonly endAt: number | undefined;
}

/**
 * One client of the protocol: carries the session's effects out on its link, the hub and the broker,
 * and tells the session what came of them.
 */
export class Connection implements Host, Timed, Pinged {
  readonly session: Session;
  readonly gate: Gate;
  readonly wire: Wire;
  readonly #link: Link;
  readonly #endAt: number | undefined;
  readonly #subscriptions: Subscriptions;
  readonly #outgoing: Outgoing;
  readonly #openedAt = performance.now();
  /** Whether the peer has answered the last ping of websocket frames. */
  #answered = true;
  /** Made when the server has ordered something. */
  #orders: Orders | undefined;
  #ended = false;

  constructor({ wire, openLink, session, gate, endAt, framePings }: ConnectionOptions) {
    this.session = session;
    this.gate = gate;
    this.wire = wire;
    this.#endAt = endAt;
    this.#subscriptions = new Subscriptions(this);
    this.#link = openLink({
      onMessage: (bytes, isBinary) => {
        if (isBinary === wire.isBinary) this.take(bytes);
        else this.input({ kind: "malformed", reason: "text and binary frames are mixed up" });
      },
      ...(framePings && {
        onPong: () => {
          this.#answered = true;
        },
      }),
      onDrain: () => {
        this.#outgoing.drained();
      },
      onClose: (closing) => {
        this.#end(closing);
      },
    });
    this.#outgoing = new Outgoing(this.#link, gate.outbox);
    gate.deadlines.watch(this);
  }

  get client(): string {
    return this.session.client;
  }

  get sessionId(): string | undefined {
    return this.session.emulationSession;
  }

  get deadline(): number | undefined {
    if (this.isOver) return undefined;
    const { deadline } = this.session;
    if (deadline === undefined || this.#endAt === undefined) return deadline ?? this.#endAt;
    return Math.min(deadline, this.#endAt);
  }

  onDeadline(now: number): void {
    if (this.#endAt !== undefined && now >= this.#endAt) this.close(disconnects.forceReconnect);
    else this.input({ kind: "tick" });
  }

  write(bytes: Uint8Array): void {
    this.#outgoing.publish(bytes);
    if (this.#outgoing.heldBytes > this.gate.limits.maxBacklogBytes) this.close(disconnects.slow);
  }

  /** Asks by a frame of the websocket, for clients that know no pings of the protocol. */
  ping(): void {
    if (!this.#answered) {
      this.close(disconnects.noPong);
      return;
    }
    this.#answered = false;
    this.#link.ping?.();
  }

  lost(channel: string): void {
    this.input({ kind: "insufficient", channel });
  }

  flush(): void {
    this.#outgoing.flush();
  }

  turn(deadline: number): Promise<() => void> {
    return this.#outgoing.turn(deadline);
  }

  /** Sends what is pending, says goodbye, and cuts the socket when the peer does not answer in time. */
  close(closing: Closing, graceMs?: number): void {
    this.flush();
    this.#link.close(closing, graceMs);
    // A peer may take its time to answer; others are to see at once that it has gone.
    this.#release();
  }

  /**
   * Has the session do something that its client has not asked for. Resolves when it is done, or there is
   * nobody any more to do it to; with an error when it cannot be done.
   */
  async order(what: Order): Promise<ProtocolError | undefined> {
    if (this.isOver) return undefined;
    this.#orders ??= new Orders();
    return this.#orders.place((ticket) => {
      this.input({ kind: "order", what, ticket });
    });
  }

  /** Commands and pongs, as they came in one message. */
  take(bytes: Uint8Array): void {
    for (const input of this.wire.codec.decode(bytes)) {
      if (this.#link.closing !== undefined) return;
      if (input.kind === "command") this.gate.metrics.command(input.command.method);
      this.input(input);
    }
  }

  /** True once nothing more is to be said to the peer. */
  get isOver(): boolean {
    return this.#ended || this.#link.closing !== undefined;
  }

  /** Tells the session something, and carries out what it wants done then. */
  input(input: Input): void {
    if (this.isOver) return;
    const effects = this.session.receive(input, performance.now());
    for (const effect of effects) this.#carryOut(effect);
    if (this.session.connected) this.#outgoing.release();
    this.gate.deadlines.watch(this);
  }

  #send(message: Encoded): void {
    this.#outgoing.send(this.wire.frame(message));
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case "reply":
        if ("error" in effect.reply) this.gate.metrics.error(effect.reply.error.code);
        this.#send(this.wire.codec.reply(effect.reply));
        return;
      case "push":
        this.#send(this.wire.codec.push(effect.push));
        return;
      case "publications": {
        const push = this.wire.codec.publicationPush(effect.channel);
        for (const publication of effect.publications) this.#send(push(publication));
        return;
      }
      case "obeyed":
        this.#orders?.obeyed(effect.ticket, effect.error);
        return;
      case "ping":
        this.#send(this.wire.codec.ping);
        return;
      case "close":
        this.close(effect);
        return;
      case "connected": {
        const refused = this.gate.registry.add(this, effect.user);
        if (refused === undefined) this.gate.connected(this);
        else this.close(refused);
        return;
      }
      case "verify-connection":
        this.#run(async () => {
          const outcome = await this.gate.tokens.verifyConnection(effect.token);
          this.input({ kind: "connection-token", task: effect.task, outcome });
        });
        return;
      case "verify-subscription":
        this.#run(async () => {
          const outcome = await this.gate.tokens.verifySubscription(effect.token);
          this.input({ kind: "subscription-token", task: effect.task, outcome });
        });
        return;
      case "subscribe":
        this.#run(() => this.#subscriptions.subscribe(effect));
        return;
      case "unsubscribe":
        this.#subscriptions.unsubscribe(effect.channel);
        return;
      case "publish":
        this.#run(() => answers.publish(this, effect));
        return;
      case "rpc":
        this.#run(() => call(this, effect));
        return;
      case "presence":
        this.#run(() => answers.presence(this, effect));
        return;
      case "presence-stats":
        this.#run(() => answers.presenceStats(this, effect));
        return;
      case "history":
        this.#run(() => answers.history(this, effect));
        return;
    }
  }

  /** Whatever goes wrong with what one client asked for ends that client alone. */
  #run(work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      this.gate.complain(error, "a command failed");
      this.close(disconnects.serverError);
    });
  }

  /** Nothing more goes to the peer: others are told that the client has gone. Idempotent. */
  #release(): void {
    this.#outgoing.end();
    this.gate.deadlines.forget(this);
    this.#subscriptions.end();
    this.#orders?.end();
  }

  #end(closing: Closing | undefined): void {
    this.#ended = true;
    this.#release();
    this.gate.registry.remove(this, this.session.user);
    this.gate.closed(this, closing, performance.now() - this.#openedAt);
  }
}
