import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { type Centrifuge, State, UnauthorizedError } from "centrifuge";
import { messageOf } from "../ui/format.ts";
import { type Channel, type ChannelListener, Channels } from "./channels.ts";
import {
  type CuttableClient,
  makeClient,
  type Transport,
  transportName,
  type Wires,
} from "./client.ts";
import { callError, endSentence, errorSentence, notConnected } from "./codes.ts";
import { EventLog, type LiveEvent, type Totals } from "./events.ts";
import { RoundTrip } from "./round-trip.ts";
import { DemoIssuer, type Identity, readToken } from "./tokens.ts";

export type ConnectionState = "disconnected" | "connecting" | "connected";

const states: Readonly<Record<State, ConnectionState>> = {
  [State.Disconnected]: "disconnected",
  [State.Connecting]: "connecting",
  [State.Connected]: "connected",
};

/** A way to the gateway, or whichever gets through. */
export type TransportChoice = Transport | "automatic";

export interface ConnectionOptions {
  /** Of the page, e.g. `https://my-project.appspot.com`. */
  readonly origin: string;
  /** What the gateway has, best first. */
  readonly transports: readonly Transport[];
  /** Who the page is at first; undefined: nobody knows yet, and there is no connection until somebody does. */
  readonly identity: Identity | undefined;
  /** An rpc that the gateway answers itself. */
  readonly pingMethod: string | null;
  /** Whether somebody can see the page: for nobody the round trip is not measured. */
  readonly visible: ReadonlySignal<boolean>;
  readonly wires: Wires;
  readonly now?: () => number;
  /** Waits between attempts to connect, at first and at most; those of the SDK by default. */
  readonly reconnectMs?: readonly [number, number];
  /** Is given what listeners throw; by default it is thrown anew, where it ends nothing. */
  readonly report?: (error: unknown) => void;
  /** Between two measurements of the round trip. */
  readonly roundTripEveryMs?: number;
}

/** So many events are kept. */
const keptEvents = 200;

