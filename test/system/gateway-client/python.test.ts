import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Subscription } from "nats";
import { FrontDoor } from "../../support/front-door.ts";
import { GatewayPair, token } from "../../support/gateway-pair.ts";
import { subjectOf } from "../../support/gateway-process.ts";
import { pythonClient, PythonProcess, type Said } from "../../support/python.ts";
import { Random } from "../../support/random.ts";
import { table } from "./config.ts";

const { python, obstacle } = await pythonClient();
const program = join(import.meta.dirname, "python-client.py");
const encodings = ["json", "protobuf"] as const;

/** What is published, so that the next one is little more than a number. */
function greeting(number: number): object {
  return { number, text: "grüß dich ".repeat(20) };
}

describe("the official Python client", { skip: obstacle }, () => {
  let pair: GatewayPair;
  let door: FrontDoor;
  let answers: Subscription;
  const clients = new Map<string, PythonProcess>();
  const channelOf = (encoding: string): string => `delta:python-${encoding}`;

  before(async () => {
    pair = await GatewayPair.start(table);
    door = await FrontDoor.open(new Random(1));
    door.add(0, pair.port(0));
    answers = pair.publisher.subscribe("rpc.sum", {
      callback: (_error, message) => {
        const [one, two] = message.json<[number, number]>();
        message.respond(JSON.stringify({ sum: one + two }));
      },
    });
    const url = `ws://127.0.0.1:${door.port}/connection/websocket`;
    const claims = { sub: "ada", info: { name: "Ada" } };
    for (const encoding of encodings) {
      const args = [url, encoding, channelOf(encoding), await token(claims)];
      clients.set(encoding, new PythonProcess(python ?? "", program, args));
    }
    await all((client) => client.says("ready"));
    // The gateway goes, and it goes on elsewhere.
    door.remove(0);
    pair.gateway(0).signal("SIGKILL");
    publish(...[3, 4, 5].map((number) => JSON.stringify(greeting(number))));
    await pair.publisher.flush();
    door.add(1, pair.port(1));
    await all((client) => client.says("subscribed", 2));
    publish("no JSON");
    await all((client) => client.says("done"));
  });
  after(async () => {
    await all((client) => client[Symbol.asyncDispose]());
    answers.unsubscribe();
    await door[Symbol.asyncDispose]();
    await pair[Symbol.asyncDispose]();
  });

  async function all(each: (client: PythonProcess) => Promise<void>): Promise<void> {
    await Promise.all([...clients.values()].map(each));
  }

  /** As services without the protocol do. */
  function publish(...payloads: readonly string[]): void {
    for (const encoding of encodings) {
      for (const payload of payloads) {
        pair.publisher.publish(subjectOf(channelOf(encoding)), payload);
      }
    }
  }

  for (const encoding of encodings) {
    const said = (what: string): Said[] => {
      const lines = clients.get(encoding)?.said ?? [];
      return lines.filter((each) => each.what === what);
    };

    it(`sees who is in a channel, and what was published, in ${encoding}`, () => {
      const [connected] = said("connected");
      const clientsSeen = { [String(connected?.["client"])]: ["ada", { name: "Ada" }] };
      assert.deepEqual(said("presence"), [{ what: "presence", clients: clientsSeen }]);
      assert.deepEqual(said("stats"), [{ what: "stats", clients: 1, users: 1 }]);
      const [history] = said("history");
      assert.equal(history?.["offset"], 2);
      assert.deepEqual(history["publications"], [
        [1, greeting(1)],
        [2, greeting(2)],
      ]);
    });

    it(`calls what answers on NATS, and is refused what it may not do, in ${encoding}`, () => {
      assert.deepEqual(said("rpc"), [{ what: "rpc", data: { sum: 3 } }]);
      assert.deepEqual(said("refused"), [
        { what: "refused", asked: "rpc", code: 104 },
        { what: "refused", asked: "publish", code: 103 },
      ]);
    });

    it(`misses nothing when its gateway is killed, in ${encoding}`, () => {
      const channel = channelOf(encoding);
      assert.deepEqual(said("subscribed"), [
        { what: "subscribed", channel, recovering: false, recovered: false },
        { what: "subscribed", channel, recovering: true, recovered: true },
      ]);
      const publications = said("publication");
      assert.deepEqual(
        publications.map(({ offset, data, user }) => [offset, data, user]),
        [
          ...[1, 2].map((n) => [n, greeting(n), "ada"]),
          ...[3, 4, 5].map((n) => [n, greeting(n), null]),
          [6, "no JSON", null],
        ],
      );
      // Its library put them together again. Where it came back, and for what is short, they are whole.
      const deltas = publications.map(({ delta }) => delta);
      assert.deepEqual(deltas, [false, true, false, true, true, false]);
      assert.deepEqual(said("subscription error"), []);
      assert.deepEqual(said("disconnected"), [{ what: "disconnected", code: 0 }]);
    });
  }
});
