import assert from "node:assert/strict";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { after, before, describe as suite, it } from "node:test";
import { type Picture, pictureOf } from "../../../local/cloud/picture.ts";
import { eventually } from "../../support/eventually.ts";
import { ask, deploy, raw, rules, startCloud, type TestCloud } from "./support.ts";

let test: TestCloud;
before(async () => {
  test = await startCloud();
  await deploy(test, "w1");
  await deploy(test, "s1", { service: "ws", flexible: true });
  await deploy(test, "m1", { service: "m", manual: 3 });
  await rules(test, [{ path: "/ws*", service: "ws" }]);
});
after(() => test.cloud.stop());

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, unknown>;
}

async function call(
  path: string,
  {
    body,
    method = body === undefined ? "GET" : "POST",
    headers = {},
  }: {
    readonly body?: string;
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Promise<Answer> {
  const sent = request({
    ...{ port: test.port, host: "127.0.0.1", path, method, agent: false },
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
  });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const answer = await text(response);
  return {
    status: response.statusCode,
    headers: response.headers,
    body: (answer === "" ? {} : JSON.parse(answer)) as Record<string, unknown>,
  };
}

const picture = async (): Promise<Picture> =>
  (await call("/_local/system")).body as unknown as Picture;

const processes = ({ services }: Picture) =>
  services.flatMap(({ versions }) => versions).flatMap(({ instances }) => instances);

const ws = { service: "ws", version: "s1", index: 0 };
const codeOf = ({ body }: Answer): unknown =>
  (body["error"] as { code?: string } | undefined)?.code;

suite("the local cloud's own API", () => {
  it("shows what runs: services, versions, their traffic and processes, and the rules", async () => {
    const { services, rules: declared } = await picture();
    assert.deepEqual(declared, [{ path: "/ws*", service: "ws" }]);
    const found = services.find(({ service }) => service === "ws");
    assert.deepEqual([found?.kind, found?.scaling], ["flexible", "automatic"]);
    const [version] = found?.versions ?? [];
    assert.deepEqual([version?.version, version?.share], ["s1", 1]);
    const [instance] = version?.instances ?? [];
    assert.deepEqual([instance?.state, instance?.starts, instance?.index], ["live", 1, 0]);
    assert.equal(instance?.pid, test.cloud.services.version("ws", "s1")?.instances[0]?.pid);
    assert.deepEqual(instance?.kill, ws);
  });

  it("kills the process that is named, and no other; it comes back as another one", async () => {
    const before = await picture();
    const pidOf = ({ services }: Picture, service: string) =>
      services.find((each) => each.service === service)?.versions[0]?.instances[0];
    const { status, body } = await call("/_local/kill", { body: JSON.stringify(ws) });
    assert.deepEqual([status, body], [200, { killed: { pid: pidOf(before, "ws")?.pid } }]);
    assert.equal(pidOf(await picture(), "ws")?.state, "restarting");
    const again = await call("/_local/kill", { body: JSON.stringify(ws) });
    assert.deepEqual([again.status, codeOf(again)], [409, "not_running"]);
    const after = await eventually("it serves again", async () => {
      const now = await picture();
      return pidOf(now, "ws")?.state === "live" ? now : undefined;
    });
    assert.equal(pidOf(after, "ws")?.starts, 2);
    assert.notEqual(pidOf(after, "ws")?.pid, pidOf(before, "ws")?.pid);
    assert.deepEqual(pidOf(after, "default"), pidOf(before, "default"));
  });

  it("kills one of several instances, while the others go on as they are", async () => {
    const before = processes(await picture());
    const victim = before.find(({ id }) => id === "m.1");
    assert.deepEqual(victim?.kill, { service: "m", version: "m1", index: 1 });
    const { body } = await call("/_local/kill", { body: JSON.stringify(victim.kill) });
    assert.deepEqual(body, { killed: { pid: victim.pid } });
    const after = await eventually("it serves again", async () => {
      const now = processes(await picture());
      return now.every(({ state }) => state === "live") ? now : undefined;
    });
    const back = after.find(({ id }) => id === "m.1");
    assert.equal(back?.starts, victim.starts + 1);
    assert.notEqual(back.pid, victim.pid);
    assert.ok((back.startedAt ?? "") > (victim.startedAt ?? ""));
    const others = (all: typeof after) => all.filter(({ id }) => id !== "m.1");
    assert.deepEqual(others(after), others(before));
  });

  it("says what is wrong with a target, and kills nothing", async () => {
    for (const [body, status, code] of [
      [JSON.stringify({ ...ws, index: 1 }), 404, "no_such_process"],
      [JSON.stringify({ ...ws, version: "s2" }), 404, "no_such_process"],
      ['{"nats":"nats-0"}', 404, "no_such_process"],
      [JSON.stringify({ ...ws, index: -1 }), 400, "invalid_argument"],
      [JSON.stringify({ ...ws, signal: 9 }), 400, "invalid_argument"],
      ['{"__proto__":{"nats":"x"}}', 400, "invalid_argument"],
      ["[]", 400, "invalid_argument"],
      ["", 400, "invalid_json"],
      ["{", 400, "invalid_json"],
      [" ".repeat(5_000), 413, "too_large"],
    ] as const) {
      const answer = await call("/_local/kill", { body });
      assert.deepEqual([answer.status, codeOf(answer)], [status, code], body.slice(0, 50));
    }
    const states = processes(await picture()).map(({ state }) => state);
    assert.deepEqual(states, ["live", "live", "live", "live", "live"]);
  });

  it("answers by names of this machine only, so that no other name can be made to lead here", async () => {
    const port = String(test.port);
    for (const host of [
      "localhost",
      "LOCALHOST.",
      `127.0.0.1:${port}`,
      `[::1]:${port}`,
      "a.localhost",
    ]) {
      assert.equal((await call("/_local/system", { headers: { host } })).status, 200, host);
    }
    for (const host of [
      "evil.example",
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "xlocalhost",
      "10.0.0.1",
    ]) {
      const answer = await call("/_local/kill", { body: JSON.stringify(ws), headers: { host } });
      assert.deepEqual([answer.status, codeOf(answer)], [403, "other_host"], host);
    }
  });

  it("answers no page of another origin", async () => {
    const host = `localhost:${test.port}`;
    const body = JSON.stringify(ws);
    for (const headers of [
      { host, origin: "http://evil.example" },
      { host, origin: "null" },
      { host, origin: `https://${host}` },
      { host, origin: "http://localhost:1" },
      { host, "sec-fetch-site": "cross-site" },
      { host, "sec-fetch-site": "same-site" },
    ]) {
      for (const options of [{ headers }, { headers, body }]) {
        const answer = await call(
          body === options.body ? "/_local/kill" : "/_local/system",
          options,
        );
        assert.deepEqual(
          [answer.status, codeOf(answer)],
          [403, "other_site"],
          JSON.stringify(headers),
        );
      }
    }
    const form = { host, "content-type": "text/plain" };
    assert.equal((await call("/_local/kill", { body, headers: form })).status, 415);
    const own = { host, origin: `http://${host}`, "sec-fetch-site": "same-origin" };
    const { headers, status } = await call("/_local/system", { headers: own });
    assert.deepEqual([status, headers["cross-origin-resource-policy"]], [200, "same-origin"]);
    assert.equal(headers["access-control-allow-origin"], undefined);
  });

  it("has two addresses with their methods; what only looks like them goes its ordinary way", async () => {
    for (const [path, method, allow] of [
      ["/_local/system", "POST", "GET, HEAD"],
      ["/_local/kill", "GET", "POST"],
    ] as const) {
      const answer = await call(path, { method });
      assert.deepEqual([answer.status, answer.headers.allow], [405, allow]);
    }
    for (const path of ["/_local/", "/_local/system/", "/_local/../ws", "/_local//system"]) {
      assert.deepEqual(codeOf(await call(path)), "not_found", path);
    }
    for (const path of [
      "//_local/system",
      "/%5flocal/system",
      "/_LOCAL/system",
      "/x/../_local/system",
    ]) {
      assert.match((await ask(test.port, path)).body, /"service":"default"|"url":/, path);
    }
  });

  it("does not become a websocket, and starts nothing by one", async () => {
    const answer = await raw(
      test.port,
      [
        "GET /_local/kill HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        `POST /_local/kill HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`,
        `Content-Length: ${JSON.stringify(ws).length}\r\n\r\n${JSON.stringify(ws)}`,
      ].join(""),
    );
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1);
    assert.match(answer, /^HTTP\/1\.1 404 /);
    assert.ok(processes(await picture()).every(({ state }) => state === "live"));
  });

  it("takes nothing that is sent behind a refused body for a request", async () => {
    const big = " ".repeat(10_000);
    const answer = await raw(
      test.port,
      [
        `POST /_local/kill HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: ${big.length}\r\n\r\n${big}`,
        "GET /_local/system HTTP/1.1\r\nHost: localhost\r\n\r\n",
      ].join(""),
    );
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1);
    assert.match(answer, /^HTTP\/1\.1 415 /);
  });
});

suite("the picture", () => {
  const endpoints = (endpoint: string | undefined) =>
    pictureOf({
      ...{ services: new Map(), rules: [], nats: new Map() },
      topics: new Map([
        ["projects/p/topics/t", new Map([["projects/p/subscriptions/s", endpoint]])],
      ]),
    }).topics;
  const topic = (subscription: object) => [
    { name: "t", subscriptions: [{ name: "s", ...subscription }] },
  ];

  it("names the service, version and instance to which a subscription pushes", () => {
    const tail = "appengine.localhost:8080/_ah/push-handlers/m";
    assert.deepEqual(
      endpoints(`https://2-dot-v1-dot-m-dot-${tail}`),
      topic({ service: "m", version: "v1", index: 2 }),
    );
    assert.deepEqual(
      endpoints(`https://v1-dot-m-dot-${tail}`),
      topic({ service: "m", version: "v1" }),
    );
    assert.deepEqual(endpoints(`https://m-dot-${tail}`), topic({ service: "m" }));
    for (const endpoint of [undefined, `https://${tail}`, "https://elsewhere.example/", "no URL"]) {
      assert.deepEqual(endpoints(endpoint), topic({ service: "" }), endpoint);
    }
  });
});
