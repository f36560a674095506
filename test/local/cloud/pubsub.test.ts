import assert from "node:assert/strict";
import { after, before, describe as suite, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { alive, gone } from "../../support/alive.ts";
import { emulatorsMissing } from "../../support/emulators.ts";
import { eventually } from "../../support/eventually.ts";
import {
  answers,
  api,
  audience,
  datas,
  environmentOf,
  hostOf,
  publish,
  push,
  pushAccount,
  pushed,
  pushesTo,
  pushPath,
  startCloudWithEmulators,
  subscription,
  topic,
  withService,
} from "./pubsub-support.ts";
import { deploy, moveTraffic, project, type TestCloud } from "./support.ts";

const skip = emulatorsMissing() ?? false;
const fullTopic = (name: string): string => `projects/${project}/topics/${name}`;

suite("a message on a topic", { skip }, () => {
  let test: TestCloud;
  /** Each test has an instance of m for itself. */
  before(async () => {
    test = await startCloudWithEmulators();
    await withService(test, { instances: 6 });
  });
  after(() => test.cloud.stop());
  const declare = async (topicName: string, ...instances: number[]): Promise<void> => {
    await test.cloud.create(topic(topicName));
    for (const i of instances) await test.cloud.create(push(test, i, { topicName }));
  };

  it("comes to every instance on its own host, with a token that the published keys prove", async () => {
    await declare("hello", 0, 1);
    await publish(test, "hello", { rev: "7" }, "hello");

    const env = await environmentOf(test, hostOf(test, 0));
    const keys = createRemoteJWKSet(new URL(env["GOOGLE_JWKS_URL"] ?? ""));
    const pids = new Set<number>();
    for (const i of [0, 1]) {
      const [first] = await pushed(test, hostOf(test, i), 1);
      assert.equal(first?.url, pushPath);
      assert.equal(first.data, "hello");
      assert.equal(first.headers["content-type"], "application/json");
      assert.equal(first.headers["host"], hostOf(test, i));
      assert.equal(first.headers["x-appengine-user-ip"], "127.0.0.1", "it came by the front door");
      const body = JSON.parse(first.body) as Record<string, Record<string, unknown>>;
      assert.deepEqual(body["message"]?.["attributes"], { rev: "7" });
      assert.equal(body["subscription"], `projects/${project}/subscriptions/m-v1-${i}`);
      const token = /^Bearer (.+)$/.exec(first.headers["authorization"] ?? "")?.[1] ?? "";
      const { payload } = await jwtVerify(token, keys, {
        issuer: "https://accounts.google.com",
        audience,
      });
      assert.equal(payload["email"], pushAccount);
      assert.equal(payload["email_verified"], true);
      pids.add(first.pid);
    }
    assert.equal(pids.size, 2, "each instance got its own");
  });

  it("comes again after a refusal, and not after 202, which Pub/Sub takes for yes", async () => {
    await declare("refused", 2);
    const host = hostOf(test, 2);
    await answers(test, host, [500, 202]);
    await publish(test, "one", {}, "refused");
    await pushed(test, host, 2);
    // What is not acknowledged comes again after a second.
    await wait(2_500);
    await publish(test, "two", {}, "refused");
    assert.deepEqual(datas(await pushed(test, host, 3)), ["one", "one", "two"]);
  });

  it("that is refused too often goes to the dead letter topic", async () => {
    await declare("poisoned");
    await test.cloud.create(topic("dead"));
    await test.cloud.create(subscription("graveyard", "dead"));
    const deadLetterPolicy = { deadLetterTopic: fullTopic("dead"), maxDeliveryAttempts: 5 };
    await test.cloud.create(push(test, 3, { topicName: "poisoned", deadLetterPolicy }));
    await answers(test, hostOf(test, 3), [500, 500, 500, 500, 500]);
    await publish(test, "poison", {}, "poisoned");
    const received = await eventually("it is in the dead letter topic", async () => {
      const answer = await api(test, "POST", "subscriptions/graveyard:pull", { maxMessages: 1 });
      return (answer as { receivedMessages?: { message: { data: string } }[] }).receivedMessages;
    });
    assert.equal(Buffer.from(received[0]?.message.data ?? "", "base64").toString(), "poison");
    assert.equal((await pushesTo(test, hostOf(test, 3))).length, 5);
  });

  it("is not acknowledged by the default service when its instance does not exist", async () => {
    await declare("soft-routed", 9);
    await publish(test, "lost?", {}, "soft-routed");
    const pushes = await pushed(test, `appengine.localhost:${test.port}`, 2);
    assert.deepEqual(new Set(datas(pushes)), new Set(["lost?"]));
    assert.equal(pushes[0]?.headers["host"], hostOf(test, 9));
  });

  it("reaches an instance that restarts, once it is back", async () => {
    await declare("restarts", 4);
    const pid = test.cloud.services.version("m", "v1")?.instances[4]?.pid ?? 0;
    process.kill(pid, "SIGKILL");
    await publish(test, "while it restarts", {}, "restarts");
    const [first] = await pushed(test, hostOf(test, 4), 1);
    assert.notEqual(first?.pid, pid);
  });

  it("is cut off at the acknowledgement deadline when the handler hangs, and comes again", async () => {
    await test.cloud.create(topic("stuck"));
    await test.cloud.create(push(test, 5, { topicName: "stuck", ackDeadlineSeconds: 2 }));
    const host = hostOf(test, 5);
    await answers(test, host, [0]);
    await publish(test, "slow", {}, "stuck");
    const pushes = await pushed(test, host, 2);
    // The emulator counts from a moment before it pushes.
    const between = (pushes[1]?.at ?? 0) - (pushes[0]?.at ?? 0);
    assert.ok(between >= 1_800, `${between} ms`);
    await eventually("the instance sees the end of it", () =>
      test.lines.includes("m.5      | push cut"),
    );
    assert.ok(test.lines.some((line) => line.includes("m-v1-5: a push was cut after 2 s")));
  });
});

suite("a subscription", { skip }, () => {
  let test: TestCloud;
  before(async () => {
    test = await startCloudWithEmulators();
    await withService(test, { instances: 2 });
    await test.cloud.create(topic("m-changes-dead"));
  });
  after(() => test.cloud.stop());

  it("changes in place: endpoint, token, deadline, retries and dead letters", async () => {
    const first = push(test, 0);
    await test.cloud.create(first);
    const now = async (): Promise<Record<string, unknown>> =>
      (await api(test, "GET", "subscriptions/m-v1-0")) as Record<string, unknown>;
    const known = (await now())["pushConfig"];
    const second = push(test, 0, {
      ackDeadlineSeconds: 30,
      retryPolicy: { minimumBackoff: "2s", maximumBackoff: "8s" },
      deadLetterPolicy: { deadLetterTopic: fullTopic("m-changes-dead"), maxDeliveryAttempts: 7 },
      pushConfig: { pushEndpoint: `https://${hostOf(test, 1)}${pushPath}?x=1` },
    });
    await test.cloud.update(second, first);
    const changed = await now();
    assert.equal(changed["ackDeadlineSeconds"], 30);
    assert.deepEqual(changed["retryPolicy"], { minimumBackoff: "2s", maximumBackoff: "8s" });
    assert.deepEqual(changed["deadLetterPolicy"], second.inputs["deadLetterPolicy"]);
    assert.deepEqual(changed["pushConfig"], known, "the emulator pushes where it did");
    await publish(test, "moved");
    const [moved] = await pushed(test, hostOf(test, 1), 1);
    assert.equal(moved?.url, `${pushPath}?x=1`);
    assert.equal(moved.headers["authorization"], undefined);
    assert.deepEqual(await pushesTo(test, hostOf(test, 0)), []);

    await test.cloud.update(first, second);
    const back = await now();
    assert.equal(back["deadLetterPolicy"], undefined);
    assert.equal(back["retryPolicy"], undefined);
    assert.equal(back["ackDeadlineSeconds"], 10);
    await test.cloud.update(subscription("m-v1-0", "m-changes"), first);
    assert.deepEqual((await now())["pushConfig"], {});
  });

  it("whose change is refused goes on as before", async () => {
    const first = push(test, 1);
    await test.cloud.create(first);
    const retryPolicy = { minimumBackoff: "20s", maximumBackoff: "5s" };
    const pushConfig = { pushEndpoint: `https://${hostOf(test, 0)}/elsewhere` };
    await assert.rejects(
      test.cloud.update(push(test, 1, { retryPolicy, pushConfig }), first),
      /subscriptions\/m-v1-1: 400 .*maximum_backoff is too small/,
    );
    await publish(test, "as before");
    await eventually("it comes where it did", async () =>
      datas(await pushesTo(test, hostOf(test, 1))).includes("as before"),
    );
  });

  it("whose endpoint is elsewhere than on the front door is refused, and nothing is left of it", async () => {
    for (const pushEndpoint of [
      "https://example.com/push",
      `https://m-dot-appengine.localhost:${test.port + 1}/push`,
      `https://localhost.example.com:${test.port}/push`,
    ]) {
      await assert.rejects(
        test.cloud.create(push(test, 7, { pushConfig: { pushEndpoint } })),
        (error: Error) =>
          error.message.startsWith(
            `pushConfig.pushEndpoint ${pushEndpoint} is not on the local cloud's front door, ` +
              `https://….appengine.localhost:${test.port}/…`,
          ),
      );
    }
    await assert.rejects(api(test, "GET", "subscriptions/m-v1-7"), /does not exist/);
  });

  it("that writes to another product is refused", async () => {
    await assert.rejects(
      test.cloud.create(subscription("wide", "m-changes", { bigqueryConfig: { table: "t" } })),
      /bigqueryConfig: the local cloud has nothing that does it; it pushes, or is pulled from/,
    );
  });

  it("that the emulator refuses fails with its reason", async () => {
    await assert.rejects(
      test.cloud.create(subscription("s-1", "nowhere")),
      /subscriptions\/s-1: 404 Subscription topic does not exist/,
    );
  });

  it("goes, and so does a topic; what is left of its subscriptions gets nothing", async () => {
    await test.cloud.create(topic("short-lived"));
    const one = push(test, 0, { name: "sub-1", topicName: "short-lived" });
    const two = subscription("sub-2", "short-lived");
    await test.cloud.create(one);
    await test.cloud.create(two);
    const { pushConfig } = (await api(test, "GET", "subscriptions/sub-1")) as {
      pushConfig: { pushEndpoint: string };
    };
    await test.cloud.delete(one);
    await assert.rejects(api(test, "GET", "subscriptions/sub-1"), /does not exist/);
    const late = await fetch(pushConfig.pushEndpoint, { method: "POST", body: "{}" });
    assert.equal(late.status, 404, "nothing is forwarded for it any more");
    await test.cloud.delete(topic("short-lived"));
    const left = (await api(test, "GET", "subscriptions/sub-2")) as Record<string, unknown>;
    assert.equal(left["topic"], "_deleted-topic_");
    await test.cloud.delete(two);
    await test.cloud.delete(two);
  });
});

suite("Pub/Sub's emulator", { skip }, () => {
  it("that is killed comes back on its port with everything declared, and pushes go on", async () => {
    await using test = await startCloudWithEmulators();
    await withService(test);
    await test.cloud.create(push(test, 0));
    const orphan = topic("orphaned");
    await test.cloud.create(orphan);
    await test.cloud.create(subscription("orphan", "orphaned"));
    await test.cloud.delete(orphan);
    const host = hostOf(test, 0);
    await publish(test, "before");
    await pushed(test, host, 1);
    const pid = test.cloud.emulators.pubsub.pid ?? 0;
    process.kill(pid, "SIGKILL");
    await gone(pid);
    // Declared while it is down: it waits.
    await test.cloud.create(topic("late"));
    await publish(test, "after");
    assert.deepEqual(datas(await pushed(test, host, 2)), ["before", "after"]);
    await api(test, "GET", "topics/late");
    assert.ok(
      test.lines.some((line) =>
        line.includes("subscriptions/orphan is not there any more after the emulator's start: 404"),
      ),
      test.lines.join("\n"),
    );
  });

  it("pushes to the version that has the subscriptions, through a whole deployment", async () => {
    await using test = await startCloudWithEmulators({ limits: { drainMs: 100 } });
    const oldVersion = await withService(test);
    const oldPush = push(test, 0);
    await test.cloud.create(oldPush);
    await deploy(test, "v2", { service: "m", manual: 1 });
    await test.cloud.create(push(test, 0, { version: "v2" }));
    await publish(test, "both");
    await Promise.all([pushed(test, hostOf(test, 0), 1), pushed(test, hostOf(test, 0, "v2"), 1)]);
    await moveTraffic(test, "m", "v2");
    await publish(test, "one");
    await pushed(test, hostOf(test, 0, "v2"), 2);
    // The version goes before its subscription: the default service gets the pushes and refuses them.
    await test.cloud.delete(oldVersion);
    await publish(test, "late");
    await pushed(test, `appengine.localhost:${test.port}`, 1);
    await test.cloud.delete(oldPush);
    assert.deepEqual(datas(await pushed(test, hostOf(test, 0, "v2"), 3)), ["both", "one", "late"]);
  });

  it("ends with the cloud within its time, also while pushes are under way", async () => {
    await using test = await startCloudWithEmulators();
    await withService(test);
    await test.cloud.create(push(test, 0));
    await answers(test, hostOf(test, 0), [0, 0]);
    await publish(test, "stuck");
    await eventually("a push is under way", () => test.lines.includes("m        | push hangs"));
    const { pid } = test.cloud.emulators.pubsub;
    assert.ok(pid !== undefined && alive(pid));
    const began = performance.now();
    await test.cloud.stop();
    assert.ok(performance.now() - began < 5_000);
    assert.ok(!alive(pid));
  });
});
