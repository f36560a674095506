import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHttpServer } from "../../apps/lib/server.ts";
import { createWebApp } from "../../apps/web/app.ts";
import { bareConsole } from "../../apps/web/console.ts";
import { readSite } from "../../apps/web/site.ts";
import { apps } from "../../components/lib/apps.ts";
import { bundleApp, writeBundle } from "../../components/lib/bundle.ts";
import { collectingLog, type RunningGateway, startGateway } from "./gateway.ts";

/** The console, and a gateway behind the same origin: what a view needs that knows of channels only. */
export interface ConsolePage extends AsyncDisposable {
  /** Of the page, without a final slash. */
  readonly url: string;
  readonly gateway: RunningGateway;
}

/**
 * Bundles the page and serves it from this process, together with a gateway.
 *
 * @param options.gateway the gateway's options
 * @param options.channels those that the page suggests; it subscribes to the first one by itself
 */
export async function startConsolePage({
  gateway: options,
  channels = ["add"],
}: { gateway?: unknown; channels?: readonly string[] } = {}): Promise<ConsolePage> {
  const folder = await mkdtemp(join(tmpdir(), "console-page-"));
  writeBundle(bundleApp(join(import.meta.dirname, "../.."), apps.web), folder);
  const site = readSite(join(folder, "page"));
  await rm(folder, { recursive: true });
  const gateway = await startGateway({
    jetStream: true,
    ...(options === undefined ? {} : { gateway: options }),
  });
  const web = createWebApp({
    site,
    console: {
      ...bareConsole,
      ...{ project: "test", version: "1", local: false },
      ...{ anonymous: true, channels: [...channels] },
    },
    log: collectingLog().log,
    signal: new AbortController().signal,
  });
  const server = createHttpServer((request, response) => {
    const toGateway = /^\/(connection\/|emulation$)/.test(request.url ?? "");
    if (toGateway) gateway.gateway.handler(request, response);
    else web(request, response);
  });
  gateway.gateway.attach(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    gateway,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await gateway[Symbol.asyncDispose]();
    },
  };
}
