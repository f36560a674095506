import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { createHttpServer } from "../../../apps/lib/server.ts";
import { createWebApp } from "../../../apps/web/app.ts";
import { bareConsole } from "../../../apps/web/console.ts";
import { readSite } from "../../../apps/web/site.ts";
import { apps } from "../../../components/lib/apps.ts";
import { bundleApp, writeBundle } from "../../../components/lib/bundle.ts";
import { eventually } from "../../support/eventually.ts";
import { collectingLog } from "../../support/gateway.ts";
import { ServiceProcess } from "../../support/process.ts";

const root = join(import.meta.dirname, "../../..");
const source = join(root, "apps/web/page");
const facts = { ...bareConsole, project: "a-project", version: "v1" };
let folder = "";
let server: Server;
let url = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "web-test-"));
  writeBundle(bundleApp(root, apps.web), folder);
  const { signal } = new AbortController();
  const site = readSite(join(folder, "page"));
  server = createHttpServer(
    createWebApp({ site, console: facts, log: collectingLog().log, signal }),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(async () => {
  server.close();
  server.closeAllConnections();
  await rm(folder, { recursive: true, force: true });
});

/** A request that is sent as it is written: fetch normalises paths and adds cache headers. */
async function plain(
  path: string,
  { method = "GET", headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number | undefined; body: string }> {
  const sent = request(`${url}/`, { method, path, headers });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode, body: await text(response) };
}

describe("the web service", () => {
  for (const [path, type] of [
    ["/", "text/html; charset=utf-8"],
    ["/console.css", "text/css; charset=utf-8"],
    ["/console.js", "text/javascript; charset=utf-8"],
  ] as const) {
    it(`serves ${path}, and 304 to whoever has it`, async () => {
      const first = await fetch(url + path);
      assert.deepEqual([first.status, first.headers.get("content-type")], [200, type]);
      assert.equal(first.headers.get("cache-control"), "no-cache");
      assert.equal(first.headers.get("x-content-type-options"), "nosniff");
      const etag = first.headers.get("etag") ?? "";
      assert.match(etag, /^"[\w-]{22}"$/);
      const again = await plain(path, { headers: { "if-none-match": etag } });
      assert.deepEqual(again, { status: 304, body: "" });
      const other = await plain(path, { headers: { "if-none-match": '"other"' } });
      assert.equal(other.status, 200);
      const head = await fetch(url + path, { method: "HEAD" });
      assert.deepEqual([head.status, head.headers.get("etag")], [200, etag]);
      const post = await fetch(url + path, { method: "POST" });
      assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
    });
  }

  it("answers 404 to everything else, to what App Engine sends astray too", async () => {
    const paths = [
      "/_ah/push-handlers/m",
      "/_ah/push-handlers/",
      "/_ah/start",
      "/index.html",
      "/main.tsx",
      "/realtime.html",
      "/console",
      "/tsconfig.json",
      "/../main.ts",
      "/..%2f..%2fmain.ts",
      "//",
      "/ws/add",
      "/api/add/sum",
      "/main.js",
    ];
    for (const path of paths) {
      for (const method of ["GET", "POST"]) {
        assert.equal((await plain(path, { method })).status, 404, `${method} ${path}`);
      }
    }
    const response = await fetch(`${url}/nothing`);
    assert.deepEqual(await response.json(), {
      error: { code: "not_found", message: "there is nothing at this path" },
    });
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal((await plain("/console.css/")).status, 404);
  });

  it("forbids the browser everything that the page does not need", async () => {
    const { headers } = await fetch(url);
    const policy = headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /script-src 'self';/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.match(policy, /require-trusted-types-for 'script'; trusted-types 'none'$/);
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    assert.equal(headers.get("cross-origin-opener-policy"), "same-origin");
    assert.equal(headers.get("x-powered-by"), null);
  });

  it("has a page that its own policy lets work: nothing inline, nothing from elsewhere", async () => {
    const html = await (await fetch(url)).text();
    assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/);
    assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|javascript:/);
    const loaded = [...html.matchAll(/<(?:link|script)[^>]*\s(?:src|href)="([^"]*)"/g)];
    const links = loaded.map(([, link]) => link ?? "");
    assert.deepEqual(
      links.filter((link) => !link.startsWith("data:image/")),
      ["/console.css", "/console.js"],
    );
  });

  it("turns nothing into markup: what others publish is shown as text", async () => {
    const files = await readdir(source, { recursive: true });
    const code = files.filter((file) => /\.tsx?$/.test(file));
    assert.ok(code.length > 10);
    for (const file of code) {
      assert.doesNotMatch(
        await readFile(join(source, file), "utf8"),
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(/i,
        file,
      );
    }
  });

  it("needs nothing but a port, and leaves at once on SIGTERM", async () => {
    await using service = new ServiceProcess(join(folder, "main.js"), {});
    const base = await service.ready();
    assert.match(await (await fetch(`${base}/console.js`)).text(), /console\.json/);
    assert.equal((await service.end()).code, 0);
    await service.logged("stopped");
    assert.ok(!service.describe().includes("stopped before everything had ended"));
  });

  it("serves nothing from its sources, and says how it does", async () => {
    await using service = new ServiceProcess("apps/web/main.ts", {});
    const record = await service.logged("cannot start");
    const { message } = record["err"] as { message: string };
    assert.match(message, /console\.js cannot be read\. .*npm run bundle -- web <folder>/);
    await eventually("it ends", () => service.ended);
    assert.equal(service.child.exitCode, 1);
  });
});
