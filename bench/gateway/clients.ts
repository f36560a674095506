/** Clients that count what they receive, and fail on anything that they do not expect. */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { applyDelta } from "fossil-delta";
import {
  type Carrier,
  type Receiver,
  type Session,
  splitDelimited,
  StreamCarrier,
  WebsocketCarrier,
} from "./carriers.ts";

export const dialects = [
  "centrifuge",
  "socket.io",
  "protobuf",
  "http_stream",
  "http_stream, protobuf",
  "sse",
] as const;

export type Dialect = (typeof dialects)[number];

export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** What all clients of a load have received together. */
export class Tally {
  publications = 0;
  replies = 0;
  /** From the network, with all that is around messages. */
  bytes = 0;
  #goal = Number.POSITIVE_INFINITY;
  #reached: () => void = () => undefined;

  count(): void {
    this.publications += 1;
    if (this.publications === this.#goal) this.#reached();
  }

  /** Resolves when so many publications have arrived. */
  async reach(goal: number): Promise<void> {
    if (this.publications >= goal) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.#goal = goal;
      this.#reached = resolve;
      timer = setTimeout(() => {
        reject(new Error(`${goal - this.publications} of the publications did not arrive`));
      }, 60_000);
    });
    clearTimeout(timer);
  }
}

export interface ClientOptions {
  readonly port: number;
  readonly channel: string;
  readonly tally: Tally;
  readonly since?: Position | undefined;
  /** Asks for deltas. */
  readonly delta?: boolean;
}

/** One connection with one subscription. */
export abstract class Client implements Receiver {
  readonly channel: string;
  readonly tally: Tally;
  /** Called with the payload of each publication, or what there is around it. */
  onPublication: ((text: string) => void) | undefined;
  protected readonly options: ClientOptions;
  #resolve: () => void = () => undefined;
  #reject: (error: Error) => void = (error) => {
    throw error;
  };

  constructor(options: ClientOptions) {
    this.options = options;
    this.channel = options.channel;
    this.tally = options.tally;
  }

  protected abstract readonly carrier: Carrier;

  /** Resolves when the client is subscribed; later failures end the process. */
  async ready(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#reject = (error) => {
      throw error;
    };
  }

  close(): void {
    this.#reject = () => undefined;
    this.carrier.close();
  }

  /** Publishes on the channel, or else on its own. */
  abstract publish(dataText: string, channel?: string): void;
  abstract opened(): void;
  abstract message(message: Buffer): void;

  failed(error: Error): void {
    this.#reject(error);
  }

  read(count: number): void {
    this.tally.bytes += count;
  }

  protected subscribed(): void {
    this.#resolve();
  }

  protected fail(reason: string): void {
    this.#reject(new Error(reason));
  }

  /** @param text makes the payload, for those who look at it */
  protected publication(text: () => string): void {
    this.onPublication?.(text());
    this.tally.count();
  }
}

const connectCommand = '{"id":1,"connect":{}}';
const subscribeReply = Buffer.from('{"id":2,');

/** The request of a stream. */
function question(lines: readonly string[], body: string | Uint8Array = ""): Buffer {
  const head = lines.concat("Host: localhost", "Origin: http://localhost");
  if (body.length > 0) head.push(`Content-Length: ${Buffer.byteLength(body)}`);
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), Buffer.from(body)]);
}

/** Speaks the Centrifuge protocol in JSON. */
export class CentrifugeClient extends Client {
  /** The reply to the subscription, as it came. */
  reply: Buffer = Buffer.alloc(0);
  protected readonly carrier: WebsocketCarrier | StreamCarrier;
  #id = 2;
  /** With deltas, what came before. */
  #last: Uint8Array = new Uint8Array();

  constructor(options: ClientOptions, transport: "websocket" | "http_stream" | "sse") {
    super(options);
    const { port } = options;
    if (transport === "websocket") {
      this.carrier = new WebsocketCarrier(port, "/connection/websocket", this);
      return;
    }
    const type = "Content-Type: application/json";
    const path = `/connection/sse?cf_connect=${encodeURIComponent(connectCommand)}`;
    const stream = {
      http_stream: {
        question: question(["POST /connection/http_stream HTTP/1.1", type], connectCommand),
        framing: "lines",
      },
      sse: { question: question([`GET ${path} HTTP/1.1`]), framing: "events" },
    } as const;
    const emulated = (session: Session, data: string | Uint8Array): string =>
      JSON.stringify({ ...session, data });
    const how = { ...stream[transport], emulated, contentType: "application/json" };
    this.carrier = new StreamCarrier(port, how, this);
  }

