import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { createHttpServer } from "../../../../apps/lib/server.ts";
import { BacklogBudget } from "../../../../apps/ws/backlog-budget.ts";
import { httpLink } from "../../../../apps/ws/transport/http-link.ts";
import type { Closing, Link } from "../../../../apps/ws/transport/link.ts";
import { eventually } from "../../../support/eventually.ts";

const slow = { code: 3008, reason: "slow" };
const crowded = { code: 3008, reason: "crowded" };
const shutdown = { code: 3001, reason: "shutdown" };
const maxBacklogBytes = 100_000;

const activeTimers = (): number =>
  process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;

/** One stream, as both of its ends see it. */
interface Stream {
  readonly link: Link;
  readonly client: Socket;
  /** All that the client has read. */
  readonly text: () => string;
  readonly drains: () => number;
  /** How the link has ended; the list has one entry at most. */
  readonly closed: (Closing | undefined)[];
  readonly ended: () => boolean;
}

describe("a link over an HTTP response", () => {
  let budget = new BacklogBudget(Number.MAX_SAFE_INTEGER);
  let graceMs = 60_000;
  const opened: Omit<Stream, "client" | "text" | "ended">[] = [];
  const server = createHttpServer((request, response) => {
    if (request.url !== "/stream") {
      response.end("another answer");
      return;
    }
    request.resume();
    const closed: (Closing | undefined)[] = [];
    let drains = 0;
    const limits = { maxBacklogBytes, closeGraceMs: graceMs, slowGraceMs: graceMs };
    const link = httpLink({
      ...{ response, budget, limits, closings: { slow, crowded } },
      headers: { "content-type": "text/plain", "x-accel-buffering": "no" },
      preamble: "\n",
      farewell: ({ code, reason }) => Buffer.from(`goodbye: ${code} ${reason}\n`),
    })({
      onMessage: () => undefined,
      onDrain: () => (drains += 1),
      onClose: (closing) => closed.push(closing),
    });
    opened.push({ link, closed, drains: () => drains });
  });
  let port = 0;

  before(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as { port: number }).port;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

  async function open(
    request = get("/stream"),
    client = connect(port, "127.0.0.1"),
  ): Promise<Stream> {
    let text = "";
    let ended = false;
    client.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    client.on("error", () => undefined).on("close", () => (ended = true));
    const count = opened.length;
    client.write(request);
    const stream = await eventually("the server has opened a link", () => opened[count]);
    await eventually("the client has read what is there", () => text.endsWith("\r\n\r\n\n"));
    return { ...stream, client, text: () => text, ended: () => ended };
  }

  /** Makes the client stop reading, and fills what is between it and the gateway. */
  async function fill({ link, client }: Stream, bytes = 32_768): Promise<void> {
    client.pause();
    const piece = Buffer.alloc(bytes, "x");
    await eventually(
      "something waits, or all is over",
      () => {
        link.write(piece);
        return link.backlogBytes > 0 || link.closing !== undefined;
      },
      { everyMs: 1 },
    );
  }

  it("sends its head at once, and every message as it comes", async () => {
    const { link, text, client, drains } = await open();
    assert.match(text(), /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(text(), /x-accel-buffering: no\r\n/);
    // It is neither counted nor in chunks: it lasts as long as the connection.
    assert.match(text(), /connection: close\r\n/i);
    assert.doesNotMatch(text(), /transfer-encoding|content-length/i);
    for (const message of ["one\n", "two\n"]) {
      link.write(Buffer.from(message));
      await eventually(`${message} arrives`, () => text().endsWith(message));
    }
    assert.equal(link.backlogBytes, 0);
    assert.equal(drains(), 0);
    client.destroy();
  });

  it("says goodbye behind everything else and ends", async () => {
    const { link, text, closed, ended } = await open();
    link.write(Buffer.from("last\n"));
    link.close(shutdown);
    link.close(slow);
    link.write(Buffer.from("too late\n"));
    assert.deepEqual(link.closing, shutdown);
    await eventually("the connection ends", ended);
    assert.ok(text().endsWith("\n\nlast\ngoodbye: 3001 shutdown\n"), text());
    assert.deepEqual(closed, [shutdown]);
  });

  for (const [name, leave] of Object.entries<(client: Socket) => void>({
    "goes away": (client) => client.destroy(),
    "is cut off": (client) => client.resetAndDestroy(),
    "ends its half of the connection": (client) => client.end(),
  })) {
    it(`ends at once when its peer ${name}`, async () => {
      const { link, client, closed } = await open();
      leave(client);
      await eventually("it has ended", () => closed.length > 0);
      assert.deepEqual(closed, [undefined]);
      // Whoever has not heard of it yet does no harm, and leaves no timer.
      const timers = activeTimers();
      link.write(Buffer.from("x"));
      link.close(shutdown);
      await new Promise(setImmediate);
      assert.deepEqual(closed, [undefined]);
      assert.equal(activeTimers(), timers);
    });
  }

  it("ends at once when a peer that reads nothing goes away", async () => {
    const stream = await open();
    await fill(stream);
    assert.ok(budget.totalBytes > 0);
    stream.client.end();
    await eventually("it has ended", () => stream.closed.length > 0);
    assert.deepEqual(stream.closed, [undefined]);
    assert.equal(budget.totalBytes, 0);
    stream.client.destroy();
  });

  it("tells when a slow peer has read all that waited", async () => {
    const stream = await open();
    await fill(stream);
    assert.equal(stream.drains(), 0);
    assert.ok(budget.totalBytes > 0);
    stream.client.resume();
    await eventually("it has read all", () => stream.drains() > 0);
    assert.equal(stream.link.backlogBytes, 0);
    assert.equal(budget.totalBytes, 0);
    stream.client.destroy();
  });

  it("closes a peer for which too much waits, tells it why if it reads again, and has let all go", async () => {
    const stream = await open();
    await fill(stream);
    const piece = Buffer.alloc(10_000, "y");
    for (let n = 0; n < 10; n += 1) stream.link.write(piece);
    assert.deepEqual(stream.link.closing, slow);
    stream.client.resume();
    await eventually("the connection ends", stream.ended);
    assert.ok(stream.text().endsWith("goodbye: 3008 slow\n"));
    assert.deepEqual(stream.closed, [slow]);
    assert.equal(budget.totalBytes, 0);
  });

  it("cuts a peer that does not read until the end", async () => {
    graceMs = 50;
    const stream = await open();
    await fill(stream);
    stream.link.close(shutdown);
    await eventually("it is cut", () => stream.closed.length > 0);
    assert.deepEqual(stream.closed, [shutdown]);
    graceMs = 60_000;
    stream.client.destroy();
  });

  it("gives way when too much waits for all peers together, also while it is closing", async () => {
    budget = new BacklogBudget(80_000);
    const stream = await open();
    await fill(stream, 200_000);
    assert.deepEqual(stream.link.closing, crowded);
    assert.deepEqual(stream.closed, []);
    stream.client.destroy();
    await eventually("it has ended", () => stream.closed.length > 0);

    budget = new BacklogBudget(300_000);
    const other = await open();
    await fill(other, 90_000);
    other.link.close(shutdown);
    const third = await open();
    third.client.pause();
    await eventually(
      "the one that was closing is cut",
      () => {
        third.link.write(Buffer.alloc(90_000));
        return other.closed.length > 0 || third.link.closing !== undefined;
      },
      { everyMs: 1 },
    );
    for (const { client } of [other, third]) client.destroy();
    budget = new BacklogBudget(Number.MAX_SAFE_INTEGER);
  });

  it("is the same to a client of HTTP/1.0", async () => {
    const { link, text, ended } = await open("GET /stream HTTP/1.0\r\n\r\n");
    link.write(Buffer.from("one\n"));
    link.close(shutdown);
    await eventually("the connection ends", ended);
    assert.ok(text().endsWith("\r\n\r\n\none\ngoodbye: 3001 shutdown\n"), text());
  });

  it("mixes no other answer of its connection into its messages", async () => {
    const { link, client, text, ended } = await open();
    client.write(get("/") + get("/"));
    link.write(Buffer.from("one\n"));
    await eventually("it arrives", () => text().endsWith("one\n"));
    link.close(shutdown);
    await eventually("the connection ends", ended);
    assert.ok(text().endsWith("\n\none\ngoodbye: 3001 shutdown\n"), text());
    assert.doesNotMatch(text(), /another answer/);
  });

  it("follows an answer on a connection that is kept alive", async () => {
    const client = connect(port, "127.0.0.1");
    client.write(get("/"));
    const [answer] = (await once(client, "data")) as [Buffer];
    assert.match(answer.toString(), /another answer$/);
    const { link, text, ended } = await open(get("/stream"), client);
    link.write(Buffer.from("one\n"));
    link.close(shutdown);
    await eventually("the connection ends", ended);
    assert.ok(text().endsWith("\n\none\ngoodbye: 3001 shutdown\n"), text());
  });
});
