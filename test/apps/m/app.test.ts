import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { HttpError } from "../../../apps/lib/http.ts";
import { createHttpServer } from "../../../apps/lib/server.ts";
import { createMApp, type MLimits } from "../../../apps/m/app.ts";
import { createReads } from "../../../apps/m/reads.ts";
import { Replica } from "../../../apps/m/replica.ts";
import { eventually } from "../../support/eventually.ts";
import { collectingLog } from "../../support/gateway.ts";
import { MemoryBus } from "../../support/memory-bus.ts";
import { failing, Latch, leaseOf, MemoryStore, writing } from "../../support/memory-store.ts";

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

const code = ({ status, body }: Answer): [number, string] => [
  status,
  (body as { error: { code: string } }).error.code,
];

/** The service's requests on one replica in this process. */
async function start({
  limits = {},
  store = new MemoryStore(),
}: { limits?: Partial<MLimits>; store?: MemoryStore } = {}) {
  const stopping = new AbortController();
  const { signal } = stopping;
  const { log, lines } = collectingLog();
  const replica = new Replica({
    identity: { replica: "own", instance: undefined, version: "v1" },
    ...{ store, bus: new MemoryBus(), log, signal, leaseMs: 600_000 },
    publisher: { publish: () => Promise.resolve(), close: () => Promise.resolve() },
  });
  const tokens = { problem: undefined as HttpError | undefined };
  const server = createHttpServer(
    createMApp({
      ...{ replica, topic: "m", log, signal, project: "p", limits },
      verifyPush: () =>
        tokens.problem === undefined ? Promise.resolve() : Promise.reject(tokens.problem),
    }),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ask = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(url + path, init);
    const text = await response.text();
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    return { status: response.status, headers: response.headers, body };
  };
  const send = (path: string, body: unknown): Promise<Answer> =>
    ask(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  return {
    ...{ replica, store, lines, ask, send, tokens, url },
    serving: () => eventually("it serves", () => replica.membership.obstacle() === undefined),
    stop: () => {
      stopping.abort();
    },
    [Symbol.asyncDispose]: async () => {
      store.before = () => undefined;
      store.after = () => undefined;
      stopping.abort();
      server.closeAllConnections();
      server.close();
      await replica.stop();
    },
  };
}

const push = (rev: string, subscription = "projects/p/subscriptions/m-3"): object => ({
  subscription,
  message: { attributes: { rev, writer: "w" }, messageId: "1" },
});

describe("the requests of m", () => {
  it("refuse what would make M too large, by what it holds and by what is added", async () => {
    await using app = await start({ limits: { size: 400 } });
    await app.serving();
    // Of these, 160 are for the entry, four are the key with its quotes and colon, two are quotes.
    const most = 400 - 160 - 4 - 2;
    assert.equal((await app.send("/m", { a: "x".repeat(most) })).status, 200);
    const refused = await app.send("/m", { b: 1 });
    assert.deepEqual(code(refused), [413, "m_is_full"]);
    assert.equal(
      (refused.body as { error: { message: string } }).error.message,
      "M may hold about 400 characters, with 160 for each key; nothing was committed",
    );
    assert.equal(app.replica.follower.rev, 1);
    assert.deepEqual(code(await app.send("/m", { a: "x".repeat(most + 1) })), [413, "m_is_full"]);
    assert.equal(
      (await app.send("/m", { a: "y".repeat(most) })).status,
      200,
      "no more than before",
    );
    assert.equal((await app.send("/m", { a: 1, b: 2 })).status, 200, "less than before");
    assert.deepEqual(code(await app.send("/m", { c: 1 })), [413, "m_is_full"], "an entry too many");
    assert.equal((await app.send("/m", { a: null, c: null })).status, 200);
    assert.equal((await app.send("/m", { c: 1 })).status, 200);
  });

  it("name everybody who is missing, and where to ask later", async () => {
    await using app = await start();
    await app.serving();
    await app.store.join(leaseOf("other"));
    const posted = await app.send("/m?wait=0.05", { a: 1 });
    assert.equal(posted.status, 202);
    assert.deepEqual(posted.body, {
      ...{ rev: 1, confirmed: 1, missing: ["other"], operation: "/m/operations/1" },
    });
    assert.equal(posted.headers.get("etag"), '"1"');
    assert.match(
      posted.headers.get("server-timing") ?? "",
      /^commit;dur=[\d.]+, confirm;dur=[\d.]+$/,
    );
    assert.deepEqual((await app.ask("/m/operations/1")).body, {
      ...{ rev: 1, status: "pending", confirmed: 1, missing: ["other"] },
    });
    await app.store.renew(leaseOf("other", { renewal: 2, rev: 1 }));
    assert.deepEqual((await app.ask("/m/operations/1")).body, {
      ...{ rev: 1, status: "confirmed", confirmed: 2, missing: [] },
    });
  });

  it("wait as long as the service is set to where the caller says nothing", async () => {
    await using app = await start({ limits: { waitMs: 0 } });
    await app.serving();
    await app.store.join(leaseOf("other"));
    assert.equal((await app.send("/m", { a: 1 })).status, 202);
  });

  it("say what every replica last said of itself", async () => {
    await using app = await start();
    await app.serving();
    await app.send("/m", { a: 1 });
    const renewedAt = new Date("2026-11-22T01:02:03.456Z");
    await app.store.leave("own");
    await app.store.join(
      leaseOf("other", {
        ...{ index: 2, rev: 1, serving: true, instance: "i", version: "v", renewedAt },
        ...{ renewal: 7, leaseMs: 4_000 },
      }),
    );
    assert.deepEqual((await app.ask("/m/replicas")).body, {
      ...{ rev: 1, answeredBy: "own" },
      replicas: [
        {
          ...{ replica: "other", instance: "i", version: "v", index: 2, rev: 1, serving: true },
          lease: { renewals: 7, renewedAt: renewedAt.toISOString(), durationMs: 4_000 },
        },
      ],
    });
  });

  it("learn the index of their instance from its own host, and from no other", async () => {
    await using app = await start();
    await app.serving();
    const hear = async (host: string): Promise<number | undefined> => {
      // fetch does not let a caller name the host.
      const { request } = await import("node:http");
      const sent = request(`${app.url}/healthz/live`, { headers: { host } }).end();
      const [response] = (await once(sent, "response")) as [{ resume: () => unknown }];
      response.resume();
      return app.replica.membership.index;
    };
    for (const host of [
      "m.example.com",
      "v1-dot-m-dot-p.appspot.com",
      "2-dot-v0-dot-m-dot-p.appspot.com",
      "1000-dot-v1-dot-m-dot-p.appspot.com",
      "x-dot-v1-dot-m-dot-p.appspot.com",
    ]) {
      assert.equal(await hear(host), undefined, host);
    }
    assert.equal(await hear("2-dot-v1-dot-m-dot-p.appspot.com"), 2);
    assert.equal(await hear("3-dot-v1-dot-m-dot-p.appspot.com"), 2, "it is the first that counts");
  });

  it("answer 503 when Datastore does not answer what only it knows", async () => {
    await using app = await start();
    await app.serving();
    app.store.before = () => {
      throw failing("unavailable");
    };
    for (const path of ["/m/replicas", "/m/operations/1"]) {
      const answer = await app.ask(path);
      assert.deepEqual(code(answer), [503, "unavailable"]);
      assert.equal(answer.headers.get("retry-after"), "1");
    }
    assert.equal((await app.ask("/m")).status, 200, "what it holds is what it holds");
  });
});

describe("reads of M", () => {
  it("are refused until the replica may serve, with the reason", async () => {
    const store = new MemoryStore();
    const latch = new Latch();
    store.before = (call) => (call === "join" ? latch.pass() : undefined);
    await using app = await start({ store, limits: { startMs: 10 } });
    for (const path of ["/m", "/m/a"]) {
      const answer = await app.ask(path);
      assert.deepEqual(code(answer), [503, "not_serving"]);
      assert.equal(answer.headers.get("retry-after"), "1");
    }
    assert.deepEqual(code(await app.ask("/_ah/start")), [503, "not_started"]);
    assert.deepEqual((await app.ask("/healthz/ready")).body, {
      error: { code: "not_ready", message: "this replica is not a member yet" },
    });
    latch.open();
    await app.serving();
    assert.deepEqual((await app.ask("/_ah/start")).body, { status: "started" });
    assert.equal((await app.ask("/healthz/ready")).status, 200);
    assert.equal((await app.ask("/m")).status, 200);
  });

  it("that waited are refused when the replica may not serve any more", async () => {
    await using app = await start();
    await app.serving();
    const waiting = app.ask("/m", { headers: { "if-min-rev": "1" } });
    await eventually("it has asked", () => app.store.count("head") > 0);
    app.stop();
    const { changes } = await app.store.commit([writing({ a: 1 })]);
    app.replica.follower.offer(changes);
    assert.deepEqual(code(await waiting), [503, "not_serving"]);
  });

  it("wait for the revision that they ask for, and are answered with it", async () => {
    await using app = await start();
    await app.serving();
    const waiting = app.ask("/m/a", { headers: { "if-min-rev": "1" } });
    await eventually("it has asked", () => app.store.count("head") > 0);
    const { changes } = await app.store.commit([writing({ a: 1 })]);
    app.replica.follower.offer(changes);
    const { status, headers, body } = await waiting;
    assert.deepEqual([status, headers.get("etag"), body], [200, '"1"', 1]);
  });

  it("wait for a revision in a bounded number and for a bounded time", async () => {
    await using app = await start();
    await app.serving();
    const { log } = collectingLog();
    const reads = createReads({ replica: app.replica, log, waitMs: 50, waiting: 2 });
    const server = createHttpServer((request, response) => {
      assert.ok(reads(request, response));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/m`;
    const read = async (): Promise<[string, string | null]> => {
      const response = await fetch(url, { headers: { "if-min-rev": "7" } });
      const { error } = (await response.json()) as { error: { message: string } };
      assert.equal(response.status, 503);
      return [error.message, response.headers.get("retry-after")];
    };
    const answers = await Promise.all([read(), read(), read()]);
    server.closeAllConnections();
    server.close();
    const said = "this replica is at revision 0, and 7 was asked for: ";
    assert.deepEqual(answers.sort(), [
      [`${said}it did not come within 0.05 s`, "1"],
      [`${said}it did not come within 0.05 s`, "1"],
      [`${said}too many reads wait already`, "1"],
    ]);
  });
});

describe("pushes to m", () => {
  it("are verified before anything else of them is looked at", async () => {
    await using app = await start();
    await app.serving();
    app.tokens.problem = new HttpError(401, "wrong_token", "the push's token is not valid");
    for (const body of [push("1"), "nonsense", undefined]) {
      assert.deepEqual(code(await app.send("/_ah/push-handlers/m", body)), [401, "wrong_token"]);
    }
    assert.equal(app.replica.membership.index, undefined);
  });

  it("are answered once their revision is applied", async () => {
    await using app = await start();
    await app.serving();
    const latch = new Latch();
    app.store.before = (call) => (call === "changesAfter" ? latch.pass() : undefined);
    await app.store.commit([writing({ a: 1 })]);
    let answered = false;
    const pushed = app.send("/_ah/push-handlers/m", push("1")).finally(() => (answered = true));
    await eventually("the revision is fetched", () => latch.waiting > 0);
    assert.equal(answered, false);
    latch.open();
    assert.equal((await pushed).status, 204);
    assert.deepEqual([app.replica.follower.rev, app.replica.membership.index], [1, 3]);
    assert.equal((await app.send("/_ah/push-handlers/m", push("1"))).status, 204);
  });

  it("are refused when that takes too long, so that they come again", async () => {
    await using app = await start({ limits: { pushMs: 20 } });
    await app.serving();
    const answer = await app.send("/_ah/push-handlers/m", push("9"));
    assert.deepEqual(code(answer), [503, "not_applied"]);
  });

  it("are refused when they say nothing, or at another path", async () => {
    await using app = await start();
    await app.serving();
    assert.deepEqual(code(await app.send("/_ah/push-handlers/m", {})), [400, "invalid_argument"]);
    assert.deepEqual(code(await app.send("/_ah/push-handlers/n", push("1"))), [404, "not_found"]);
    const got = await app.ask("/_ah/push-handlers/m");
    assert.deepEqual([...code(got), got.headers.get("allow")], [405, "method_not_allowed", "POST"]);
    const large = push("1", "s".repeat(16 * 1024));
    assert.deepEqual(code(await app.send("/_ah/push-handlers/m", large)), [413, "too_large"]);
  });
});

describe("the requests of m while it stops", () => {
  it("are refused, and nothing is committed", async () => {
    await using app = await start();
    await app.serving();
    app.stop();
    const posted = await app.send("/m", { a: 1 });
    assert.deepEqual(posted.body, {
      error: {
        code: "stopping",
        message: "this instance is stopping; nothing was committed",
      },
    });
    assert.equal(posted.status, 503);
    assert.deepEqual(code(await app.ask("/m")), [503, "not_serving"]);
    assert.deepEqual(code(await app.ask("/healthz/ready")), [503, "not_ready"]);
    assert.equal((await app.ask("/healthz/live")).status, 200);
    assert.equal((await app.store.head()).rev, 0);
  });
});
