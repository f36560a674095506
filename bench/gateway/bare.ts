/**
 * The least that a websocket server can do for the same load: one NATS subscription per channel, each
 * message framed once, and of the protocol only the replies without which no client gets anywhere. No
 * tokens, no limits, no pings, no history. `bare.ts <NATS URL> <port> coalesced|at-once`.
 *
 * Coalesced: what arrives for a channel in one go is joined and written once to each socket. At once:
 * every message is a frame and a write of its own.
 */
import type { Duplex } from "node:stream";
import { connect, type Subscription } from "nats";
import { type WebSocket, WebSocketServer } from "ws";
import { topicSubject } from "../../apps/lib/topic-subject.ts";
import { textFrame } from "../../apps/ws/transport/frame.ts";

interface Channel {
  readonly sockets: Set<Duplex>;
  readonly subscription: Subscription;
}

interface Command {
  readonly id: number;
  readonly connect?: object;
  readonly subscribe?: { readonly channel: string };
  readonly publish?: { readonly channel: string; readonly data: unknown };
}

const [natsUrl = "", port = "0", mode = ""] = process.argv.slice(2);
const coalesced = mode === "coalesced";
const nats = await connect({ servers: natsUrl });
const channels = new Map<string, Channel>();

function open(name: string): Channel {
  const sockets = new Set<Duplex>();
  const head = Buffer.from(`{"push":{"channel":${JSON.stringify(name)},"pub":{"data":`);
  const tail = Buffer.from("}}}");
  const newline = Buffer.from("\n");
  let batch: Uint8Array[] = [];
  const flush = (): void => {
    const frame = textFrame(Buffer.concat(batch));
    batch = [];
    for (const socket of sockets) socket.write(frame);
  };
  const subscription = nats.subscribe(topicSubject(name), {
    callback: (_error, { data }) => {
      if (batch.length > 0) batch.push(newline);
      else if (coalesced) queueMicrotask(flush);
      batch.push(head, data, tail);
      if (!coalesced) flush();
    },
  });
  const channel = { sockets, subscription };
  channels.set(name, channel);
  return channel;
}

function execute(command: Command, socket: Duplex, joined: string[]): object {
  if (command.subscribe !== undefined) {
    const name = command.subscribe.channel;
    (channels.get(name) ?? open(name)).sockets.add(socket);
    joined.push(name);
    return { id: command.id, subscribe: {} };
  }
  if (command.publish !== undefined) {
    const { channel, data } = command.publish;
    nats.publish(topicSubject(channel), JSON.stringify(data));
    return { id: command.id, publish: {} };
  }
  return { id: command.id, connect: { client: "bare", version: "bare" } };
}

const server = new WebSocketServer({
  port: Number(port),
  host: "127.0.0.1",
  backlog: 4_096,
  clientTracking: false,
  maxPayload: 65_536,
});
server.on("connection", (websocket: WebSocket, { socket }) => {
  const joined: string[] = [];
  websocket.on("message", (data: Buffer) => {
    for (const line of data.toString().split("\n")) {
      websocket.send(JSON.stringify(execute(JSON.parse(line) as Command, socket, joined)));
    }
  });
  websocket.on("close", () => {
    for (const name of joined) {
      const channel = channels.get(name);
      if (channel?.sockets.delete(socket) !== true || channel.sockets.size > 0) continue;
      channel.subscription.unsubscribe();
      channels.delete(name);
    }
  });
});