  publish(dataText: string, channel = this.channel): void {
    this.#id += 1;
    const name = JSON.stringify(channel);
    this.carrier.send(`{"id":${this.#id},"publish":{"channel":${name},"data":${dataText}}}`);
  }

  opened(): void {
    // A stream's request has brought it.
    if (this.carrier instanceof WebsocketCarrier) this.carrier.send(connectCommand);
  }

  message(message: Buffer): void {
    // `{"push":…`, `{}` or `{"id":…`.
    if (message[2] === 0x70) {
      this.publication(() =>
        this.options.delta === true ? this.#whole(message) : message.toString(),
      );
    } else if (message.length === 2) {
      this.carrier.send("{}");
    } else if (message.subarray(0, subscribeReply.length).equals(subscribeReply)) {
      // It may hold a history; that is looked at when nobody's time is taken any more.
      this.reply = Buffer.from(message);
      if (message.includes('"error"')) this.fail(message.toString());
      else if (this.options.delta === true && !message.includes('"delta":true'))
        this.fail(`no delta: ${message.toString()}`);
      else this.subscribed();
    } else {
      this.#other(message.toString());
    }
  }

  #whole(message: Buffer): string {
    const { push } = JSON.parse(message.toString()) as {
      push: { pub: { data: string; delta?: boolean } };
    };
    const data = Buffer.from(push.pub.data);
    this.#last = push.pub.delta === true ? applied(this.#last, data) : data;
    return Buffer.from(this.#last).toString();
  }

  #other(text: string): void {
    const reply = JSON.parse(text) as { id?: number; error?: unknown; connect?: Session };
    if (reply.error !== undefined) {
      this.fail(text);
    } else if (reply.id === 1) {
      const { carrier } = this;
      if (carrier instanceof StreamCarrier && reply.connect !== undefined) {
        const { session, node } = reply.connect;
        carrier.session = { session, node };
      }
      const { since, delta } = this.options;
      const recover = since === undefined ? {} : { recover: true, ...since };
      const subscribe = {
        ...{ channel: this.channel, ...recover },
        ...(delta === true ? { delta: "fossil" } : {}),
      };
      carrier.send(JSON.stringify({ id: 2, subscribe }));
    } else if (reply.id !== undefined) {
      this.tally.replies += 1;
    } else {
      this.fail(`not expected: ${text}`);
    }
  }
}

/** What a fossil delta makes of the payload before. */
function applied(last: Uint8Array, delta: Uint8Array): Uint8Array {
  return Uint8Array.from(applyDelta(last, delta));
}

/** A message of protobuf whose fields are texts or bytes, by their numbers in `client.proto`. */
function messageOf(fields: Readonly<Record<number, string | Uint8Array>>): Uint8Array {
  const writer = new BinaryWriter();
  for (const [field, value] of Object.entries(fields)) {
    writer.tag(Number(field), WireType.LengthDelimited);
    if (typeof value === "string") writer.string(value);
    else writer.bytes(value);
  }
  return writer.finish();
}

/** A command, with its length before it. */
function command(id: number, field: number, request: Uint8Array): Uint8Array {
  const message = new BinaryWriter()
    .tag(1, WireType.Varint)
    .uint32(id)
    .tag(field, WireType.LengthDelimited)
    .bytes(request);
  return new BinaryWriter().bytes(message.finish()).finish();
}

const connectBytes = command(1, 4, new Uint8Array());

/** The fields of a message that are bytes or texts, and its numbers. */
function fieldsOf(message: Uint8Array): Map<number, Uint8Array | number> {
  const reader = new BinaryReader(message);
  const fields = new Map<number, Uint8Array | number>();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited) fields.set(field, reader.bytes());
    else if (type === WireType.Varint) fields.set(field, Number(reader.uint64()));
    else throw new Error(`a field of wire type ${type}`);
  }
  return fields;
}

function bytesIn(fields: ReadonlyMap<number, Uint8Array | number>, field: number): Uint8Array {
  const value = fields.get(field);
  return value instanceof Uint8Array ? value : new Uint8Array();
}

/** Speaks the Centrifuge protocol in protobuf. */
export class ProtobufClient extends Client {
  protected readonly carrier: WebsocketCarrier | StreamCarrier;
  #id = 2;
  #last: Uint8Array = new Uint8Array();

