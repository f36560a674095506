import { once } from "node:events";
import { Agent, type ClientRequest, type IncomingHttpHeaders, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { eventually } from "./eventually.ts";
import type { ServerMessage } from "./protocol-client.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface StreamOptions {
  readonly transport?: "http_stream" | "sse";
  /** To which port commands go after the first; the stream's by default. */
  readonly emulationPort?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** What comes before the connect command's end, as it is; a connect command with these fields by default. */
  readonly body?: string;
  readonly connect?: object;
}

/** Speaks the protocol by hand over an HTTP stream or server-sent events, so that a test sees every byte. */
export class StreamClient implements Disposable {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
  /** Everything that the server has sent, in order; pings are `{}`. */
  readonly messages: ServerMessage[] = [];
  /** The body so far. */
  text = "";
  ended = false;
  /** Whether pings are answered. */
  pongs = true;
  session = "";
  node = "";
  readonly #emulationPort: number;
  /** Commands go by connections that are kept alive. */
  readonly #agent = new Agent({ keepAlive: true });
  #id = 1;

  private constructor(
    outgoing: ClientRequest,
    response: IncomingMessage,
    transport: "http_stream" | "sse",
    emulationPort: number,
  ) {
    this.request = outgoing;
    this.response = response;
    this.#emulationPort = emulationPort;
    let rest = "";
    response.setEncoding("utf8").on("data", (chunk: string) => {
      this.text += chunk;
      const parts = (rest + chunk).split(transport === "sse" ? "\n\n" : "\n");
      rest = parts.pop() ?? "";
      for (const part of parts) this.#take(transport === "sse" ? event(part) : part);
    });
    response.on("error", () => undefined).on("close", () => (this.ended = true));
  }

  /** Resolves with the head of the answer, whatever it is; the body may never end. */
  static async begin(port: number, options: StreamOptions = {}): Promise<StreamClient> {
    const { transport = "http_stream", connect = {}, emulationPort = port } = options;
    const body = options.body ?? JSON.stringify({ id: 1, connect });
    const query = transport === "sse" ? `?cf_connect=${encodeURIComponent(body)}` : "";
    const outgoing = request({
      ...{ host: "127.0.0.1", port, path: `/connection/${transport}${query}`, agent: false },
      method: transport === "sse" ? "GET" : "POST",
      headers: {
        ...(transport === "sse" ? {} : { "content-type": "application/json" }),
        ...options.headers,
      },
    });
    outgoing.on("error", () => undefined);
    outgoing.end(transport === "sse" ? undefined : body);
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    return new StreamClient(outgoing, response, transport, emulationPort);
  }

  /** Opens a stream and connects. */
  static async connect(port: number, options: StreamOptions = {}): Promise<StreamClient> {
    const client = await StreamClient.begin(port, options);
    const reply = await client.reply(1);
    if (!("connect" in reply)) throw new Error(`not connected: ${JSON.stringify(reply)}`);
    const { session, node } = reply["connect"] as { session: string; node: string };
    client.session = session;
    client.node = node;
    return client;
  }

  /** Sends commands in one request; resolves when they are taken. */
  async send(...commands: (object | string)[]): Promise<Answer> {
    const lines = commands.map((each) => (typeof each === "string" ? each : JSON.stringify(each)));
    const { session, node } = this;
    return emulate(
      this.#emulationPort,
      JSON.stringify({ session, node, data: lines.join("\n") }),
      {},
      this.#agent,
    );
  }

  /** Sends a command with the next id; the reply. */
  async command(command: object): Promise<ServerMessage> {
    const id = ++this.#id;
    const { status, body } = await this.send({ id, ...command });
    if (status !== 204) throw new Error(`answered with ${status}: ${body}`);
    return this.reply(id);
  }

  async reply(id: number): Promise<ServerMessage> {
    return eventually(
      `a reply to command ${id}`,
      () => {
        const reply = this.messages.find((message) => message["id"] === id);
        if (reply === undefined && this.ended) throw new Error(`the stream ended: ${this.text}`);
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

  /** Waits for the end of the stream; the code that was pushed last, 0 when there was none. */
  async closing(): Promise<number> {
    await eventually("the stream ends", () => this.ended, { everyMs: 2 });
    const last = this.pushes.at(-1)?.["disconnect"];
    return last === undefined ? 0 : (last as { code: number }).code;
  }

  [Symbol.dispose](): void {
    this.request.destroy();
    this.#agent.destroy();
  }

  #take(line: string): void {
    if (line === "") return;
    const message = JSON.parse(line) as ServerMessage;
    this.messages.push(message);
    if (line === "{}" && this.pongs) void this.send({}).catch(() => undefined);
  }
}

/** Sends a body to `/emulation`, whatever it is. */
export async function emulate(
  port: number,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  agent: Agent | false = false,
): Promise<Answer> {
  return ask(port, "/emulation", { method: "POST", body, headers, agent });
}

/** One plain request; the whole answer. */
export async function ask(
  port: number,
  path: string,
  {
    method = "GET",
    body,
    headers = {},
    agent = false,
  }: {
    readonly method?: string;
    readonly body?: string | Uint8Array;
    readonly headers?: Readonly<Record<string, string>>;
    readonly agent?: Agent | false;
  } = {},
): Promise<Answer> {
  const outgoing = request({
    ...{ host: "127.0.0.1", port, path, method, agent },
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
  });
  outgoing.end(body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  const status = response.statusCode ?? 0;
  return { status, headers: response.headers, body: await text(response) };
}

/** What an event of the stream carries; the stream begins with an empty line. */
function event(text: string): string {
  const data = text.replace(/^\r?\n/, "");
  if (!data.startsWith("data: ") || data.includes("\n")) throw new Error(`no event: ${text}`);
  return data.slice("data: ".length);
}
