import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { createHttpServer } from "../../../apps/lib/server.ts";
import { createWebApp } from "../../../apps/web/app.ts";
import { readSite } from "../../../apps/web/site.ts";
import { apps } from "../../../components/lib/apps.ts";
import { bundleApp, writeBundle } from "../../../components/lib/bundle.ts";
import { eventually } from "../../support/eventually.ts";
import { collectingLog } from "../../support/gateway.ts";
import { ServiceProcess } from "../../support/process.ts";

const root = join(import.meta.dirname, "../../..");
const source = join(root, "apps/web/page");
let folder = "";
let server: Server;
let url = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "web-test-"));
  writeBundle(bundleApp(root, apps.web), folder);
  const { signal } = new AbortController();
  const site = readSite(join(folder, "page"));
  server = createHttpServer(createWebApp({ site, log: collectingLog().log, signal }));
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
    ["/style.css", "text/css; charset=utf-8"],
    ["/page.js", "text/javascript; charset=utf-8"],
    ["/realtime.html", "text/html; charset=utf-8"],
    ["/realtime.js", "text/javascript; charset=utf-8"],
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
      "/page.ts",
      "/realtime.ts",
      "/realtime",
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
    assert.equal((await plain("/style.css/")).status, 404);
  });

  it("forbids the browser everything that the page does not need", async () => {
    const { headers } = await fetch(url);
    const policy = headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /script-src 'self';/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    assert.equal(headers.get("cross-origin-opener-policy"), "same-origin");
    assert.equal(headers.get("x-powered-by"), null);
  });

  for (const [path, script] of [
    ["/", "page"],
    ["/realtime.html", "realtime"],
  ] as const) {
    const page = async (): Promise<string> => (await fetch(url + path)).text();
    const code = (): Promise<string> => readFile(join(source, `${script}.ts`), "utf8");

    it(`has a page at ${path} that its own policy lets work: nothing inline, nothing from elsewhere`, async () => {
      const html = await page();
      assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/);
      assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|javascript:/);
      const loaded = [...html.matchAll(/<(?:link|script)[^>]*\s(?:src|href)="([^"]*)"/g)];
      const links = loaded.map(([, link]) => link ?? "");
      assert.deepEqual(
        links.filter((link) => !link.startsWith("data:image/")),
        ["/style.css", `/${script}.js`],
      );
      for (const [, link] of html.matchAll(/<a[^>]*\shref="([^"]*)"/g)) {
        assert.equal((await fetch(url + (link ?? ""))).status, 200, link);
      }
      // What others publish is shown as text: nothing in the page's code turns text into markup.
      assert.doesNotMatch(
        await code(),
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|Function\(/,
      );
    });

    it(`names in the code of ${path} only elements that the page has, and labels every input`, async () => {
      const html = await page();
      const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id ?? "");
      assert.equal(new Set(ids).size, ids.length, "no id twice");
      const used = [...(await code()).matchAll(/element\("([^"]+)"/g)];
      assert.ok(used.length > 5);
      for (const [, id] of used) assert.ok(ids.includes(id ?? ""), id);
      for (const [input] of html.matchAll(/<input[^>]*>/g)) {
        const id = /\sid="([^"]+)"/.exec(input)?.[1] ?? "";
        assert.ok(html.includes(`<label for="${id}">`), `a label for ${id}`);
      }
      for (const [, list] of html.matchAll(/aria-labelledby="([^"]+)"/g)) {
        for (const id of (list ?? "").split(" ")) assert.ok(ids.includes(id), id);
      }
    });
  }

  it("needs nothing but a port, and leaves at once on SIGTERM", async () => {
    await using service = new ServiceProcess(join(folder, "main.js"), {});
    const base = await service.ready();
    assert.match(await (await fetch(`${base}/page.js`)).text(), /new WebSocket\(/);
    assert.match(await (await fetch(`${base}/realtime.js`)).text(), /connection\/websocket/);
    assert.equal((await service.end()).code, 0);
    await service.logged("stopped");
    assert.ok(!service.describe().includes("stopped before everything had ended"));
  });

  it("serves nothing from its sources, and says how it does", async () => {
    await using service = new ServiceProcess("apps/web/main.ts", {});
    const record = await service.logged("cannot start");
    const { message } = record["err"] as { message: string };
    assert.match(message, /page\.js cannot be read\. .*npm run bundle -- web <folder>/);
    await eventually("it ends", () => service.ended);
    assert.equal(service.child.exitCode, 1);
  });
});
