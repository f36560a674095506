import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isFromBrowser, isKey, keyOf } from "../../../../apps/ws/api/key.ts";

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
