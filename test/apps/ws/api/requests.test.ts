import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeCall, isMethod } from "../../../../apps/ws/api/requests.ts";

describe("a request", () => {
  it("of each method needs no more than what the method is about", () => {
    const least: Record<string, object> = {
      publish: { channel: "a", data: 1 },
      broadcast: { channels: ["a"], data: 1 },
      subscribe: { channel: "a", user: "u" },
      unsubscribe: { user: "u" },
      disconnect: { user: "u" },
      refresh: { user: "u" },
      presence: { channel: "a" },
      presence_stats: { channel: "a" },
      history: { channel: "a" },
      history_remove: { channel: "a" },
      channels: {},
      info: {},
      rpc: { method: "m" },
      batch: { commands: [] },
    };
    for (const [method, request] of Object.entries(least)) {
      assert.ok(method === "batch" || isMethod(method));
      const decoded = decodeCall(method, Buffer.from(JSON.stringify(request)));
      assert.ok("call" in decoded, `${method}: ${"error" in decoded ? decoded.error.message : ""}`);
    }
  });

  it("takes null for nothing, and 64-bit numbers as texts", () => {
    const nothing = { tags: null, version: null, b64data: null, skip_history: null, delta: null };
    const body = { channel: "a", data: null, ...nothing };
    const decoded = decodeCall("publish", Buffer.from(JSON.stringify(body)));
    assert.ok("call" in decoded && decoded.call.method === "publish");
    assert.equal(Buffer.from(decoded.call.request.data).toString(), "null");
    assert.equal(decoded.call.request.version, 0n);
    const top = { channel: "a", data: 1, version: "18446744073709551615" };
    const versioned = decodeCall("publish", Buffer.from(JSON.stringify(top)));
    assert.ok("call" in versioned && versioned.call.method === "publish");
    assert.equal(versioned.call.request.version, 2n ** 64n - 1n);
    const more = decodeCall(
      "publish",
      Buffer.from('{"channel":"a","data":1,"version":18446744073709551616}'),
    );
    assert.ok("error" in more);
  });

  it("may have any name for a tag", () => {
    const decoded = decodeCall(
      "publish",
      Buffer.from('{"channel":"a","data":1,"tags":{"__proto__":"x","constructor":"y"}}'),
    );
    assert.ok("call" in decoded && decoded.call.method === "publish");
    assert.deepEqual(Object.entries(decoded.call.request.tags ?? {}), [
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
  });

  it("is answered without an exception, whatever it is", () => {
    const methods = fc.constantFrom(
      "publish",
      "broadcast",
      "subscribe",
      "history",
      "batch" as const,
    );
    const fields = fc.constantFrom(
      ...[
        "channel",
        "channels",
        "data",
        "user",
        "commands",
        "publish",
        "tags",
        "since",
        "override",
      ],
      ...["b64data", "version", "info", "__proto__", "limit", "disconnect"],
    );
    const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom(null, true, 0, -1, 1.5, "", "a", "AA==", 1e300),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(fields, tie("value"), { maxKeys: 5 }),
      ),
    })).value;
    fc.assert(
      fc.property(methods, value, (method, body) => {
        const decoded = decodeCall(method, Buffer.from(JSON.stringify(body)));
        if ("error" in decoded) assert.equal(decoded.error.code, 107);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(methods, fc.uint8Array({ maxLength: 40 }), (method, bytes) => {
        decodeCall(method, bytes);
      }),
    );
  });

  it("hands on info and data that are in base64, and needs them to be JSON", () => {
    const b64 = (text: string): string => Buffer.from(text).toString("base64");
    const body = { user: "u", channel: "a", b64info: b64('{"a":\n1}'), b64data: b64("2") };
    const decoded = decodeCall("subscribe", Buffer.from(JSON.stringify(body)));
    assert.ok("call" in decoded && decoded.call.method === "subscribe");
    // Clients take a newline for the end of a message.
    assert.deepEqual([decoded.call.request.info, decoded.call.request.data], ['{"a": 1}', "2"]);
    const bad = { ...body, b64info: b64("no JSON") };
    const refused = decodeCall("subscribe", Buffer.from(JSON.stringify(bad)));
    assert.ok("error" in refused && /b64info: does not hold JSON/.test(refused.error.message));
  });

  it("is refused in few words, however much is wrong with it", () => {
    const fields = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`x${n}`, n]));
    const unknown = decodeCall("publish", Buffer.from(JSON.stringify(fields)));
    assert.ok("error" in unknown && unknown.error.message.length < 4_000);
    const pattern = decodeCall(
      "channels",
      Buffer.from(JSON.stringify({ pattern: "*".repeat(256) })),
    );
    assert.ok("error" in pattern && /pattern: is wrong/.test(pattern.error.message));
  });
});
