import assert from "node:assert/strict";
import { eventually } from "../../../support/eventually.ts";
import { inSeconds, token } from "../../../support/gateway-pair.ts";
import type { Rows, Stage } from "./stage.ts";

/** Seconds after which tokens expire, enough to connect with them before. */
const soon = 3;

/** A token, and how the connection that is tried with it ends. */
type Refused = () => Promise<[token: string, events: RegExp]>;

const refused: Readonly<Record<string, Refused>> = {
  "is refused for good with a token that somebody else signed": async () => [
    await token({ sub: "ann" }, "another key that nobody knows here"),
    /^connecting 0; disconnected 3500$/,
  ],
  "is refused for good with a token that is none": () =>
    Promise.resolve(["nonsense", /^connecting 0; disconnected 3500$/]),
  "is refused for good with a subscription token": async () => [
    await token({ sub: "ann", channel: "a" }),
    /^connecting 0; disconnected 3500$/,
  ],
  "is refused for good without a token": () =>
    Promise.resolve(["", /^connecting 0; (error connect 101; )?disconnected (101|35\d\d)$/]),
  "ends as unauthorized with an expired token, when there is no way to get another": async () => [
    await token({ sub: "ann", exp: inSeconds(-10) }),
    /disconnected 1$/,
  ],
};

async function isRefused(stage: Stage, make: Refused): Promise<void> {
  const [text, events] = await make();
  const client = stage.client(0, { token: text });
  client.client.connect();
  await eventually("it gives up", () => client.connection.at(-1)?.startsWith("disconnected"));
  assert.match(client.connection.join("; "), events);
}

export const connectionRows: Rows = {
  async "is connected with a token, each time under another id"(stage) {
    const [ann, other] = await stage.both();
    assert.deepEqual(ann.connection, ["connecting 0", "connected"]);
    assert.match(ann.id, /^[0-9a-f-]{36}$/);
    assert.notEqual(ann.id, other.id);
  },

  async "is anonymous with a token that names nobody and never expires"(stage) {
    const nobody = await stage.connect(0, { token: await token({}) });
    const ann = await stage.connect(1);
    const channel = stage.channel();
    await ann.subscribe(channel);
    const { clients } = await ann.presence(channel);
    assert.deepEqual(Object.values(clients), [{ client: ann.id, user: "ann" }]);
    assert.deepEqual(nobody.connection, ["connecting 0", "connected"]);
  },

  ...Object.fromEntries(
    Object.entries(refused).map(([name, make]) => [name, (stage: Stage) => isRefused(stage, make)]),
  ),

  async "gets itself another token when its own has expired"(stage) {
    let asked = 0;
    const client = await stage.connect(0, {
      token: await token({ sub: "ann", exp: inSeconds(-10) }),
      getToken: async () => {
        asked += 1;
        return token({ sub: "ann" });
      },
    });
    assert.equal(asked, 1);
    assert.equal(client.connection.at(-1), "connected");
    assert.ok(!client.connection.some((event) => event.startsWith("disconnected")));
  },

  async "goes on with a refreshed token, and stays the same connection"(stage) {
    let asked = 0;
    const client = await stage.connect(0, {
      token: await token({ sub: "ann", exp: inSeconds(soon) }),
      getToken: async () => {
        asked += 1;
        // The last has no end: the client would set a timer for it, even if it is closed by then.
        return token({ sub: "ann", ...(asked < 2 ? { exp: inSeconds(soon) } : {}) });
      },
    });
    const subscription = await client.subscribe(stage.channel());
    await eventually("it has been refreshed again and again", () => asked >= 2);
    await client.publish(subscription.channel, 1);
    await subscription.received(1);
    assert.deepEqual(client.connection, ["connecting 0", "connected"]);
    assert.deepEqual(subscription.events.slice(0, 2), ["subscribing 0", "subscribed"]);
  },

  async "is ended with 3500 when somebody else's token comes with the refresh"(stage) {
    const client = await stage.connect(0, {
      token: await token({ sub: "ann", exp: inSeconds(soon) }),
      getToken: () => token({ sub: "bob", exp: inSeconds(600) }),
    });
    await client.happens("disconnected 3500");
  },

  async "comes back by itself when the gateway ends it with a code that says so"(stage) {
    // Nobody refreshes the token.
    const client = await stage.connect(0, {
      token: await token({ sub: "ann", exp: inSeconds(soon) }),
      getToken: () => Promise.reject(new Error("not now")),
    });
    await client.happens("connecting 3005");
  },

  async "comes back to other channels when its new token has those"(stage) {
    // It could not subscribe to the first itself.
    const [one, two] = [stage.channel("closed"), stage.channel()];
    const client = await stage.connect(0, {
      token: await token({ sub: "ann", exp: inSeconds(soon), channels: [one] }),
      getToken: () => token({ sub: "ann", exp: inSeconds(600), channels: [two] }),
    });
    await client.happens("connecting 3010");
    await client.happens(`unsubscribed ${one}`);
    await client.happens(`subscribed ${two}`);
  },

  async "has its commands carried out in order when they come together"(stage) {
    const client = await stage.connect(0);
    const channel = stage.channel();
    const subscription = await client.subscribe(channel);
    const numbers = Array.from({ length: 20 }, (_, index) => index);
    client.client.startBatching();
    const published = numbers.map((n) => client.publish(channel, n));
    client.client.stopBatching();
    await Promise.all(published);
    assert.deepEqual(await subscription.received(numbers.length), numbers);
  },

  async "cannot send a message beyond 64 KiB"(stage) {
    // Nobody answers what is refused to a stream.
    const client = await stage.connect(0, { timeout: 5_000 });
    const other = await stage.connect(0);
    const channel = stage.channel();
    await other.publish(channel, "x".repeat(64_000));
    await assert.rejects(client.publish(channel, "x".repeat(65_600)));
    assert.equal((await other.history(channel)).offset, 1);
    // The client takes 1009 for the end; a stream goes on, for it is another request that was too long.
    if (stage.kind.transport === "websocket") await client.happens("disconnected 3");
    else assert.deepEqual(client.connection, ["connecting 0", "connected"]);
  },

  async "gets messages that are much longer"(stage) {
    const client = await stage.connect(0);
    const subscription = await client.subscribe(stage.channel());
    const long = "schön ".repeat(80_000);
    stage.pair.publish(subscription.channel, long);
    assert.deepEqual(await subscription.received(1), [long]);
    const history = await client.history(subscription.channel, { limit: 1 });
    assert.deepEqual(history.publications[0]?.data, long);
  },
};
