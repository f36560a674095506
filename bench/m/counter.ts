/**
 * The design that M is compared with: every instance is told by a push, reloads, and adds one to a
 * counter that all share; the writer polls that counter every 50 ms until it has reached n.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import { DatastoreStore } from "../../apps/m/datastore-store.ts";
import { PubsubPublisher } from "../../apps/m/pubsub-publisher.ts";

const [datastore = "", pubsub = "", topic = "", namespace = "", counters = "", instances = ""] =
  process.argv.slice(2);
const pollMs = 50;

const store = new DatastoreStore({
  ...{ project: "local-project", namespace, emulator: datastore },
  ...{ callMs: 10_000, renewMs: 10_000 },
});
const publisher = new PubsubPublisher({ topic, emulator: pubsub });

async function post(response: ServerResponse): Promise<void> {
  const patch = new Map([["n", String(Date.now())]]);
  const id = crypto.randomUUID();
  const began = performance.now();
  const { changes } = await store.commit([{ id, patch, ifRev: undefined, idempotency: undefined }]);
  const committed = performance.now();
  const rev = changes.at(-1)?.rev ?? 0;
  await publisher.publish({ rev: String(rev) });
  for (;;) {
    const count = Number(await (await fetch(`${counters}/${rev}`)).text());
    if (count >= Number(instances)) break;
    await wait(pollMs);
  }
  const commit = (committed - began).toFixed(2);
  const confirm = (performance.now() - committed).toFixed(2);
  response.setHeader("server-timing", `commit;dur=${commit}, confirm;dur=${confirm}`);
  response.end("{}");
}

async function push(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { message } = (await json(request)) as { message: { attributes: { rev: string } } };
  await store.snapshot();
  await fetch(`${counters}/${message.attributes.rev}`, { method: "POST" });
  response.writeHead(204).end();
}

const server = createServer((request, response) => {
  const work = request.url === "/m" ? post(response) : push(request, response);
  work.catch((error: unknown) => {
    console.error(error);
    response.writeHead(500).end();
  });
});
server.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }));
});
