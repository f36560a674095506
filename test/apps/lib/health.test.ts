import assert from "node:assert/strict";
import { once } from "node:events";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { createAddApp } from "../../../apps/add/app.ts";
import { createCalculator } from "../../../apps/add/calculator.ts";
import type { Bus } from "../../../apps/lib/bus.ts";
import type { Log } from "../../../apps/lib/log.ts";
import { createHttpServer } from "../../../apps/lib/server.ts";
import { createWebApp } from "../../../apps/web/app.ts";
import { Gateway } from "../../../apps/ws/gateway.ts";
import { collectingLog, gatewayParts } from "../../support/gateway.ts";
import { MemoryBus } from "../../support/memory-bus.ts";

interface Parts {
  readonly bus: Bus;
  readonly log: Log;
  readonly signal: AbortSignal;
}

interface Built {
  readonly handler: RequestListener;
  stop?(graceMs: number): Promise<void>;
}

const services: Readonly<Record<string, (parts: Parts) => Built>> = {
  web: ({ log, signal }) => ({ handler: createWebApp({ site: [], log, signal }) }),
  add: (parts) => ({
    handler: createAddApp({ ...parts, calculator: createCalculator(parts.bus) }),
  }),
  ws: (parts) => new Gateway({ ...gatewayParts(), ...parts }),
};

describe("the health of a service", () => {
  for (const [name, build] of Object.entries(services)) {
    it(`is not ready, but live, once ${name} begins to stop`, async () => {
      const stopping = new AbortController();
      const { signal } = stopping;
      const service = build({ bus: new MemoryBus(), log: collectingLog().log, signal });
      const server = createHttpServer(service.handler);
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/healthz`;
      const ready = async (): Promise<unknown[]> => {
        const response = await fetch(`${url}/ready`);
        return [response.status, await response.json()];
      };
      try {
        assert.deepEqual(await ready(), [200, { status: "ready" }]);
        stopping.abort();
        assert.deepEqual(await ready(), [
          503,
          { error: { code: "not_ready", message: "this instance is stopping" } },
        ]);
        assert.equal((await fetch(`${url}/live`)).status, 200);
      } finally {
        await service.stop?.(0);
        server.close();
        server.closeAllConnections();
      }
    });
  }
});
