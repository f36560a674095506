import { Centrifuge, type TransportEndpoint } from "centrifuge";
import type { Fetch } from "./tokens.ts";

/** The ways to the gateway, best first. */
export const transports = ["websocket", "http_stream", "sse"] as const;
export type Transport = (typeof transports)[number];

/** What people call it. */
const transportNames = {
  websocket: "Websocket",
  http_stream: "HTTP stream",
  sse: "SSE",
} as const satisfies Record<Transport, string>;

/** The name of a transport as the client knows it. */
export function transportName(transport: string): string {
  const known = Object.entries(transportNames).find(([name]) => name === transport);
  return known?.[1] ?? transport;
}

/** A websocket or an event source that the client made. */
interface Cuttable {
  close(): void;
}

/** What browsers have, and tests give. */
export interface Wires {
  readonly fetch: Fetch;
  readonly WebSocket: new (url: string, protocols?: string | string[]) => Cuttable;
  /** Not in Node, where nobody uses it. */
  readonly EventSource?: (new (url: string) => Cuttable & EventTarget) | undefined;
}

export interface ClientOptions {
  /** Of the page, e.g. `https://my-project.appspot.com`: the gateway is behind the same one. */
  readonly origin: string;
  /** One of them, or all that may be tried, in order. */
  readonly transports: readonly Transport[];
  readonly wires: Wires;
  readonly token?: string;
  readonly getToken?: () => Promise<string>;
  /** What it waits for before each attempt to connect; it must not fail. */
  readonly whenThere?: () => Promise<void>;
  /** How long the client waits before it connects again, at first and at most. */
  readonly reconnectMs?: readonly [number, number];
}

/** A client of the npm package, whose connection can be cut. */
export interface CuttableClient {
  readonly client: Centrifuge;
  /** Ends what carries the connection at this moment, as a network would: the client learns of it as of any loss. */
  cut(): void;
}

/** Makes a client; it does not connect yet. */
export function makeClient({
  origin,
  wires,
  reconnectMs,
  ...options
}: ClientOptions): CuttableClient {
  let cut = (): void => undefined;
  const endpoints = options.transports.map((transport): TransportEndpoint => {
    const endpoint = `${origin}/connection/${transport}`;
    // http: becomes ws:, https: becomes wss:.
    if (transport === "websocket") return { transport, endpoint: endpoint.replace(/^http/, "ws") };
    return { transport, endpoint };
  });
  const { WebSocket, EventSource, fetch } = wires;
  class CuttableWebSocket extends WebSocket {
    constructor(url: string, protocols?: string | string[]) {
      super(url, protocols);
      cut = () => {
        this.close();
      };
    }
  }
  // A stream is cut together with the commands that go beside it.
  let stream = new AbortController();
  const cuttableFetch: Fetch = (url, init) => {
    if (!url.endsWith("/emulation")) {
      const begun = new AbortController();
      stream = begun;
      cut = () => {
        begun.abort();
      };
    }
    const signals = init.signal ? [init.signal, stream.signal] : [stream.signal];
    return fetch(url, { ...init, signal: AbortSignal.any(signals) });
  };
  const client = new Centrifuge(endpoints, {
    emulationEndpoint: `${origin}/emulation`,
    websocket: CuttableWebSocket,
    eventsource:
      EventSource &&
      class CuttableEventSource extends EventSource {
        constructor(url: string) {
          super(url);
          cut = () => {
            this.close();
            this.dispatchEvent(new Event("error"));
          };
        }
      },
    fetch: cuttableFetch,
    // It is asked before each attempt, and connects when it is answered; there is no data to send.
    getData: async () => {
      await options.whenThere?.();
      return null;
    },
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(options.getToken === undefined ? {} : { getToken: options.getToken }),
    ...(reconnectMs === undefined
      ? {}
      : { minReconnectDelay: reconnectMs[0], maxReconnectDelay: reconnectMs[1] }),
  });
  return {
    client,
    cut: () => {
      cut();
    },
  };
}
