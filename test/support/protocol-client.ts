import { WebSocket } from "ws";
import { eventually } from "./eventually.ts";

/** A message of the server, as it was parsed. */
export type ServerMessage = Readonly<Record<string, unknown>>;

/** Speaks the protocol by hand, so that a test sees every word of it. */
export class ProtocolClient {
  readonly websocket: WebSocket;
  /** Everything that the server has sent, in order; pings are `{}`. */
  readonly messages: ServerMessage[] = [];
  /** The frames as they came. */
  readonly frames: string[] = [];
  closed: { code: number; reason: string } | undefined;
  /** Whether pings are answered. */
  pongs = true;
  #id = 0;

  private constructor(websocket: WebSocket) {
    this.websocket = websocket;
    websocket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) throw new Error("the server sent a binary frame");
      const text = data.toString("utf8");
      this.frames.push(text);
      for (const line of text.split("\n")) {
        if (line === "") continue;
        const message = JSON.parse(line) as ServerMessage;
        this.messages.push(message);
        if (line === "{}" && this.pongs) this.send({});
      }
    });
    websocket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString("utf8") };
    });
    websocket.on("error", () => undefined);
  }

  /** Resolves when the websocket is open; nothing is sent yet. */
  static async open(
    port: number,
    {
      path = "/connection/websocket",
      ...options
    }: WebSocket.ClientOptions & { path?: string } = {},
  ): Promise<ProtocolClient> {
    const websocket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options);
    const client = new ProtocolClient(websocket);
    await new Promise<void>((resolve, reject) => {
      websocket.once("open", resolve);
      websocket.once("error", reject);
    });
    return client;
  }

  /** Opens a websocket and connects. */
  static async connect(port: number, connect: object = {}): Promise<ProtocolClient> {
    const client = await ProtocolClient.open(port);
    const reply = await client.command({ connect });
    if (!("connect" in reply)) throw new Error(`not connected: ${JSON.stringify(reply)}`);
    return client;
  }

  /** Sends commands in one frame, or a text as it is. */
  send(...commands: (object | string)[]): void {
    const lines = commands.map((each) => (typeof each === "string" ? each : JSON.stringify(each)));
    this.websocket.send(lines.join("\n"));
  }

  /** Sends a command with the next id; the reply. */
  async command(command: object): Promise<ServerMessage> {
    const id = ++this.#id;
    this.send({ id, ...command });
    return this.reply(id);
  }

  async reply(id: number): Promise<ServerMessage> {
    return eventually(
      `a reply to command ${id}`,
      () => {
        const reply = this.messages.find((message) => message["id"] === id);
        if (reply === undefined && this.closed !== undefined) {
          throw new Error(`closed with ${this.closed.code} ${this.closed.reason}`);
        }
        return reply;
      },
      { everyMs: 2 },
    );
  }

  /** The pushes so far, without their envelopes. */
  get pushes(): readonly ServerMessage[] {
    return this.messages.flatMap((message) =>
      "push" in message ? [message["push"] as ServerMessage] : [],
    );
  }

  async closing(): Promise<{ code: number; reason: string }> {
    return eventually("the websocket is closed", () => this.closed);
  }
}