  constructor(options: ClientOptions, transport: "websocket" | "http_stream") {
    super(options);
    const { port } = options;
    if (transport === "websocket") {
      this.carrier = new WebsocketCarrier(port, "/connection/websocket", this, {
        ...{ split: splitDelimited, subprotocol: "centrifuge-protobuf" },
      });
      return;
    }
    const contentType = "application/octet-stream";
    this.carrier = new StreamCarrier(
      port,
      {
        question: question(
          ["POST /connection/http_stream HTTP/1.1", `Content-Type: ${contentType}`],
          connectBytes,
        ),
        framing: "delimited",
        contentType,
        emulated: ({ session, node }, data) =>
          messageOf({ 1: node, 2: session, 3: Buffer.from(data) }),
      },
      this,
    );
  }

  publish(dataText: string, channel = this.channel): void {
    this.#id += 1;
    const request = messageOf({ 1: channel, 2: Buffer.from(dataText) });
    this.carrier.send(command(this.#id, 7, request));
  }

  opened(): void {
    if (this.carrier instanceof WebsocketCarrier) this.carrier.send(connectBytes);
  }

  message(message: Buffer): void {
    // Field 4 is a push; a ping is empty; the others have an id.
    if (message[0] === 0x22) {
      this.publication(() => this.#whole(message));
    } else if (message.length === 0) {
      this.carrier.send(Uint8Array.of(0));
    } else {
      this.#reply(fieldsOf(message));
    }
  }

  #whole(message: Buffer): string {
    const publication = fieldsOf(bytesIn(fieldsOf(bytesIn(fieldsOf(message), 4)), 4));
    const data = bytesIn(publication, 4);
    this.#last = publication.get(8) === 1 ? applied(this.#last, data) : Uint8Array.from(data);
    return Buffer.from(this.#last).toString();
  }

  #reply(reply: ReadonlyMap<number, Uint8Array | number>): void {
    const id = reply.get(1);
    if (reply.has(2)) {
      this.fail(`command ${String(id)} was answered with an error`);
    } else if (id === 1) {
      const result = fieldsOf(bytesIn(reply, 5));
      const { carrier } = this;
      if (carrier instanceof StreamCarrier) {
        const [session, node] = [9, 10].map((field) => Buffer.from(bytesIn(result, field)));
        carrier.session = { session: String(session), node: String(node) };
      }
      const delta = this.options.delta === true ? { 12: "fossil" } : {};
      carrier.send(command(2, 5, messageOf({ 1: this.channel, ...delta })));
    } else if (id === 2) {
      if (this.options.delta === true && fieldsOf(bytesIn(reply, 6)).get(13) !== 1)
        this.fail("no delta");
      else this.subscribed();
    } else {
      this.tally.replies += 1;
    }
  }
}

/** Speaks Engine.IO 4 and Socket.IO's default encoding, on a websocket from the start. */
export class SocketIoClient extends Client {
  protected readonly carrier: WebsocketCarrier;

  constructor(options: ClientOptions) {
    super(options);
    this.carrier = new WebsocketCarrier(
      options.port,
      "/socket.io/?EIO=4&transport=websocket",
      this,
    );
  }

  publish(dataText: string, channel = this.channel): void {
    this.carrier.send(`421["publish",${JSON.stringify(channel)},${dataText}]`);
  }

  opened(): void {
    // The server speaks first.
  }

  message(message: Buffer): void {
    const type = message.toString("latin1", 0, 2);
    if (type === "42") this.publication(() => message.toString());
    else if (type === "2") this.carrier.send("3");
    else if (type.startsWith("0")) this.carrier.send("40");
    else if (type === "40") this.carrier.send(`420["join",${JSON.stringify(this.channel)}]`);
    else if (message.toString("latin1", 0, 3) === "430") this.subscribed();
    else if (message.toString("latin1", 0, 3) === "431") this.tally.replies += 1;
    else this.fail(`not expected: ${message.toString()}`);
  }
}

/** A client that speaks so. */
export function clientOf(dialect: Dialect, options: ClientOptions): Client {
  switch (dialect) {
    case "centrifuge":
      return new CentrifugeClient(options, "websocket");
    case "protobuf":
      return new ProtobufClient(options, "websocket");
    case "http_stream":
      return new CentrifugeClient(options, "http_stream");
    case "http_stream, protobuf":
      return new ProtobufClient(options, "http_stream");
    case "sse":
      return new CentrifugeClient(options, "sse");
    case "socket.io":
      return new SocketIoClient(options);
  }
}
