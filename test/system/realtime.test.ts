import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { Centrifuge, type PublicationContext, type SubscribedContext } from "centrifuge";
import { WebSocket } from "ws";
import { emulatorsMissing } from "../support/emulators.ts";
import { eventually } from "../support/eventually.ts";
import { System } from "./system.ts";

/** The system as its clients see it, through the front door, while parts of it die. */
describe("the system under npm start", () => {
  let system: System;
  const open: WebSocket[] = [];

  before(async () => {
    system = await System.start();
    await system.ready();
  });
  after(async () => {
    for (const websocket of open) websocket.terminate();
    await system[Symbol.asyncDispose]();
  });

  const post = (path: string, body: unknown): Promise<Response> =>
    fetch(`http://localhost:${system.port}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });

  /** An open websocket on a topic, with what it received so far. */
  async function listen(topic: string): Promise<{ websocket: WebSocket; received: string[] }> {
    const websocket = new WebSocket(`ws://localhost:${system.port}/ws/${topic}`);
    const received: string[] = [];
    websocket.on("message", (data: Buffer) => received.push(data.toString()));
    open.push(websocket);
    await once(websocket, "open");
    return { websocket, received };
  }

  /** The process of a service's youngest instance, from what the service said when it began. */
  function instancePid(service: string): number {
    const said = [
      ...system.output.matchAll(new RegExp(`^${service} .*listening.* process=(\\d+)`, "gm")),
    ];
    return Number(said.at(-1)?.[1]);
  }

  it("brings the result of a POST to a websocket", async () => {
    const { received } = await listen("add");
    const sum = await post("/api/add/sum", { a: 40, b: 2 });
    assert.deepEqual([sum.status, await sum.json()], [200, { res: 42 }]);
    const concat = await post("/api/add/concat", { a: "x", b: "y" });
    assert.deepEqual([concat.status, await concat.json()], [200, { res: "xy" }]);
    await eventually("both results arrive", () => received.length >= 2);
    assert.deepEqual(received, ["42", "xy"]);
  });

  it("brings 1,000 messages to each of 1,000 clients in order, with none lost", async () => {
    const clients = 1_000;
    const messages = 1_000;
    const next = new Array<number>(clients).fill(0);
    let delivered = 0;
    let problem: string | undefined;
    for (let opened = 0; opened < clients; opened += 100) {
      await Promise.all(
        Array.from({ length: 100 }, async (_, i) => {
          const client = opened + i;
          const websocket = new WebSocket(`ws://localhost:${system.port}/ws/everyone`);
          open.push(websocket);
          websocket.on("message", (data: Buffer) => {
            const number = Number(data.toString());
            if (number !== next[client]) {
              problem ??= `client ${client} got ${number} instead of ${next[client] ?? "nothing"}`;
            }
            next[client] = number + 1;
            delivered += 1;
          });
          websocket.on("close", (code) => (problem ??= `client ${client} was closed: ${code}`));
          await once(websocket, "open");
        }),
      );
    }
    const { websocket: publisher } = await listen("everyone");
    const everyone = open.slice(-clients - 1);
    for (let sent = 0; sent < messages;) {
      for (const end = sent + 100; sent < end; sent++) publisher.send(String(sent));
      // Who cannot follow is closed, so the next hundred wait until all have followed.
      await eventually(
        `${sent} messages reach everyone`,
        () => {
          if (problem !== undefined) return true;
          return delivered === clients * sent;
        },
        { withinMs: 120_000 },
      );
      assert.equal(problem, undefined);
    }
    assert.equal(delivered, clients * messages);
    for (const websocket of everyone) {
      websocket.removeAllListeners("close");
      websocket.terminate();
    }
  });

  it("keeps websockets through a restart of nats-server, and answers POSTs honestly meanwhile", async () => {
    const { websocket, received } = await listen("add");
    process.kill(system.pid(/nats-server/), "SIGKILL");
    const answers = new Set<number>();
    // The gateway may be back a little later than the service that publishes.
    await eventually("a result arrives on the same websocket", async () => {
      answers.add((await post("/api/add/concat", { a: "back", b: "!" })).status);
      return received.includes("back!");
    });
    assert.equal(websocket.readyState, WebSocket.OPEN);
    // Nothing but success and an honest refusal.
    assert.deepEqual(
      [...answers].filter((status) => status !== 200 && status !== 503),
      [],
    );
  });

  it("brings the npm client what was published while its gateway was dead and NATS restarted", async () => {
    const client = new Centrifuge(`ws://localhost:${system.port}/connection/websocket`, {
      websocket: WebSocket,
      minReconnectDelay: 50,
      maxReconnectDelay: 200,
    });
    const subscription = client.newSubscription("add");
    const publications: PublicationContext[] = [];
    const subscribed: SubscribedContext[] = [];
    subscription.on("publication", (context) => publications.push(context));
    subscription.on("subscribed", (context) => subscribed.push(context));
    subscription.subscribe();
    client.connect();
    try {
      await subscription.ready(30_000);
      const { offset = 0, epoch } = subscribed[0]?.streamPosition ?? {};
      const first = await post("/api/add/concat", { a: "before", b: "" });
      assert.equal(first.status, 200);
      await eventually("the first result arrives", () => publications.length === 1);
      process.kill(instancePid("ws"), "SIGKILL");
      process.kill(system.pid(/nats-server/), "SIGKILL");
      const sent = ["one", "two", "three"];
      for (const a of sent) {
        await eventually(`"${a}" is published`, async () => {
          return (await post("/api/add/concat", { a, b: "" })).status === 200;
        });
      }
      await eventually("the last result arrives", () => publications.at(-1)?.data === sent.at(-1));
      // Who was told that a publication failed has sent it again: it may be there twice.
      const data = publications.map((each) => String(each.data));
      assert.deepEqual([...new Set(data)], ["before", ...sent]);
      assert.deepEqual(
        publications.map((each) => each.offset),
        publications.map((_, index) => offset + index + 1),
      );
      assert.deepEqual(
        subscribed.slice(1).map((each) => [each.wasRecovering, each.recovered]),
        subscribed.slice(1).map(() => [true, true]),
      );
      assert.ok(subscribed.length >= 2, "it had to subscribe again");
      assert.ok(subscribed.every((each) => each.streamPosition?.epoch === epoch));
    } finally {
      client.disconnect();
    }
  });

  it("restarts a killed instance, and says so meanwhile", async () => {
    const killed = instancePid("add");
    process.kill(killed, "SIGKILL");
    const refusals: unknown[] = [];
    await eventually("a POST succeeds again", async () => {
      const answer = await post("/api/add/sum", { a: 1, b: 1 });
      if (answer.status !== 200) refusals.push([answer.status, await answer.json()]);
      return answer.status === 200;
    });
    for (const refusal of refusals) {
      const [status, body] = refusal as [number, { error?: { code?: string; message?: string } }];
      assert.ok([502, 503].includes(status), String(status));
      assert.ok(body.error?.message, JSON.stringify(body));
    }
    assert.notEqual(instancePid("add"), killed);
  });

  it("closes the websockets of a killed gateway, and the next one takes them", async () => {
    const { websocket } = await listen("add");
    const closed = once(websocket, "close");
    process.kill(instancePid("ws"), "SIGKILL");
    await closed;
    const again = await eventually("a client connects again", () => listen("add"));
    await eventually("a result arrives", async () => {
      await post("/api/add/sum", { a: 3, b: 4 });
      return again.received.includes("7");
    });
  });

  it(
    "keeps M in every instance of m, also when one is killed",
    { skip: emulatorsMissing() ?? false },
    async () => {
      const version = /starting m (v[0-9a-f]{10}) /.exec(system.output)?.[1] ?? "";
      const host = (index: number): string =>
        `${index}-dot-${version}-dot-m-dot-appengine.localhost:${system.port}`;
      const read = async (index: number): Promise<unknown[]> => {
        // Not every system resolves names below localhost.
        const request = get({ port: system.port, path: "/m", headers: { host: host(index) } });
        const [response] = (await once(request, "response")) as [IncomingMessage];
        return [response.statusCode, response.headers.etag, await json(response)];
      };
      const first = await post("/m?wait=60", { colour: "green" });
      assert.deepEqual([first.status, await first.json()], [200, { rev: 1, confirmed: 3 }]);
      for (const index of [0, 1, 2]) {
        assert.deepEqual(await read(index), [200, '"1"', { colour: "green" }]);
      }

      process.kill(instancePid("m\\.2"), "SIGKILL");
      const second = await post("/m?wait=60", { colour: "red" });
      const { rev, confirmed } = (await second.json()) as { rev: number; confirmed: number };
      assert.deepEqual([second.status, rev], [200, 2]);
      assert.ok(confirmed >= 2, "the new process may have joined meanwhile");
      await eventually("the new process has it too", async () => {
        assert.deepEqual(await read(2), [200, '"2"', { colour: "red" }]);
        return true;
      });
    },
  );
});