/**
 * The page's connection to the gateway. It makes the SDK's clients: another one when the transport or the
 * identity changes, which goes on with the same channels from where they were.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #now: () => number;
  readonly #log: EventLog;
  readonly #channels: Channels;
  readonly #issuer: DemoIssuer;
  readonly #state = signal<ConnectionState>("disconnected");
  readonly #transport = signal<string | undefined>(undefined);
  readonly #clientId = signal<string | undefined>(undefined);
  readonly #user = signal<string | undefined>(undefined);
  readonly #problem = signal<string | undefined>(undefined);
  readonly #choice = signal<TransportChoice>("automatic");
  readonly #identity: ReturnType<typeof signal<Identity | undefined>>;
  readonly #roundTrip: RoundTrip;
  #current: CuttableClient | undefined;
  /** Since when a connection has been awaited. */
  #awaitedSince = 0;
  /** Why there will be no token. */
  #refusal: string | undefined;
  #away: Promise<unknown> = Promise.resolve();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#log = new EventLog(keptEvents, this.#now);
    this.#channels = new Channels((happening) => {
      this.#log.add(happening);
    }, options.report ?? throwLater);
    this.#issuer = new DemoIssuer(options.origin, options.wires.fetch, this.#now);
    this.#identity = signal(options.identity);
    const { pingMethod, visible } = options;
    this.#roundTrip = new RoundTrip({
      ask: () => this.call(pingMethod ?? "", {}),
      wanted: computed(
        () => pingMethod !== null && this.#state.value === "connected" && visible.value,
      ),
      everyMs: options.roundTripEveryMs ?? 3_000,
    });
  }

  get state(): ReadonlySignal<ConnectionState> {
    return this.#state;
  }

  /** How the present connection goes, e.g. `websocket`. */
  get transport(): ReadonlySignal<string | undefined> {
    return this.#transport;
  }

  /** Which way is wanted. */
  get transportChoice(): ReadonlySignal<TransportChoice> {
    return this.#choice;
  }

  get transports(): readonly Transport[] {
    return this.#options.transports;
  }

  get roundTripMs(): ReadonlySignal<number | undefined> {
    return this.#roundTrip.ms;
  }

  /** Whether the gateway has something that answers at once. */
  get measuresRoundTrip(): boolean {
    return this.#options.pingMethod !== null;
  }

  get identity(): ReadonlySignal<Identity | undefined> {
    return this.#identity;
  }

  /** The present connection's; empty: an anonymous one. */
  get user(): ReadonlySignal<string | undefined> {
    return this.#user;
  }

  get clientId(): ReadonlySignal<string | undefined> {
    return this.#clientId;
  }

  /** What keeps the page from being connected, as a sentence. */
  get problem(): ReadonlySignal<string | undefined> {
    return this.#problem;
  }

  /** The last of what happened, oldest first. */
  get events(): ReadonlySignal<readonly LiveEvent[]> {
    return this.#log.events;
  }

  /** What happened since the page was opened, counted. */
  get totals(): ReadonlySignal<Totals> {
    return this.#log.totals;
  }

  /** The channels that somebody listens to. */
  get channels(): ReadonlySignal<readonly string[]> {
    return this.#channels.names;
  }

  /** Connects, and stays connected until `disconnect`. */
  connect(): void {
    if (this.#state.peek() !== "disconnected") return;
    this.#problem.value = undefined;
    this.#refusal = undefined;
    const identity = this.#identity.peek();
    if (identity === undefined) {
      this.#problem.value =
        "The gateway wants a token, and this environment gives none to visitors.";
      return;
    }
    this.#current ??= this.#make(identity);
    this.#awaitedSince = performance.now();
    try {
      this.#current.client.connect();
    } catch (error) {
      // There is no transport that this browser has.
      this.#problem.value = messageOf(error);
    }
  }

  disconnect(): void {
    this.#problem.value = undefined;
    this.#current?.client.disconnect();
  }

  /** Tries to connect at once, however long the next attempt would have been waited for. */
  retryNow(): void {
    if (this.#state.peek() !== "connecting") return;
    this.disconnect();
    this.connect();
  }

  /**
   * Cuts what carries the connection, as a network would.
   *
   * @param away what the network waits for before it is there again; for nothing by default
   */
  interrupt(away: Promise<unknown> = Promise.resolve()): void {
    if (this.#state.peek() !== "connected") return;
    this.#away = away;
    this.#current?.cut();
  }

  /** Goes on by another way. */
  useTransport(choice: TransportChoice): void {
    if (choice === this.#choice.peek()) return;
    this.#choice.value = choice;
    this.#begin();
  }

  /** Goes on as somebody else; connects if the page is not connected. */
  useIdentity(identity: Identity): void {
    this.#identity.value = identity;
    this.#begin();
    this.connect();
  }

  /** Calls a method of a service. @throws CallError */
  async call(method: string, data: unknown): Promise<unknown> {
    const client = this.#current?.client;
    if (client === undefined || client.state === State.Disconnected) {
      throw notConnected();
    }
    try {
      return (await client.rpc(method, data)).data as unknown;
    } catch (error) {
      throw callError(error);
    }
  }

  /** Listens to a channel, with one subscription for all who do; it goes over to every other client. */
  listen(channel: string, listener: ChannelListener): Channel {
    return this.#channels.listen(channel, listener);
  }

  /** Another client with a connection of its own, as the same user; it ends with `disconnect` of who asked. */
  companion(): Centrifuge | undefined {
    const identity = this.#identity.peek();
    return identity && makeClient(this.#clientOptions(identity)).client;
  }

  /** Forgets the events that are kept. */
  clearEvents(): void {
    this.#log.clear();
  }

  /** The end: nothing of it is left. */
  end(): void {
    this.#roundTrip.end();
    const old = this.#current;
    this.#current = undefined;
    this.#channels.attach(undefined);
    old?.client.disconnect();
    this.#settle("disconnected");
  }

  /** Another client in the place of the present one, connected if that was. */
  #begin(): void {
    const old = this.#current;
    if (old === undefined) return;
    const wanted = this.#state.peek() !== "disconnected";
    this.#current = undefined;
    this.#channels.attach(undefined);
    old.client.disconnect();
    this.#settle("disconnected");
    if (wanted) this.connect();
  }

  #clientOptions(identity: Identity): Parameters<typeof makeClient>[0] {
    const { origin, transports, wires, reconnectMs } = this.#options;
    const choice = this.#choice.peek();
    return {
      ...{ origin, wires },
      transports: choice === "automatic" ? automatic(transports, identity) : [choice],
      ...(reconnectMs === undefined ? {} : { reconnectMs }),
      ...(identity.kind === "pasted" ? { token: identity.token } : {}),
      ...(identity.kind === "demo" ? { getToken: this.#issuer.getToken } : {}),
    };
  }

  #make(identity: Identity): CuttableClient {
    const options = this.#clientOptions(identity);
    const { getToken } = options;
    const made = makeClient({
      ...options,
      whenThere: async () => {
        await this.#away.catch(() => undefined);
      },
      ...(getToken === undefined
        ? {}
        : {
            getToken: async () => {
              const token = await this.#tokenOf(getToken);
              const user = this.#user.peek();
              // A connection cannot become another user's: the gateway would end it for good.
              if (user !== undefined && user !== this.#issuer.user) {
                queueMicrotask(() => {
                  if (this.#current === made) this.#begin();
                });
              }
              return token;
            },
          }),
    });
    this.#current = made;
    this.#follow(made, identity);
    this.#channels.attach(made.client);
    return made;
  }

  async #tokenOf(getToken: () => Promise<string>): Promise<string> {
    try {
      return await getToken();
    } catch (error) {
      // The SDK does not hand it on.
      if (error instanceof UnauthorizedError) this.#refusal = error.message;
      throw error;
    }
  }

  #follow(made: CuttableClient, identity: Identity): void {
    const { client } = made;
    // Of a client that has been replaced nothing is wanted any more.
    const current = (): boolean => this.#current === made;
    client.on("state", ({ newState }) => {
      if (current()) this.#settle(states[newState]);
    });
    client.on("connecting", ({ code, reason }) => {
      if (!current()) return;
      if (code === 0) {
        this.#log.add({ kind: "connecting" });
        return;
      }
      this.#awaitedSince = performance.now();
      this.#log.add({ kind: "lost", code, reason });
      if (identity.kind === "demo" && this.#issuer.nearlyOver) client.setToken("");
    });
    client.on("connected", ({ client: id, transport }) => {
      if (!current()) return;
      const tookMs = performance.now() - this.#awaitedSince;
      this.#problem.value = undefined;
      this.#transport.value = transport;
      this.#clientId.value = id;
      this.#user.value = this.#userOf(identity);
      this.#log.add({ kind: "connected", transport, client: id, tookMs });
    });
    client.on("disconnected", ({ code, reason }) => {
      if (!current()) return;
      if (code !== 0) this.#problem.value = this.#endOf(identity, code, reason);
      this.#log.add({ kind: "disconnected", code, reason });
    });
    client.on("error", ({ type, error, transport }) => {
      if (!current()) return;
      const text = attemptSentence(type, error, transport);
      if (text === undefined) return;
      this.#problem.value = `${text} Trying again.`;
      this.#log.add({ kind: "error", text });
    });
  }

  #settle(state: ConnectionState): void {
    this.#state.value = state;
    if (state === "connected") return;
    this.#transport.value = undefined;
    this.#clientId.value = undefined;
    this.#user.value = undefined;
  }

  #userOf(identity: Identity): string {
    if (identity.kind === "pasted") return readToken(identity.token, this.#now()).user;
    return (identity.kind === "demo" ? this.#issuer.user : undefined) ?? "";
  }

  #endOf(identity: Identity, code: number, reason: string): string {
    if (this.#refusal !== undefined && code === 1) return this.#refusal;
    if (identity.kind === "pasted") {
      // Only from here can be seen why the gateway does not take it any more.
      const { problem } = readToken(identity.token, this.#now());
      if (problem !== undefined) return problem;
    }
    return endSentence(code, reason);
  }
}

/**
 * Which ways are tried in turn. Server-sent events put the token into a URL, which proxies log: nobody gets
 * that without having asked for it, where there is another way.
 */
function automatic(transports: readonly Transport[], identity: Identity): readonly Transport[] {
  if (identity.kind === "anonymous") return transports;
  const others = transports.filter((transport) => transport !== "sse");
  return others.length > 0 ? others : transports;
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** What is wrong with an attempt; undefined: what follows says it better. */
function attemptSentence(
  type: string,
  { code, message }: { readonly code: number; readonly message: string },
  transport: string | undefined,
): string | undefined {
  const said = message.replace(/^\w*Error: /, "");
  switch (type) {
    case "transport":
      return `No connection by ${transport === undefined ? "any transport" : transportName(transport)}: ${said}.`;
    case "connectToken":
    case "refreshToken":
      return said;
    case "configuration":
      return undefined;
    default:
      return `The gateway answered: ${errorSentence(code, said)} (${code}).`;
  }
}
