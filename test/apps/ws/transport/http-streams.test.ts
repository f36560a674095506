import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { createHttpApp } from "../../../../apps/lib/http.ts";
import { createHttpServer } from "../../../../apps/lib/server.ts";
import { BacklogBudget } from "../../../../apps/ws/backlog-budget.ts";
import { decodeConfig } from "../../../../apps/ws/config/options.ts";
import { Sessions } from "../../../../apps/ws/emulation/sessions.ts";
import { Bodies } from "../../../../apps/ws/transport/http-body.ts";
import { addHttpStreams } from "../../../../apps/ws/transport/http-streams.ts";
import type { Link } from "../../../../apps/ws/transport/link.ts";
import { eventually } from "../../../support/eventually.ts";
import { StreamClient } from "../../../support/stream-client.ts";

describe("sessions of streams", () => {
  it("are there for as long as the stream, however it ends, and have names of their own", async (t) => {
    const sessions = new Sessions();
    const links: Link[] = [];
    const names = new Set<string>();
    const taken: string[] = [];
    const app = createHttpApp();
    const limits = { maxBacklogBytes: 1_000, closeGraceMs: 60_000, slowGraceMs: 60_000 };
    addHttpStreams(app, {
      ...{ sessions, limits, node: "node", budget: new BacklogBudget(1_000_000) },
      config: decodeConfig({ http_stream: { enabled: true }, sse: { enabled: true } }),
      bodies: new Bodies({ maxTotalBytes: 10_000, withinMs: 60_000 }),
      unavailable: () => undefined,
      open: ({ openLink, emulation }) => {
        links.push(openLink({ onMessage: () => undefined, onClose: () => undefined }));
        names.add(emulation.session);
        return { take: (bytes) => taken.push(Buffer.from(bytes).toString()) };
      },
    });
    const server = createHttpServer(app).listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;

    for (const transport of ["http_stream", "sse"] as const) {
      using aborted = await StreamClient.begin(port, { transport, body: "first" });
      using closed = await StreamClient.begin(port, { transport, body: "second" });
      assert.equal(sessions.size, 2);
      aborted.request.destroy();
      await eventually("one has ended", () => sessions.size === 1);
      links.at(-1)?.close({ code: 3001, reason: "shutdown" });
      assert.equal(await closed.closing(), 3001);
      await eventually("none is left", () => sessions.size === 0);
    }
    assert.equal(names.size, 4);
    assert.deepEqual(taken, ["first", "second", "first", "second"]);
  });
});
