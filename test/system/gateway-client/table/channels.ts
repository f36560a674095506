import assert from "node:assert/strict";
import { eventually } from "../../../support/eventually.ts";
import { publishAll, type Rows, type Stage } from "./stage.ts";

/** What plain NATS clients publish, and what it is to clients. */
const plainBodies: readonly [body: string | Uint8Array, value: unknown][] = [
  ['{"a": 1}', { a: 1 }],
  ["plain text", "plain text"],
  ["12.50", 12.5],
  ['"quoted"', "quoted"],
  ["", ""],
  ["{broken", "{broken"],
  ["line\nline", "line\nline"],
  [Uint8Array.of(0x61, 0xff, 0x62), "a\ufffdb"],
];

async function carriesWhatNatsClientsPublish(stage: Stage, namespace: string): Promise<void> {
  const client = await stage.connect(0);
  const subscription = await client.subscribe(stage.channel(namespace));
  for (const [body] of plainBodies) stage.pair.publish(subscription.channel, body);
  const values = await subscription.received(plainBodies.length);
  assert.deepEqual(
    values,
    plainBodies.map(([, value]) => value),
  );
  for (const { info } of subscription.publications) assert.equal(info, undefined);
  if (stage.kind.encoding !== "protobuf") return;
  assert.deepEqual(
    subscription.payloads.map((payload) => Buffer.from(payload as Uint8Array)),
    plainBodies.map(([body]) => Buffer.from(body)),
  );
}

export const channelRows: Rows = {
  async "gets what clients of both gateways publish, with offsets from 1"(stage) {
    const [here, there] = await stage.both();
    const channel = stage.channel();
    const subscriptions = await Promise.all([here.subscribe(channel), there.subscribe(channel)]);
    const data = [{ n: 1 }, [2], "three", 4, null, true, "schön \u{1f600}\nline"];
    await publishAll(here, channel, ...data);
    for (const subscription of subscriptions) {
      assert.deepEqual(await subscription.received(data.length), data);
      const offsets = subscription.publications.map(({ offset }) => offset);
      assert.deepEqual(offsets, [1, 2, 3, 4, 5, 6, 7]);
      const info = { client: here.id, user: "ann" };
      for (const publication of subscription.publications) {
        assert.deepEqual(publication.info, info);
      }
    }
  },

  async "gets it without offsets where there is no history"(stage) {
    const [here, there] = await stage.both();
    const channel = stage.channel("plain");
    const subscription = await there.subscribe(channel);
    await here.publish(channel, { a: 1 });
    assert.deepEqual(await subscription.received(1), [{ a: 1 }]);
    assert.equal(subscription.publications[0]?.offset, undefined);
    assert.equal(subscription.contexts[0]?.streamPosition, undefined);
  },

  "gets what plain NATS clients publish, whatever it is": (stage) =>
    carriesWhatNatsClientsPublish(stage, ""),

  "gets it where there is no history, too": (stage) =>
    carriesWhatNatsClientsPublish(stage, "plain"),

  async "gets nothing more when it has unsubscribed, and everything when it comes back"(stage) {
    const [here, there] = await stage.both();
    const channel = stage.channel();
    const subscription = await here.subscribe(channel);
    await there.publish(channel, 1);
    await subscription.received(1);
    subscription.subscription.unsubscribe();
    await subscription.happens("unsubscribed 0");
    await there.publish(channel, 2);
    subscription.subscription.subscribe();
    await eventually("it is subscribed again", () => subscription.contexts.length === 2);
    await there.publish(channel, 3);
    // The npm client keeps its position when it unsubscribes, and is brought up to date.
    assert.deepEqual(await subscription.received(3), [1, 2, 3]);
  },

  async "gets it whatever the punctuation of a channel's name"(stage) {
    const [here, there] = await stage.both();
    for (const suffix of [".p.q", "-r", "_s", "ü", "$", "#t", "=,;?&%"]) {
      const channel = `${stage.channel()}${suffix}`.replace(/^channel/, "q.");
      const subscription = await here.subscribe(channel);
      await there.publish(channel, suffix);
      assert.deepEqual(await subscription.received(1), [suffix], channel);
      assert.equal(subscription.publications[0]?.offset, 1, channel);
    }
  },

  async "is told what is wrong with a command"(stage) {
    const client = await stage.connect(0);
    const since = { offset: 1, epoch: "another" };
    const codes: readonly [code: number, attempt: () => Promise<unknown>][] = [
      [102, () => client.publish("nowhere:a", 1)],
      [107, () => client.publish("a..b", 1)],
      [103, () => client.publish("closed:a", 1)],
      [108, () => client.history("plain:a", { limit: 1 })],
      [112, () => client.history(stage.channel(), { limit: 1, since })],
      [108, () => client.presence("plain:a")],
      [108, () => client.presenceStats("plain:a")],
      [104, () => client.rpc("dance", 1)],
    ];
    for (const [code, attempt] of codes) await assert.rejects(attempt, { code }, String(attempt));
    const subscriptions = { "nowhere:a": 102, "a.*": 107, "closed:a": 103, "odd:A1": 107 };
    for (const [channel, code] of Object.entries(subscriptions)) {
      const subscription = client.subscription(channel);
      await subscription.happens(`unsubscribed ${code}`);
      assert.deepEqual(subscription.events, ["subscribing 0", `unsubscribed ${code}`]);
    }
    assert.deepEqual(client.connection, ["connecting 0", "connected"]);
  },
};
