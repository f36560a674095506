import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { after, before, describe, it } from "node:test";
import { exportSPKI, generateKeyPair, SignJWT } from "jose";
import { type Emulator, emulatorsMissing, startEmulator } from "../../support/emulators.ts";
import { eventually } from "../../support/eventually.ts";
import { Gate } from "../../support/gate.ts";
import { type Answer, bundledM, MCluster, type Running } from "../../support/m-cluster.ts";
import { NatsServer } from "../../support/nats.ts";
import { ServiceProcess } from "../../support/process.ts";

/** An address that nobody listens on. */
const nowhere = "127.0.0.1:9";

function problem({ body }: Answer): { readonly code: string; readonly message: string } {
  return (body as { error: { code: string; message: string } }).error;
}

function revOf({ body }: Answer): number {
  return (body as { rev: number }).rev;
}

/** The revision that a replica serves. */
async function tagAt(replica: Running): Promise<number> {
  const { headers } = await replica.get("/m");
  return Number(/^"(\d+)"$/.exec(headers.get("etag") ?? "")?.[1]);
}

interface Lease {
  readonly replica: string;
  readonly index?: number;
  readonly rev: number;
  readonly serving: boolean;
}

async function leases(replica: Running): Promise<readonly Lease[]> {
  return ((await replica.get("/m/replicas")).body as { replicas: Lease[] }).replicas;
}

