import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import type { Request, Response } from "express";
import { createHttpApp, finishHttpApp, jsonBody } from "../../../apps/lib/http.ts";
import { createHttpServer } from "../../../apps/lib/server.ts";
import { collectingLog } from "../../support/gateway.ts";

const limit = 1_000;

describe("a body that is too large", () => {
  let server: Server;
  let handled = 0;
  before(async () => {
    const app = createHttpApp();
    app.post("/", jsonBody(limit), (_request: Request, response: Response) => {
      handled += 1;
      response.json({});
    });
    finishHttpApp(app, { log: collectingLog().log, project: undefined });
    server = createHttpServer(app);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  /** All that is answered to a request whose body never ends, until the service lets go of it. */
  async function answerTo(head: string, body: string): Promise<string> {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    socket.write(
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${head}\r\n\r\n${body}`,
    );
    return text(socket);
  }

  for (const [what, head, body] of [
    ["by the length that it announces", "Content-Length: 100000000000", "{"],
    [
      "by what has come of it",
      "Transfer-Encoding: chunked",
      `${(limit + 1).toString(16)}\r\n${" ".repeat(limit + 1)}\r\n`,
    ],
  ] as const) {
    it(`is answered at once, and read no further: ${what}`, async () => {
      const answer = await answerTo(head, body);
      assert.match(answer, /^HTTP\/1\.1 413 /);
      assert.match(answer, /connection: close/i);
      assert.match(answer, /"code":"too_large","message":"the body is larger than 1000 bytes"/);
      assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1);
      assert.equal(handled, 0);
    });
  }

  it("is one byte more than what is taken", async () => {
    const { port } = server.address() as AddressInfo;
    for (const [length, status] of [
      [limit, 200],
      [limit + 1, 413],
    ] as const) {
      const response = await fetch(`http://127.0.0.1:${port}/`, {
        ...{ method: "POST", headers: { "content-type": "application/json" } },
        body: `{}${" ".repeat(length - 2)}`,
      });
      assert.equal(response.status, status);
    }
    assert.equal(handled, 1);
  });
});
