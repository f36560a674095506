import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { callError, endSentence } from "../../../../apps/web/page/live/codes.ts";
import { eventText } from "../../../../apps/web/page/live/event-text.ts";
import { EventLog } from "../../../../apps/web/page/live/events.ts";
import { readToken } from "../../../../apps/web/page/live/tokens.ts";
import { token } from "../../../support/gateway-pair.ts";

describe("the events of Live", () => {
  it("are the newest ones, and the totals count those too that are forgotten", () => {
    let now = 1_000;
    const log = new EventLog(3, () => ++now);
    log.add({ kind: "lost", code: 1, reason: "transport closed" });
    log.add({ kind: "recovered", channel: "add", messages: 3 });
    log.add({ kind: "recovered", channel: "chat", messages: 0 });
    log.add({ kind: "gap", channel: "news" });
    log.add({ kind: "lost", code: 3001, reason: "shutdown" });
    assert.deepEqual(
      log.events.value.map(({ number, at }) => [number, at]),
      [
        [3, 1_003],
        [4, 1_004],
        [5, 1_005],
      ],
    );
    const totals = { lost: 2, recoveries: 2, messages: 3, gaps: 1 };
    assert.deepEqual(log.totals.value, totals);
    log.clear();
    assert.deepEqual([log.events.value, log.totals.value], [[], totals]);
  });

  it("are told in sentences", () => {
    const log = new EventLog(10, Date.now);
    log.add({ kind: "recovered", channel: "add", messages: 0 });
    log.add({ kind: "recovered", channel: "add", messages: 1 });
    log.add({ kind: "subscribed", channel: "add", offset: undefined });
    log.add({ kind: "gap", channel: "x".repeat(200) });
    log.add({ kind: "disconnected", code: 0, reason: "disconnect called" });
    log.add({ kind: "disconnected", code: 3503, reason: "force disconnect" });
    assert.deepEqual(log.events.value.map(eventText), [
      "Subscribed to add again: nothing was missed.",
      "Subscribed to add again: 1 message recovered.",
      "Subscribed to add.",
      `Subscribed to ${"x".repeat(64)}… again: something was missed that cannot be had any more.`,
      "Disconnected by this page.",
      "Disconnected for good: force disconnect (3503).",
    ]);
  });
});

describe("the codes of the gateway", () => {
  it("are said in words, and those that nobody knows as the gateway has them", () => {
    const known = callError({ code: 103, message: "permission denied" });
    assert.equal(known.message, "the gateway does not allow it; another token may");
    const unknown = callError({ code: 1234, message: "no such order" });
    assert.deepEqual([unknown.code, unknown.message], [1234, "no such order"]);
    assert.equal(callError(known), known);
    assert.equal(callError("text").code, 0);
    assert.equal(
      endSentence(3501, "bad request"),
      "The gateway wants a token. (3501: bad request)",
    );
    assert.equal(endSentence(4600, "house rules"), "House rules. (4600: house rules)");
  });
});

describe("a token", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  const seconds = now / 1_000;

  it("is read as far as that goes without the key", async () => {
    const given = await token({ sub: "ådä", exp: seconds + 60 });
    const facts = { user: "ådä", expiresAt: now + 60_000, problem: undefined };
    assert.deepEqual(readToken(given, now), facts);
    assert.equal(readToken(await token({ exp: 1e300 }), now).expiresAt, 8.64e15);
    assert.deepEqual(readToken(await token({}), now), {
      ...{ user: "", expiresAt: undefined, problem: undefined },
    });
  });

  it("that can be no good is told apart before the gateway is asked", async () => {
    const part = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = part({ sub: "ada" });
    for (const [given, problem] of [
      ["", /no token/],
      ["abc", /not a JSON Web Token/],
      [`${part([])}.${claims}.x`, /not a JSON Web Token/],
      [`${part({ alg: "HS256" })}.${claims}`, /not a JSON Web Token/],
      [`${part({ alg: "HS256" })}.%%%.x`, /not a JSON Web Token/],
      [`${part({ alg: "none" })}.${claims}.`, /not signed/],
      ["x".repeat(65_537), /longer than a token may be/],
      [await token({ exp: seconds }), /ended at 2026-01-01T00:00:00.000Z/],
      [await token({ exp: -1e300 }), /ended at -271821-04-20/],
      [await token({ nbf: 1e300 }), /begins at \+275760-09-13/],
      [await token({ nbf: seconds + 1 }), /begins at 2026-01-01T00:00:01.000Z/],
      [await token({ channel: "news" }), /for one subscription/],
    ] as const) {
      assert.match(readToken(given, now).problem ?? "none", problem, given.slice(0, 80));
    }
  });
});