/** What fetch does not let a caller say, such as the host. */
async function raw(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<{ status: number | undefined; text: string; headers: IncomingMessage["headers"] }> {
  const { method = "GET", headers = {}, body } = options;
  const sent = request(url, { method, headers });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return {
    status: response.statusCode,
    text: Buffer.concat(pieces).toString(),
    headers: response.headers,
  };
}

describe("the service m", { skip: emulatorsMissing() }, () => {
  let datastore: Emulator;
  let pubsub: Emulator;
  let nats: NatsServer;
  let cluster: MCluster;

  before(async () => {
    [datastore, pubsub, nats] = await Promise.all([
      startEmulator("datastore"),
      startEmulator("pubsub"),
      NatsServer.start(),
    ]);
    cluster = await MCluster.start({
      ...{ replicas: 2, datastore: datastore.host, pubsub: pubsub.host, nats: nats.url },
      leaseMs: 8_000,
    });
  });
  after(async () => {
    await cluster[Symbol.asyncDispose]();
    await Promise.all([datastore, pubsub, nats].map((each) => each[Symbol.asyncDispose]()));
  });

  /** Posts, and waits for the confirmation for as long as a busy machine may take. */
  function post(
    index: number,
    patch: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return cluster.at(index).post(patch, { headers, query: "?wait=60" });
  }

  it("answers a POST when every replica has it, and each of them serves it then", async () => {
    const posted = await post(0, { greeting: "hello", list: [1, { a: null }], "a/b é": 1.5 });
    assert.equal(posted.status, 200, JSON.stringify(posted.body));
    const rev = revOf(posted);
    assert.deepEqual(posted.body, { rev, confirmed: 2 });
    assert.equal(posted.headers.get("etag"), `"${rev}"`);
    assert.match(posted.headers.get("server-timing") ?? "", /^commit;dur=.*, confirm;dur=/);
    for (const index of [0, 1]) {
      const all = await cluster.at(index).get("/m");
      assert.equal(all.headers.get("etag"), `"${rev}"`);
      assert.deepEqual(all.body, { "a/b é": 1.5, greeting: "hello", list: [1, { a: null }] });
      assert.equal(all.headers.get("content-type"), "application/json; charset=utf-8");
      assert.equal(all.headers.get("cache-control"), "no-cache");
      assert.equal((await cluster.at(index).get("/m/greeting")).body, "hello");
      const escaped = await cluster.at(index).get(`/m/${encodeURIComponent("a/b é")}?x=1`);
      assert.deepEqual([escaped.status, escaped.body], [200, 1.5]);
    }
    const deleted = await post(1, { greeting: null, list: null, "a/b é": null });
    assert.deepEqual(deleted.body, { rev: rev + 1, confirmed: 2 });
    const gone = await cluster.at(0).get("/m/greeting");
    assert.deepEqual([gone.status, problem(gone).code], [404, "no_such_key"]);
    assert.equal(gone.headers.get("etag"), `"${rev + 1}"`);
    assert.deepEqual((await cluster.at(0).get("/m")).body, {});
  });

  it("refuses what is wrong with a status and a reason, and writes none of it", async () => {
    const { url } = cluster.at(0);
    const json = { "content-type": "application/json" };
    const long = "k".repeat(513);
    const refuse = "the body must be a JSON object, not";
    const cases: [string, Parameters<typeof raw>[1], number, string, RegExp | string][] = [
      ["/m", { body: '{"a":1' }, 400, "invalid_json", /^the body is not JSON: /],
      ["/m", { body: "" }, 400, "invalid_argument", `${refuse} absent`],
      ["/m", { body: " " }, 400, "invalid_json", /^the body is not JSON: /],
      ["/m", { body: "[1]" }, 400, "invalid_argument", `${refuse} an array`],
      ["/m", { body: "null" }, 400, "invalid_argument", `${refuse} null`],
      ["/m", { body: '"x"' }, 400, "invalid_argument", `${refuse} a string`],
      [
        ...["/m", { body: `{"${long}":1}` }, 400, "invalid_argument"],
        `the key "${"k".repeat(32)}…" has 513 characters; at most 512 are allowed`,
      ] as [string, Parameters<typeof raw>[1], number, string, string],
      ["/m", { body: '{"a":1e999}' }, 400, "invalid_argument", /a number that is too large/],
      [
        "/m",
        { body: `{"a":${"[".repeat(101)}1${"]".repeat(101)}}` },
        400,
        "invalid_argument",
        /nested deeper than 100/,
      ],
      [
        "/m",
        { body: `{"a":"${"x".repeat(256 * 1024 - 7)}"}` },
        413,
        "too_large",
        "the body is larger than 262144 bytes",
      ],
      [
        "/m",
        { body: `{"a":[${"1e20,".repeat(50_000)}1]}` },
        413,
        "too_large",
        /^the patch is \d+ bytes long/,
      ],
      [
        "/m",
        { body: '{"a":1}', headers: { "content-type": "text/plain" } },
        415,
        "unsupported_media_type",
        /application\/json$/,
      ],
      [
        "/m",
        { body: '{"a":1}', headers: { ...json, "content-encoding": "gzip" } },
        415,
        "unsupported_media_type",
        /not compressed$/,
      ],
      [
        "/m?wait=61",
        { body: '{"a":1}' },
        400,
        "invalid_argument",
        'wait is "61"; allowed: seconds from 0 to 60, for example 2.5',
      ],
      [
        "/m?wait=1&wait=2",
        { body: '{"a":1}' },
        400,
        "invalid_argument",
        /^wait is "given several times"/,
      ],
      [
        "/m",
        { body: '{"a":1}', headers: { ...json, "if-match": "7" } },
        400,
        "invalid_argument",
        /^If-Match is "7"; allowed: /,
      ],
      [
        "/m",
        { body: '{"a":1}', headers: { ...json, "idempotency-key": "a b" } },
        400,
        "invalid_argument",
        /^Idempotency-Key is "a b"; allowed: /,
      ],
      ["/m/a", { body: '{"a":1}' }, 405, "method_not_allowed", "POST is not one of GET, HEAD"],
      [
        "/m",
        { method: "PUT", body: "{}" },
        405,
        "method_not_allowed",
        "PUT is not one of GET, HEAD, POST",
      ],
      [
        "/m/replicas",
        { method: "DELETE" },
        405,
        "method_not_allowed",
        /^DELETE is not one of GET, HEAD$/,
      ],
      ["/m/operations/1", { method: "POST" }, 405, "method_not_allowed", /^POST is not one of/],
      [
        "/m",
        { method: "GET", headers: { "if-min-rev": "x" } },
        400,
        "invalid_argument",
        /^If-Min-Rev is "x"; allowed: /,
      ],
      ["/m/%zz", { method: "GET" }, 400, "invalid_path", "the path has a wrong percent escape"],
      [`/m/${long}`, { method: "GET" }, 404, "no_such_key", "no key is longer than 512"],
      ["/m/none", { method: "GET" }, 404, "no_such_key", /^there is no such key at revision \d+$/],
      ["/m/a/b", { method: "GET" }, 404, "not_found", "there is nothing at this path"],
      ["/M", { method: "GET" }, 404, "not_found", "there is nothing at this path"],
      [
        "/m/operations/0",
        { method: "GET" },
        404,
        "no_such_operation",
        "there is no revision of this number",
      ],
      [
        "/m/operations/999999",
        { method: "GET" },
        404,
        "no_such_operation",
        "there is no revision of this number",
      ],
      [
        "/m/operations/x",
        { method: "GET" },
        404,
        "no_such_operation",
        "there is no revision of this number",
      ],
    ];
    const before = await tagAt(cluster.at(0));
    for (const [
      path,
      { method = "POST", headers = json, body } = {},
      status,
      code,
      message,
    ] of cases) {
      const answer = await raw(url + path, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      const name = `${method} ${path.slice(0, 40)} ${String(body).slice(0, 40)}`;
      assert.equal(answer.status, status, `${name}: ${answer.text}`);
      assert.equal(answer.headers["content-type"], "application/json; charset=utf-8", name);
      const { error } = JSON.parse(answer.text) as { error: { code: string; message: string } };
      assert.equal(error.code, code, name);
      if (typeof message === "string") assert.equal(error.message, message, name);
      else assert.match(error.message, message, name);
    }
    // The next revision is the next number: none was written in between.
    assert.equal(revOf(await post(0, {})), before + 1);
    assert.deepEqual((await cluster.at(0).get("/m")).body, {});
  });

  it("has a tag for each revision, and does not send again what the caller has", async () => {
    const rev = revOf(await post(0, { a: 1 }));
    const etag = `"${rev}"`;
    for (const path of ["/m", "/m/a"]) {
      for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
        const same = await cluster.at(1).get(path, { "if-none-match": tag });
        assert.deepEqual([same.status, same.body], [304, undefined], tag);
        assert.equal(same.headers.get("etag"), etag);
      }
      const other = await cluster.at(1).get(path, { "if-none-match": `"${rev - 1}"` });
      assert.equal(other.status, 200);
    }
    const head = await raw(`${cluster.at(1).url}/m`, { method: "HEAD" });
    assert.deepEqual(
      [head.status, head.text, head.headers.etag, head.headers["content-length"]],
      [200, "", etag, String('{"a":1}'.length)],
    );
    const none = await raw(`${cluster.at(1).url}/m/none`, { method: "HEAD" });
    assert.deepEqual([none.status, none.text], [404, ""]);
    await post(0, { a: null });
  });

  it("reads no older revision than If-Min-Rev, or says that it has none", async () => {
    const rev = revOf(await cluster.at(0).post({ min: 1 }, { query: "?wait=0" }));
    const read = (min: number): Promise<Answer> =>
      // What a busy machine does not bring in time, it is asked for again, as a client would do.
      eventually("it has the revision", async () => {
        const answer = await cluster.at(1).get("/m/min", { "if-min-rev": String(min) });
        return answer.status === 503 ? undefined : answer;
      });
    const first = await read(rev);
    assert.deepEqual([first.status, first.body], [200, 1]);
    assert.ok(Number(first.headers.get("etag")?.slice(1, -1)) >= rev);
    // One that is not there yet.
    const waiting = read(rev + 1);
    await post(0, { min: 2 });
    const later = await waiting;
    assert.deepEqual([later.status, later.body], [200, 2]);
    const never = await cluster.at(1).get("/m", { "if-min-rev": String(rev + 1_000) });
    assert.deepEqual([never.status, problem(never).code], [503, "too_old"]);
    assert.equal(
      problem(never).message,
      `this replica is at revision ${rev + 1}, and ${rev + 1_000} was asked for: it did not come within 2 s`,
    );
    assert.equal(never.headers.get("retry-after"), "1");
  });

  it("carries a request with an Idempotency-Key out once, whoever is asked and however often", async () => {
    const headers = { "idempotency-key": "order-1" };
    const answers = await Promise.all(
      [0, 1, 0, 1].map((index) => post(index, { once: 1 }, headers)),
    );
    const [rev] = answers.map(revOf);
    for (const answer of answers) assert.deepEqual([answer.status, revOf(answer)], [200, rev]);
    await post(0, { once: 2 });
    const again = await post(1, { once: 1 }, headers);
    assert.deepEqual([again.status, again.body], [200, { rev, confirmed: 2 }]);
    assert.equal((await cluster.at(1).get("/m/once")).body, 2, "it did not take effect again");
    const other = await post(0, { once: 3 }, headers);
    assert.deepEqual([other.status, problem(other).code], [422, "reused_key"]);
    assert.match(problem(other).message, /nothing was committed$/);
    assert.equal((await cluster.at(0).get("/m/once")).body, 2);
  });

  it("commits on the revision of If-Match only", async () => {
    const rev = revOf(await post(0, { match: 1 }));
    const late = await post(1, { match: 2 }, { "if-match": `"${rev - 1}"` });
    assert.deepEqual([late.status, problem(late).code], [412, "other_revision"]);
    assert.equal(late.headers.get("etag"), `"${rev}"`);
    const attempts = await Promise.all(
      [0, 1, 0, 1].map((index) => post(index, { match: 3 }, { "if-match": `"${rev}"` })),
    );
    assert.deepEqual(attempts.map(({ status }) => status).sort(), [200, 412, 412, 412]);
    const any = await post(1, { match: 4 }, { "if-match": "*" });
    assert.deepEqual(any.body, { rev: rev + 2, confirmed: 2 });
  });

  it("loses nothing of what is posted to all of them at once", async () => {
    const first = await tagAt(cluster.at(0));
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => post(index % 2, { [`many-${index}`]: index })),
    );
    assert.deepEqual(
      answers.map(revOf).sort((a, b) => a - b),
      answers.map((_, index) => first + 1 + index),
    );
    for (const { status } of answers) assert.equal(status, 200);
    const held = (await cluster.at(1).get("/m")).body as Record<string, number>;
    for (let index = 0; index < 40; index += 1) assert.equal(held[`many-${index}`], index);
  });

  it("does not wait where it is told not to, and its operation tells later", async () => {
    const posted = await cluster.at(0).post({ later: 1 }, { query: "?wait=0" });
    const rev = revOf(posted);
    const { operation, ...rest } = posted.body as { operation: string };
    assert.equal(posted.status, 202);
    assert.equal(operation, `/m/operations/${rev}`);
    assert.deepEqual(Object.keys(rest), ["rev", "confirmed", "missing"]);
    const settled = await eventually("it is confirmed", async () => {
      const { body } = await cluster.at(1).get(operation);
      return (body as { status: string }).status === "confirmed" ? body : undefined;
    });
    assert.deepEqual(settled, { rev, status: "confirmed", confirmed: 2, missing: [] });
  });

  it("takes pushes with Pub/Sub's token only, and learns nothing from others", async () => {
    const { url } = cluster.at(0);
    const rev = (await tagAt(cluster.at(0))) + 1_000;
    const body = JSON.stringify({
      subscription: "projects/p/subscriptions/m-77",
      message: { messageId: "1", attributes: { rev: String(rev), writer: "w" } },
    });
    const part = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString("base64url");
    const good = await cluster.token();
    const [, claims = ""] = good.split(".");
    const others = await generateKeyPair("RS256", { extractable: true });
    const payload = JSON.parse(Buffer.from(claims, "base64url").toString()) as Record<
      string,
      unknown
    >;
    const sign = (alg: string, key: Parameters<SignJWT["sign"]>[0]): Promise<string> =>
      new SignJWT(payload).setProtectedHeader({ alg, kid: "k1" }).sign(key);
    const secret = Buffer.from(await exportSPKI(others.publicKey));
    const cases: [string, string | undefined, number, string][] = [
      ["missing", undefined, 401, "no_token"],
      ["unsigned", `${part({ alg: "none" })}.${claims}.`, 401, "no_token"],
      ["unsigned, with a signature", `${part({ alg: "none" })}.${claims}.AAAA`, 401, "wrong_token"],
      ["another key", await sign("RS256", others.privateKey), 401, "wrong_token"],
      ["another algorithm", await sign("HS256", secret), 401, "wrong_token"],
      ["unknown key", await cluster.token({}, "k2"), 401, "wrong_token"],
      ["expired", await cluster.token({ exp: 1_700_000_000 }), 401, "wrong_token"],
      ["another audience", await cluster.token({ aud: "https://other" }), 401, "wrong_token"],
      ["another issuer", await cluster.token({ iss: "https://other" }), 401, "wrong_token"],
      ["another account", await cluster.token({ email: "a@b.c" }), 403, "wrong_account"],
      ["unverified account", await cluster.token({ email_verified: false }), 403, "wrong_account"],
    ];
    for (const [name, token, status, code] of cases) {
      const answer = await raw(`${url}/_ah/push-handlers/${cluster.topic}`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        body,
      });
      const { error } = JSON.parse(answer.text) as { error: { code: string } };
      assert.deepEqual([answer.status, error.code], [status, code], name);
    }
    const known = await eventually("it has renewed its lease", async () => {
      const own = await cluster.at(0).replica();
      return (await leases(cluster.at(0))).find(({ replica }) => replica === own);
    });
    assert.notEqual(known.index, 77);
  });

  it("learns from Pub/Sub's pushes which index each replica has", async () => {
    await post(0, { index: 1 });
    const owners = await Promise.all([0, 1].map((index) => cluster.at(index).replica()));
    await eventually("both have told it", async () => {
      const all = await leases(cluster.at(0));
      return owners.every(
        (owner, index) => all.find(({ replica }) => replica === owner)?.index === index,
      );
    });
    assert.ok((await leases(cluster.at(1))).every(({ serving }) => serving));
  });

  describe("where something is away", { concurrency: true }, () => {
    it("confirms by pushes without NATS, each of them answered when its revision is applied", async () => {
      // A lease so long that its renewals do not bring the news in time.
      await using cluster = await MCluster.start({
        ...{ replicas: 2, datastore: datastore.host, pubsub: pubsub.host },
        ...{ nats: `nats://${nowhere}`, leaseMs: 60_000 },
      });
      const answers: { readonly rev: number; readonly status: number; readonly applied: number }[] =
        [];
      cluster.pushFault = async ({ index, rev, deliver }) => {
        const status = await deliver();
        answers.push({ rev, status, applied: await tagAt(cluster.at(index)) });
        return status;
      };
      for (const index of [0, 1]) {
        const posted = await cluster.at(index).post({ index }, { query: "?wait=60" });
        assert.deepEqual([posted.status, posted.body], [200, { rev: index + 1, confirmed: 2 }]);
      }
      await eventually("the last push is answered", () =>
        answers.some(({ rev, status }) => rev === 2 && status === 204),
      );
      for (const { rev, status, applied } of answers) {
        assert.equal(status, 204);
        assert.ok(applied >= rev);
      }
    });

    it("does not wait for a replica that was told to stop", async () => {
      await using nats = await NatsServer.start();
      await using cluster = await MCluster.start({
        ...{ replicas: 2, datastore: datastore.host, nats: nats.url, leaseMs: 60_000 },
      });
      assert.deepEqual((await cluster.at(0).post({ a: 1 })).body, { rev: 1, confirmed: 2 });
      const { process } = cluster.at(1);
      const { code } = await process.end("SIGTERM");
      assert.equal(code, 0);
      assert.equal((await process.logged("replica figures"))["rev"], 1);
      await process.logged("stopped");
      assert.ok(
        !process.logs.some(({ message }) => message === "stopped before everything had ended"),
      );
      const posted = await cluster.at(0).post({ a: 2 }, { query: "?wait=30" });
      assert.deepEqual([posted.status, posted.body], [200, { rev: 2, confirmed: 1 }]);
      // Who comes after it has what was written meanwhile.
      const successor = await cluster.run(1);
      assert.deepEqual((await successor.get("/m")).body, { a: 2 });
      assert.deepEqual((await successor.post({ a: 3 })).body, { rev: 3, confirmed: 2 });
    });

    it("learns from the host by which it is addressed which index it has", async () => {
      await using cluster = await MCluster.start({
        ...{ replicas: 1, datastore: datastore.host, nats: `nats://${nowhere}` },
      });
      const { url } = cluster.at(0);
      const host = "4-dot-v1-dot-m-dot-local-project.appspot.com";
      await raw(`${url}/_ah/start`, { headers: { host } });
      await eventually(
        "its lease has it",
        async () => (await leases(cluster.at(0)))[0]?.index === 4,
      );
      assert.equal((await cluster.at(0).post({ alone: true })).status, 200);
    });

    it("listens while nothing else is there, serves nothing, and stops all the same", async () => {
      await using service = new ServiceProcess(bundledM(), {
        GOOGLE_CLOUD_PROJECT: "local-project",
        NATS_URL: `nats://${nowhere}`,
        DATASTORE_EMULATOR_HOST: nowhere,
        PUBSUB_EMULATOR_HOST: nowhere,
        METADATA_SERVER_DETECTION: "none",
        PUBSUB_TOPIC: "projects/local-project/topics/m-x",
        PUSH_ACCOUNT: "a@b.c",
        PUSH_AUDIENCE: "https://m",
      });
      const url = `http://127.0.0.1:${await service.port()}`;
      assert.equal((await raw(`${url}/healthz/live`)).status, 200);
      const ready = await raw(`${url}/healthz/ready`);
      assert.equal(ready.status, 503);
      assert.match(ready.text, /this replica is not a member yet/);
      assert.match((await raw(`${url}/m`)).text, /"not_serving"/);
      assert.match((await raw(`${url}/m/replicas`)).text, /"unavailable"/);
      const posted = await raw(`${url}/m`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      assert.deepEqual(
        [posted.status, JSON.parse(posted.text)],
        [
          503,
          {
            error: {
              code: "unavailable",
              message: "Datastore does not answer; nothing was committed",
            },
          },
        ],
      );
      assert.equal((await service.end("SIGTERM")).code, 0);
    });

    it("confirms by NATS while Pub/Sub is away, and publishes when it is back", async () => {
      await using nats = await NatsServer.start();
      await using gate = await Gate.to(pubsub.host);
      await using cluster = await MCluster.start({
        ...{ replicas: 2, datastore: datastore.host, pubsub: gate.host, nats: nats.url },
      });
      const pushed: number[] = [];
      cluster.pushFault = ({ rev, deliver }) => {
        pushed.push(rev);
        return deliver();
      };
      gate.close();
      for (const rev of [1, 2]) {
        const posted = await cluster.at(0).post({ rev }, { query: "?wait=60" });
        assert.deepEqual([posted.status, posted.body], [200, { rev, confirmed: 2 }]);
      }
      await cluster.at(0).process.logged("not published on Pub/Sub; it is tried again");
      gate.open();
      await eventually(
        "the newest is pushed to both",
        () => pushed.filter((rev) => rev === 2).length > 1,
      );
    });
  });
});

