/**
 * `node test/system/gateway-client/mutants.ts [part of a name]`: breaks the gateway in one place after the
 * other, and says which rows of the table see it. It fails when a defect is not seen. It takes minutes, and
 * so is no part of the tests.
 */
import { setTimeout as wait } from "node:timers/promises";
import { type ClientKind, clientKinds } from "../../support/client-kind.ts";
import { GatewayPair } from "../../support/gateway-pair.ts";
import { bundleWith, type Mutant } from "../../support/mutant.ts";
import { table } from "./config.ts";
import { rows } from "./table/rows.ts";
import { Stage } from "./table/stage.ts";
import { slowReaders, takeOver } from "./table/together.ts";

type Run = (pair: GatewayPair, kind: ClientKind) => Promise<void>;

const together: Readonly<Record<string, Run>> = {
  slowReaders: (pair, kind) => slowReaders({ pair, kinds: [kind] }),
  takeOver: (pair, kind) => takeOver({ pair, kinds: [kind] }),
};

interface Defect extends Mutant {
  readonly kind: keyof typeof clientKinds;
  /** Names of those that must fail. */
  readonly rows: readonly string[];
}

const defects: readonly Defect[] = [
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

/** How long a row of a broken gateway may take; what waits for ever has failed. */
const patienceMs = 10_000;

async function fails({ kind: name }: Defect, row: string, pair: GatewayPair): Promise<boolean> {
  const kind = clientKinds[name];
  await using stage = new Stage(pair, kind);
  const run = together[row]?.(pair, kind) ?? rows[row]?.(stage);
  if (run === undefined) throw new Error(`there is no row "${row}"`);
  const over = new AbortController();
  const failed = await Promise.race([
    run.then(
      () => false,
      () => true,
    ),
    wait(patienceMs, true, { signal: over.signal }),
  ]);
  over.abort();
  return failed;
}

const [part = ""] = process.argv.slice(2);
// A row that is not waited for any more fails later, as it should.
process.on("unhandledRejection", () => undefined);
for (const defect of defects) {
  if (!defect.name.includes(part)) continue;
  const pair = await GatewayPair.start(table, bundleWith("ws", defect));
  for (const row of defect.rows) {
    const isSeen = await fails(defect, row, pair);
    if (!isSeen) process.exitCode = 1;
    console.log(
      `${isSeen ? "seen" : "NOT SEEN"}: ${defect.name}; ${clientKinds[defect.kind].name}, ${row}`,
    );
  }
  await pair[Symbol.asyncDispose]();
}
process.exit();
