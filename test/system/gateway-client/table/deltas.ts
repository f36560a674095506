import assert from "node:assert/strict";
import { eventually } from "../../../support/eventually.ts";
import { publishAll, type Rows } from "./stage.ts";

/** Documents that differ in a little, in more than bytes. */
function documents(count: number, from = 1): object[] {
  const rows = Array.from({ length: 20 }, (_, index) => ({
    name: `Spieler ${index} ß`,
    score: (index * 7_919) % 1_000,
    emoji: "\u{1f600}",
  }));
  return Array.from({ length: count }, (_, index) => {
    const n = from + index;
    return { rows, n, word: ["schön", "schöne", "ñandú", "\u{1f601}"][n % 4] };
  });
}

export const deltaRows: Rows = {
  async "gets deltas if it asks for them, and makes the same of them"(stage) {
    const [here, there] = await stage.both();
    const channel = stage.channel("delta");
    const small = await here.subscribe(channel, { delta: "fossil" });
    const whole = await there.subscribe(channel);
    const wanted = documents(8);
    await publishAll(there, channel, ...wanted.slice(0, 4));
    for (const document of wanted.slice(4)) stage.pair.publish(channel, JSON.stringify(document));
    for (const subscription of [small, whole]) {
      assert.deepEqual(await subscription.received(8), wanted);
    }
    const { numDeltaPayloads, numFullPayloads, bytesReceived, bytesDecoded } =
      small.subscription.deltaStats();
    assert.deepEqual([numFullPayloads, numDeltaPayloads], [1, 7]);
    assert.ok(bytesReceived < bytesDecoded / 4, `${bytesReceived} of ${bytesDecoded}`);
    assert.equal(whole.subscription.deltaStats().numDeltaPayloads, 0);
  },

  async "gets what has nothing in common with what came before as it is"(stage) {
    const client = await stage.connect(0);
    const channel = stage.channel("delta");
    const subscription = await client.subscribe(channel, { delta: "fossil" });
    const values = [1, "ß", { a: documents(1) }, null, "", [], documents(1)[0], "end"];
    await publishAll(client, channel, ...values);
    stage.pair.publish(channel, Uint8Array.of(0xff, 0x00));
    stage.pair.publish(channel, "no JSON");
    const wanted = [...values, "\ufffd\u0000", "no JSON"];
    assert.deepEqual(await subscription.received(wanted.length), wanted);
    const { bytesReceived, bytesDecoded } = subscription.subscription.deltaStats();
    assert.ok(bytesReceived <= bytesDecoded, `${bytesReceived} bytes for ${bytesDecoded}`);
  },

  async "gets deltas though others got what came before it"(stage) {
    const [here, there] = await stage.both();
    const channel = stage.channel("delta");
    const first = await here.subscribe(channel, { delta: "fossil" });
    const wanted = documents(6);
    await publishAll(there, channel, ...wanted.slice(0, 3));
    await first.received(3);
    // On the same gateway: what is made for the first may be nothing to the second.
    const late = await (await stage.connect(0)).subscribe(channel, { delta: "fossil" });
    await publishAll(there, channel, ...wanted.slice(3));
    assert.deepEqual(await late.received(3), wanted.slice(3));
    assert.deepEqual(await first.received(6), wanted);
    assert.ok(late.subscription.deltaStats().numDeltaPayloads >= 1);
    assert.ok(first.subscription.deltaStats().numDeltaPayloads >= 4);
  },

  async "goes on with deltas after what it missed"(stage) {
    const publisher = await stage.connect(0);
    const door = await stage.door();
    const channel = stage.channel("delta");
    const client = await stage.connectThrough(door);
    const subscription = await client.subscribe(channel, { delta: "fossil" });
    const wanted = documents(12);
    await publishAll(publisher, channel, ...wanted.slice(0, 3));
    await subscription.received(3);
    await door.away(() => publishAll(publisher, channel, ...wanted.slice(3, 7)));
    await subscription.received(7);
    assert.equal(subscription.contexts[1]?.recovered, true);
    await publishAll(publisher, channel, ...wanted.slice(7, 9));
    await subscription.received(9);
    door.moveTo(0);
    await eventually("it is subscribed again", () => subscription.contexts.length === 3);
    await publishAll(publisher, channel, ...wanted.slice(9));
    assert.deepEqual(await subscription.received(12), wanted);
    const { numDeltaPayloads, numFullPayloads } = subscription.subscription.deltaStats();
    assert.equal(numFullPayloads + numDeltaPayloads, 12);
    // Each time that it was subscribed, the first may be whole.
    assert.ok(numFullPayloads <= 3, `${numFullPayloads} were whole`);
    const offsets = subscription.publications.map(({ offset }) => offset);
    assert.deepEqual(
      offsets,
      wanted.map((_, index) => index + 1),
    );
  },

  async "gets no deltas where there are none"(stage) {
    const client = await stage.connect(0);
    const channel = stage.channel();
    const subscription = await client.subscribe(channel, { delta: "fossil" });
    const wanted = documents(3);
    await publishAll(client, channel, ...wanted);
    assert.deepEqual(await subscription.received(3), wanted);
    assert.equal(subscription.subscription.deltaStats().numDeltaPayloads, 0);
  },
};
