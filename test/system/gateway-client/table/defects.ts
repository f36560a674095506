/** Deliberate defects of the gateway, to show that rows of the table see them. */
import type { ClientKind, clientKinds } from "../../../support/client-kind.ts";
import type { GatewayPair } from "../../../support/gateway-pair.ts";
import type { Mutant } from "../../../support/mutant.ts";
import { rows } from "./rows.ts";
import { Stage } from "./stage.ts";
import { slowReaders, takeOver } from "./together.ts";

type Run = (pair: GatewayPair, kind: ClientKind) => Promise<void>;

const together: Readonly<Record<string, Run>> = {
  slowReaders: (pair, kind) => slowReaders({ pair, kinds: [kind] }),
  takeOver: (pair, kind) => takeOver({ pair, kinds: [kind] }),
};

export interface Defect extends Mutant {
  readonly kind: keyof typeof clientKinds;
  /** Names of those that must fail. */
  readonly rows: readonly string[];
}

/** Each is seen by the rows that it names, or by those of every kind at the same time. */
export const defects: readonly Defect[] = [
  {
    name: "protobuf clients get payloads as JSON clients do",
    file: "protocol/protobuf/results.ts",
    original: `  data: [4, bytes],
  info: [5, clientInfo],`,
    defect: `  data: [4, (writer, number, value) => { text(writer, number, new TextDecoder().decode(value)); }],
  info: [5, clientInfo],`,
    kind: "protobufWebsocket",
    rows: ["gets what plain NATS clients publish, whatever it is"],
  },
  {
    name: "protobuf clients are not told where a channel is",
    file: "protocol/protobuf/results.ts",
    original: `    offset: [9, uint],
    positioned: [10, flag],`,
    defect: `    offset: undefined as never,
    positioned: [10, flag],`,
    kind: "protobufHttpStream",
    rows: ["is told so when what it missed cannot be had"],
  },
  {
    name: "errors lose their codes in protobuf",
    file: "protocol/protobuf/results.ts",
    original: `message(fields<ProtocolError>({ code: [1, uint],`,
    defect: `message(fields<ProtocolError>({ code: [7, uint],`,
    kind: "protobufWebsocket",
    rows: ["is told what is wrong with a command"],
  },
  {
    name: "commands that come to another gateway are lost",
    file: "emulation/forwarding.ts",
    original: `      this.#sessions.take(session, Buffer.from(data));`,
    defect: `      void session; void data;`,
    kind: "jsonSse",
    rows: ["gets what clients of both gateways publish, with offsets from 1"],
  },
  {
    name: "some commands that come to another gateway are lost",
    file: "emulation/forwarding.ts",
    original: `      this.#sessions.take(session, Buffer.from(data));`,
    defect: `      if (data.length % 2 === 0) this.#sessions.take(session, Buffer.from(data));`,
    kind: "protobufHttpStream",
    rows: ["calls many at a time, each answered with its own"],
  },
  {
    name: "a stream ends without saying why",
    file: "transport/http-link.ts",
    original: `    if (this.#socket.writable) this.#socket.write(this.#farewell(closing));`,
    defect: `    void this.#farewell;`,
    kind: "jsonHttpStream",
    rows: [
      "is ended with 3500 when it comes with the token of another channel or user",
      "takeOver",
    ],
  },
  {
    name: "a stream's client is there for ever",
    file: "transport/http-link.ts",
    original: `      owner.onClose(this.#closing);`,
    defect: `      void owner;`,
    kind: "jsonSse",
    rows: ["sees who is subscribed on both gateways, for as long as they are"],
  },
  {
    name: "what waits for a stream has no bound",
    file: "transport/http-link.ts",
    original: `      limits.maxBacklogBytes,`,
    defect: `      Number.POSITIVE_INFINITY,`,
    kind: "jsonHttpStream",
    rows: ["slowReaders"],
  },
  {
    name: "deltas are made for who has not what they are made from",
    file: "hub.ts",
    original: `const isAbreast = has !== undefined && this.#predecessors.get(name) === has;`,
    defect: `const isAbreast = has !== undefined || this.#predecessors.get(name) !== undefined;`,
    kind: "protobufWebsocket",
    rows: ["gets deltas though others got what came before it"],
  },
  {
    name: "what was missed is not filtered",
    file: "client/subscriptions.ts",
    original: `: recovery.messages.filter(({ tags }) => filter.accepts(tags));`,
    defect: `: recovery.messages;`,
    kind: "jsonHttpStream",
    rows: ["recovers what its filter lets pass, and is where the channel is"],
  },
  {
    name: "filters with an or let everything pass",
    file: "channel/tags-filter.ts",
    original: `test: (tags) => tests.some((test) => test(tags)) };`,
    defect: `test: (tags) => tests.length > 0 || test(tags) };`,
    kind: "protobufWebsocket",
    rows: ["gets the publications that its filter lets pass, with their tags"],
  },
  {
    name: "services' errors are results",
    file: "rpc/calls.ts",
    original: `    if (code === undefined && text === undefined) return`,
    defect: `    if (code !== "") return`,
    kind: "jsonSse",
    rows: ["gets answers that are no JSON, and errors of services"],
  },
  {
    name: "the server API reaches the clients of its own gateway alone",
    file: "api/cluster.ts",
    original: `...{ bus, gatewayId, log, part: "api" },`,
    defect: `...{ bus, gatewayId, log, part: gatewayId },`,
    kind: "protobufHttpStream",
    rows: ["is disconnected by the server API, for good or to come back"],
  },
];

/** What a row is called to do; undefined: there is none of that name. */
export function runOf(row: string): Run | undefined {
  const ofOne = rows[row];
  if (ofOne === undefined) return together[row];
  return async (pair, kind) => {
    await using stage = new Stage(pair, kind);
    await ofOne(stage);
  };
}
