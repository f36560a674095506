import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { statusOf } from "../../../../apps/ws/api/errors.ts";
import { isFromBrowser, isKey, keyOf } from "../../../../apps/ws/api/key.ts";
import { keyId } from "../../../../apps/ws/api/once.ts";
import { matches } from "../../../../apps/ws/api/pattern.ts";
import { decodeCall, isMethod } from "../../../../apps/ws/api/requests.ts";

describe("a pattern of channels", () => {
  it("matches what a regular expression of the same meaning matches", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 8 });
    const patterns = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?"), maxLength: 6 });
    fc.assert(
      fc.property(letters, patterns, (name, pattern) => {
        const expression = Array.from(pattern)
          .map((each) => ({ "*": ".*", "?": ".", ".": "\\." })[each] ?? each)
          .join("");
        const expected = pattern === "" || new RegExp(`^${expression}$`).test(name);
        assert.equal(matches(name, pattern), expected);
      }),
    );
  });

  it("takes no time that grows with its stars", () => {
    const started = process.cpuUsage().user;
    for (let n = 0; n < 100; n += 1) {
      assert.equal(matches(`${"a".repeat(255)}b`, `${"*a".repeat(120)}*c`), false);
    }
    assert.ok(process.cpuUsage().user - started < 2_000_000);
  });
});

describe("the key of the API", () => {
  it("is this one, and no other", () => {
    assert.equal(isKey("secret", "secret"), true);
    for (const given of ["", "secre", "secret ", "SECRET", "secret\0"]) {
      assert.equal(isKey(given, "secret"), false, given);
    }
    // Without a key nobody gets in.
    assert.equal(isKey("", ""), false);
  });

  it("is taken from the header first", () => {
    const query = new URLSearchParams("api_key=c");
    assert.equal(keyOf({ "x-api-key": "a", authorization: "apikey b" }, query), "a");
    assert.equal(keyOf({ authorization: "ApiKey b" }, query), "b");
    assert.equal(keyOf({ authorization: "Bearer b" }, query), "c");
    assert.equal(keyOf({}, new URLSearchParams()), undefined);
  });

  it("is not for pages, and Node's fetch is none", () => {
    assert.equal(isFromBrowser({ "sec-fetch-mode": "cors" }), false);
    for (const name of ["origin", "sec-fetch-site", "sec-fetch-dest"]) {
      assert.equal(isFromBrowser({ [name]: "x" }), true);
    }
  });
});

describe("the id of a publication with a key", () => {
  it("differs for other channels and keys, also where a text could be cut in two ways", () => {
    const ids = [
      keyId("a", "b"),
      keyId("a", "c"),
      keyId("b", "a"),
      keyId("a\nb", "c"),
      keyId("ab", ""),
    ];
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.match(id, /^[\w-]{43}$/);
  });
});

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

  it("has a status for each error where errors are statuses", () => {
    const statuses = [100, 102, 104, 106, 107, 108, 111, 112, 1_000].map((code) =>
      statusOf({ code, message: "" }),
    );
    assert.deepEqual(statuses, [500, 404, 404, 400, 400, 400, 429, 416, 500]);
  });
});
