import { deepEqual, ok } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Options } from "centrifuge";
import { SignJWT } from "jose";
import { type Listener, Peer } from "./peer.ts";
import { until } from "./until.ts";

export interface StageOptions {
  readonly url: string;
  /** One with history, presence, joins and leaves, on which the client may publish. */
  readonly channel: string | undefined;
  readonly token: string | undefined;
  /** The key with which tokens are signed; without it what needs tokens is left out. */
  readonly key: string | undefined;
}

/** One thing that the gateway does; gives what came of it, in words. */
export type Step = () => Promise<string>;
/** By what they show, in the order in which they are to be done. */
export type Steps = Readonly<Record<string, Step>>;

/** A client that is subscribed to the channel of the demo. */
export interface Member {
  readonly peer: Peer;
  readonly listener: Listener;
}

/** What the steps share: who is connected, and what several of them do. */
export class Stage {
  readonly channel: string;
  /** With its boundary; empty: the channel has none. */
  readonly namespace: string;
  /** Whether the gateway is found to ask for no token at all. */
  insecure = false;
  readonly #options: StageOptions;
  readonly #peers: Peer[] = [];
  readonly #members = new Map<string, Member>();

  constructor(options: StageOptions) {
    this.#options = options;
    this.channel = options.channel ?? `chat:demo-${randomBytes(4).toString("hex")}`;
    this.namespace = this.channel.slice(0, this.channel.indexOf(":") + 1);
  }

  /** Who listens, from the first step on. */
  get ada(): Member {
    return this.#member("ada");
  }

  /** Who publishes, from the second step on. */
  get bob(): Member {
    return this.#member("bob");
  }

  /** Connects somebody and subscribes to the channel. */
  async enter(name: "ada" | "bob", options: { joinLeave?: boolean } = {}): Promise<Member> {
    const peer = await this.connected();
    const listener = await peer.subscribe(this.channel, { recoverable: true, ...options });
    ok(listener.subscribed[0], `${this.channel}: refused with ${listener.unsubscribes.join()}`);
    const member = { peer, listener };
    this.#members.set(name, member);
    return member;
  }

  async connected(): Promise<Peer> {
    const { token, key } = this.#options;
    const options: Partial<Options> = {};
    if (token !== undefined) options.token = token;
    else if (key !== undefined) options.token = await this.sign({ info: { name: "Demo" } });
    const peer = this.peer(options);
    await peer.connect();
    return peer;
  }

  peer(options: Partial<Options>): Peer {
    const peer = new Peer(this.#options.url, options);
    this.#peers.push(peer);
    return peer;
  }

  /** A token of the user `demo`. */
  sign(claims: Readonly<Record<string, unknown>>, expiresInSeconds?: number): Promise<string> {
    const jwt = new SignJWT({ sub: "demo", ...claims }).setProtectedHeader({ alg: "HS256" });
    if (expiresInSeconds !== undefined) {
      jwt.setExpirationTime(Math.floor(Date.now() / 1_000) + expiresInSeconds);
    }
    return jwt.sign(new TextEncoder().encode(this.#options.key));
  }

  async publishThree(): Promise<void> {
    for (const n of [1, 2, 3]) await this.bob.listener.subscription.publish({ n });
  }

  /** Ada is away while three publications are made, and gets each once and in order. */
  async recovers(away: () => void, back: () => void): Promise<string> {
    const { publications, subscribed } = this.ada.listener;
    const [count, times] = [publications.length, subscribed.length];
    const last = publications.at(-1)?.offset ?? 0;
    away();
    await this.publishThree();
    back();
    await until("recovery", () => publications.length >= count + 3);
    const context = subscribed[times];
    deepEqual([context?.wasRecovering, context?.recovered], [true, true]);
    const offsets = publications.slice(count).map(({ offset }) => offset);
    deepEqual(offsets, [last + 1, last + 2, last + 3]);
    return `recovered: true, offsets ${last + 1} to ${last + 3}`;
  }

  /** With which code a subscription is refused; undefined: it is not. */
  async refused(channel: string): Promise<number | undefined> {
    const peer = await this.connected();
    const { unsubscribes } = await peer.subscribe(channel);
    peer.client.disconnect();
    return unsubscribes[0];
  }

  end(): void {
    for (const { client } of this.#peers) client.disconnect();
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error("left out, because of what was wrong before");
    return member;
  }
}
