import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { createHttpApp, finishHttpApp } from "../../../../apps/lib/http.ts";
import { createHttpServer } from "../../../../apps/lib/server.ts";
import { Bodies, bytesPerRequest } from "../../../../apps/ws/transport/http-body.ts";
import { collectingLog } from "../../../support/collecting-log.ts";
import { eventually } from "../../../support/eventually.ts";

describe("small bodies", () => {
  // Room for three requests with 25 bytes together.
  const limits = { maxTotalBytes: 3 * bytesPerRequest + 25, withinMs: 60_000 };
  let bodies = new Bodies(limits);
  /** What is worked on, to be let go on. */
  const working: { readonly body: string; readonly done: () => void }[] = [];
  let isHeld = false;
  const { log, lines } = collectingLog();
  const app = createHttpApp();
  app.post("/", async (request, response) => {
    const body = await bodies.with(request, 10, async (bytes) => {
      const text = bytes.toString("latin1");
      if (isHeld) {
        await new Promise<void>((done) => {
          working.push({ body: text, done });
        });
      }
      return text;
    });
    response.send(`got ${body}`);
  });
  finishHttpApp(app, { log, project: undefined });
  const server = createHttpServer(app);
  let port = 0;

  before(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as { port: number }).port;
  });
  beforeEach(() => {
    bodies = new Bodies(limits);
    isHeld = false;
    working.length = 0;
  });
  after(() => {
    assert.ok(!lines.some((line) => line.includes("bug")), lines.join(""));
    server.closeAllConnections();
    server.close();
  });

  async function post(
    body: string | Uint8Array | ReadableStream,
    headers: Record<string, string> = {},
  ): Promise<string> {
    const init = { method: "POST", body, headers, duplex: "half" } as const;
    const response = await fetch(`http://127.0.0.1:${port}/`, init);
    return `${response.status} ${await response.text()}`;
  }

  /** Sends a part of a request only. */
  async function begin(text: string): Promise<Socket> {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    socket.write(text);
    return socket;
  }

  it("are read as they are, in one piece or many", async () => {
    assert.equal(await post("0123456789"), "200 got 0123456789");
    assert.equal(await post(new Uint8Array([0, 255])), "200 got \0\xff");
    const pieces = ReadableStream.from(["01", "23", "4"].map((text) => Buffer.from(text)));
    assert.equal(await post(pieces), "200 got 01234");
    assert.equal(await post(""), "200 got ");
    assert.equal(bodies.totalBytes, 0);
  });

  it("are refused when they are too large, whether they say so or not, and the connection goes on", async () => {
    assert.match(await post("0123456789a"), /^413 .*"too_large"/);
    const pieces = ReadableStream.from(["0123456789", "a"].map((text) => Buffer.from(text)));
    assert.match(await post(pieces), /^413 .*"too_large"/);
    assert.match(await post("x".repeat(1_000_000)), /^413 .*"too_large"/);
    assert.equal(bodies.totalBytes, 0);
    const socket = await begin(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n0123456789a",
    );
    await once(socket, "data");
    socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na");
    const [second] = (await once(socket, "data")) as [Buffer];
    assert.match(second.toString(), /^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it("are refused when they are compressed", async () => {
    assert.match(await post("0", { "content-encoding": "gzip" }), /^415 /);
  });

  it("count together while they are read and worked on, and no longer", async () => {
    isHeld = true;
    const first = [post("0123456789"), post("abcdefghij")];
    await eventually("both are worked on", () => working.length === 2);
    const held = 2 * bytesPerRequest + 20;
    assert.equal(bodies.totalBytes, held);
    assert.match(await post("012345"), /^503 .*"unavailable"/);
    const half = await begin("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    await eventually(
      "what has come of it counts",
      () => bodies.totalBytes === limits.maxTotalBytes,
    );
    half.destroy();
    await eventually("it does not any more", () => bodies.totalBytes === held);
    for (const { done } of working) done();
    assert.deepEqual(await Promise.all(first), ["200 got 0123456789", "200 got abcdefghij"]);
    assert.equal(bodies.totalBytes, 0);
  });

  it("give way while they are not whole, the oldest first, so that others are heard", async () => {
    const part = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234567";
    const unfinished: Socket[] = [];
    for (let n = 1; n <= 3; n += 1) {
      unfinished.push(await begin(part));
      const expected = n * (bytesPerRequest + 8);
      await eventually("it counts", () => bodies.totalBytes === expected);
    }
    const [oldest, ...others] = unfinished;
    let text = "";
    oldest?.on("data", (chunk: Buffer) => (text += chunk.toString()));
    // There is no room for another one beside the three.
    for (let n = 0; n < 20; n += 1) assert.equal(await post("01234567"), "200 got 01234567");
    await eventually("the oldest is told so", () => /^HTTP\/1\.1 503 /.test(text));
    await eventually("and cut off", () => oldest?.closed);
    assert.equal(bodies.totalBytes, 2 * (bytesPerRequest + 8));
    for (const socket of others) {
      socket.write("89");
      const [answer] = (await once(socket, "data")) as [Buffer];
      assert.match(answer.toString(), /^HTTP\/1\.1 200 /);
      socket.destroy();
    }
    assert.equal(bodies.totalBytes, 0);
  });

  it("are given up when they do not come in time", async () => {
    bodies = new Bodies({ ...limits, withinMs: 50 });
    const socket = await begin("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await once(socket, "close");
    assert.match(text, /^HTTP\/1\.1 408 /);
    assert.equal(bodies.totalBytes, 0);
  });
});
