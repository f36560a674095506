import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser } from "playwright-core";
import { createHttpServer } from "../../../apps/lib/server.ts";
import { BrowserPage, browserMissing, launchBrowser } from "../../support/browser.ts";
import { eventually } from "../../support/eventually.ts";
import { type RunningGateway, startGateway } from "../../support/gateway.ts";

const library = join(import.meta.dirname, "../../../node_modules/centrifuge/dist/centrifuge.js");

/** What the page does: it makes a client, and keeps in `events` what the client told it. */
const pageScript = `
  const events = [];
  let client, subscription;
  function start(gateway, transport, token = "") {
    client = new Centrifuge(
      [{ transport, endpoint: gateway + "/connection/" + transport }],
      { emulationEndpoint: gateway + "/emulation", token },
    );
    client.on("connected", ({ transport }) => events.push("connected " + transport));
    client.on("disconnected", ({ code }) => events.push("disconnected " + code));
    client.on("error", ({ type }) => events.push("error " + type));
    subscription = client.newSubscription("from-" + transport);
    subscription.on("publication", ({ data }) => events.push("publication " + JSON.stringify(data)));
    subscription.on("subscribed", () => subscription.publish({ from: transport }));
    subscription.subscribe();
    client.connect();
  }`;

describe("a page of another origin in Chromium", { skip: browserMissing() ?? false }, () => {
  let running: RunningGateway;
  let browser: Browser;
  let site: Server;
  let sitePort = 0;
  let gateway = "";

  before(async () => {
    const script = await readFile(library);
    site = createHttpServer((request, response) => {
      if (request.url === "/centrifuge.js") {
        response.setHeader("content-type", "text/javascript").end(script);
        return;
      }
      const scripts = `<script src="/centrifuge.js"></script><script>${pageScript}</script>`;
      const icon = '<link rel="icon" href="data:,">';
      response.setHeader("content-type", "text/html").end(`<!doctype html>${icon}${scripts}`);
    });
    site.listen(0, "127.0.0.1");
    await once(site, "listening");
    sitePort = (site.address() as AddressInfo).port;
    running = await startGateway({
      gateway: {
        client: { insecure: true, allowed_origins: [`http://127.0.0.1:${sitePort}`] },
        http_stream: { enabled: true },
        sse: { enabled: true },
      },
    });
    gateway = `http://127.0.0.1:${running.port}`;
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    site.closeAllConnections();
    site.close();
    await running[Symbol.asyncDispose]();
  });

  async function start(page: BrowserPage, transport: string, token = ""): Promise<void> {
    await page.run(`start(${JSON.stringify([gateway, transport, token]).slice(1, -1)})`);
  }

  async function happens(page: BrowserPage, event: string): Promise<void> {
    await eventually(`"${event}" happens`, async () => {
      const events = await page.run<string[]>("events");
      if (events.includes(event)) return true;
      throw new Error(`so far: ${events.join("; ")} ${page.complaints.join("; ")}`);
    });
  }

  it("connects, subscribes, publishes and receives, and is told why it is closed", async () => {
    await using page = await BrowserPage.open(browser, `http://127.0.0.1:${sitePort}/`);
    for (const transport of ["http_stream", "sse"]) {
      await start(page, transport);
      await happens(page, `connected ${transport}`);
      await happens(page, `publication {"from":"${transport}"}`);
      // One at a time, as they come.
      for (const n of [1, 2, 3]) {
        running.publisher.publish(`t.from-${transport}`, String(n));
        await happens(page, `publication ${n}`);
      }
      assert.equal(running.gateway.counts.connections, 1);
      await page.run("client.disconnect()");
      await eventually("it has gone", () => running.gateway.counts.connections === 0);
      await page.run("events.length = 0");
      await start(page, transport, "no token");
      await happens(page, "disconnected 3500");
      await page.run("events.length = 0");
    }
    assert.deepEqual(page.complaints, []);
  });

  it("gets nothing when its origin is not allowed", async () => {
    await using page = await BrowserPage.open(browser, `http://localhost:${sitePort}/`);
    for (const transport of ["http_stream", "sse"]) {
      await start(page, transport);
      await happens(page, "error transport");
      await page.run("client.disconnect(); events.length = 0");
    }
    assert.equal(running.gateway.counts.connections, 0);
  });
});
