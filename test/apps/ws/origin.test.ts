import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isOriginAllowed } from "../../../apps/ws/origin.ts";

describe("the origin of a page", () => {
  const cases: [origin: string | undefined, allowed: string[] | null, answer: boolean][] = [
    [undefined, [], true],
    ["https://app.example.com", null, true],
    ["https://APP.example.com", null, true],
    ["https://other.example.com", null, false],
    ["https://app.example.com:8443", null, false],
    ["null", null, false],
    ["https://evil.com", [], false],
    ["https://evil.com", ["*"], true],
    ["https://a.example.com", ["https://*.example.com"], true],
    ["https://a.b.example.com", ["https://*.example.com"], true],
    ["https://example.com", ["https://*.example.com"], false],
    ["http://a.example.com", ["https://*.example.com"], false],
    ["https://evil.com/.example.com", ["https://*.example.com"], false],
    ["https://aXexample.com", ["https://a.example.com"], false],
    ["https://a.example.com.evil.com", ["https://a.example.com"], false],
    ["HTTPS://A.example.com", ["https://a.EXAMPLE.com"], true],
    ["https://b.com", ["https://a.com", "https://b.com"], true],
  ];
  for (const [origin, allowed, answer] of cases) {
    const whom = allowed === null ? "the own host" : `[${allowed.join(", ")}]`;
    it(`${origin ?? "of no browser"} is ${answer ? "" : "not "}allowed by ${whom}`, () => {
      assert.equal(isOriginAllowed(origin, "app.example.com", allowed), answer);
    });
  }

  it("is not the own host when the request names none", () => {
    assert.equal(isOriginAllowed("https://app.example.com", undefined, null), false);
  });
});