describe("the service m without its environment", () => {
  it("does not start, and says everything that is missing or wrong", async () => {
    await using service = new ServiceProcess("apps/m/main.ts", {
      PORT: "x",
      PUBSUB_TOPIC: "m",
      DATASTORE_EMULATOR_HOST: "http://127.0.0.1:1",
      DATASTORE_NAMESPACE: "a b",
      M_LEASE_MS: "10",
      GOOGLE_JWKS_URL: "ftp://x",
    });
    await eventually("it ends", () => service.ended);
    assert.equal(service.child.exitCode, 1);
    const [record, ...others] = service.logs;
    assert.deepEqual(others, []);
    assert.equal(record?.["severity"], "CRITICAL");
    assert.deepEqual(record["problems"], [
      'PORT is "x": the TCP port to listen on, a whole number from 0 to 65535',
      "GOOGLE_CLOUD_PROJECT is missing: the project whose Datastore holds M",
      'PUBSUB_TOPIC is "m": a topic is projects/<project>/topics/<topic>',
      "NATS_URL is missing: the addresses of NATS, for example nats://10.8.0.2:4222, separated by commas",
      "PUSH_ACCOUNT is missing: the service account that Pub/Sub pushes as",
      "PUSH_AUDIENCE is missing: the audience of Pub/Sub's tokens",
      "GOOGLE_JWKS_URL is not a URL of http or https: where Google publishes the keys of its tokens",
      `DATASTORE_EMULATOR_HOST is "http://127.0.0.1:1": the emulator's address, host:port`,
      'DATASTORE_NAMESPACE is "a b": a namespace',
      'M_LEASE_MS is "10": how long a lease lasts, in milliseconds, a whole number from 400 to 60000',
    ]);
  });
});
