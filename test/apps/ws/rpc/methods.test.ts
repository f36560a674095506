import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { rpcSubject } from "../../../../apps/lib/rpc.ts";
import { decodeConfig } from "../../../../apps/ws/config/options.ts";
import { findMethod } from "../../../../apps/ws/rpc/methods.ts";

it("whatever clients call, it is a subject of its own below rpc., or nothing", () => {
  const { rpc } = decodeConfig({
    rpc: {
      without_namespace: { enabled: true },
      namespaces: [{ name: "shop", enabled: true, timeout: "1s" }],
    },
  });
  const subjects = new Map<string, string>();
  const odd = fc.constantFrom(
    ...[
      "a",
      "shop",
      ":",
      ".",
      "*",
      ">",
      " ",
      "$",
      "\r\n",
      "\0",
      "\u00e9",
      "__proto__",
      "x".repeat(127),
    ],
  );
  const names = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(odd, { maxLength: 4 }).map((parts) => parts.join("")),
    fc.string({ unit: "grapheme-ascii" }).map((text) => `shop:${text}`),
  );
  let found = 0;
  fc.assert(
    fc.property(names, (name) => {
      const options = findMethod(rpc, name);
      if ("code" in options) return;
      found += 1;
      const subject = rpcSubject(name);
      // What NATS takes for one subject, and never for a pattern.
      assert.match(subject, /^rpc(\.[^\s.*>\p{Cc}]{1,133}){1,2}$/u);
      assert.equal(options.timeout, subject.startsWith("rpc.shop.") ? 1_000 : 4_000);
      assert.equal(subjects.get(subject) ?? name, name, "no two methods share a subject");
      subjects.set(subject, name);
    }),
    { numRuns: 5_000 },
  );
  assert.ok(found > 500, String(found));
});
