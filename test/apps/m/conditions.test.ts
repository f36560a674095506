import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HttpError } from "../../../apps/lib/http.ts";
import {
  matchesNone,
  readIdempotencyKey,
  readIfMatch,
  readMinRev,
  readWait,
  tagOf,
} from "../../../apps/m/conditions.ts";

function assertRefused(read: () => unknown, message: string): void {
  assert.throws(read, (error) => {
    assert.ok(error instanceof HttpError);
    assert.deepEqual([error.status, error.code, error.message], [400, "invalid_argument", message]);
    return true;
  });
}

describe("If-Match", () => {
  it("names a revision as an ETag does; without it and for * any will do", () => {
    assert.equal(tagOf(7), '"7"');
    assert.equal(readIfMatch(tagOf(7)), 7);
    assert.equal(readIfMatch(' "0" '), 0);
    assert.equal(readIfMatch('"999999999999999"'), 999_999_999_999_999);
    assert.equal(readIfMatch(undefined), undefined);
    assert.equal(readIfMatch(" * "), undefined);
  });

  it("is refused when it is anything else, and is shown no longer than needed", () => {
    const allowed = 'allowed: one revision in quotes, as in ETag: "7"';
    for (const header of ["7", "", '"-1"', '"07"', '"7", "8"', 'W/"7"', '"1000000000000000"']) {
      assertRefused(() => readIfMatch(header), `If-Match is ${JSON.stringify(header)}; ${allowed}`);
    }
    assertRefused(
      () => readIfMatch("x".repeat(65)),
      `If-Match is "${"x".repeat(64)}…"; ${allowed}`,
    );
  });
});

describe("If-None-Match", () => {
  it("is met by the revision among its tags, weak ones too, and by *", () => {
    for (const header of ['"7"', 'W/"7"', '"6", "7"', '"6",W/"7" ,"8"', "*", " * "]) {
      assert.equal(matchesNone(header, '"7"'), false, header);
    }
    for (const header of [undefined, "", '"6"', '"77"', "7", 'w/"7"', '"6", "8"']) {
      assert.equal(matchesNone(header, '"7"'), true, header);
    }
  });
});

describe("If-Min-Rev", () => {
  it("is a revision; without it any will do", () => {
    assert.equal(readMinRev(undefined), 0);
    assert.equal(readMinRev("0"), 0);
    assert.equal(readMinRev("007"), 7);
    assert.equal(readMinRev("999999999999999"), 999_999_999_999_999);
  });

  it("is refused when it is anything else", () => {
    for (const header of ["", "-1", "1.5", '"7"', "7, 8", "1e3", "1000000000000000", "Infinity"]) {
      assertRefused(
        () => readMinRev(header),
        `If-Min-Rev is ${JSON.stringify(header)}; allowed: a revision, a whole number from 0`,
      );
    }
  });
});

describe("?wait=", () => {
  it("is a time in seconds, with what is usual in its place", () => {
    assert.equal(readWait(undefined, 5_000), 5_000);
    assert.equal(readWait("0", 5_000), 0);
    assert.equal(readWait("2.5", 5_000), 2_500);
    assert.equal(readWait("0.001", 5_000), 1);
    assert.equal(readWait("60", 5_000), 60_000);
  });

  it("is refused above a minute and when it is anything else", () => {
    for (const query of ["60.001", "61", "999", "", "-1", "1e1", "1.", ".5", "0.0001", "x"]) {
      assertRefused(
        () => readWait(query, 5_000),
        `wait is ${JSON.stringify(query)}; allowed: seconds from 0 to 60, for example 2.5`,
      );
    }
    assertRefused(
      () => readWait(["1", "2"], 5_000),
      'wait is "given several times"; allowed: seconds from 0 to 60, for example 2.5',
    );
  });
});

describe("Idempotency-Key", () => {
  const patch = new Map([["a", "1"]]);

  it("is kept as digests: of itself, and of what is asked for", () => {
    assert.equal(readIdempotencyKey(undefined, patch), undefined);
    const read = readIdempotencyKey("key-1", patch);
    assert.match(read?.key ?? "", /^[\w-]{43}$/);
    assert.match(read?.digest ?? "", /^[\w-]{43}$/);
    assert.deepEqual(readIdempotencyKey("key-1", new Map(patch)), read);
    assert.equal(readIdempotencyKey("key-2", patch)?.digest, read?.digest);
    assert.notEqual(readIdempotencyKey("key-2", patch)?.key, read?.key);
    for (const other of [new Map([["a", "2"]]), new Map([["b", "1"]]), new Map([["a", null]])]) {
      const changed = readIdempotencyKey("key-1", other);
      assert.equal(changed?.key, read?.key);
      assert.notEqual(changed?.digest, read?.digest);
    }
  });

  it("has 1 to 255 printable ASCII characters without spaces", () => {
    assert.ok(readIdempotencyKey("!".repeat(255), patch));
    const allowed = "allowed: 1 to 255 printable ASCII characters without spaces";
    for (const header of ["", "a b", "ü", "a\t"]) {
      assertRefused(
        () => readIdempotencyKey(header, patch),
        `Idempotency-Key is ${JSON.stringify(header)}; ${allowed}`,
      );
    }
    assertRefused(
      () => readIdempotencyKey("~".repeat(256), patch),
      `Idempotency-Key is "${"~".repeat(64)}…"; ${allowed}`,
    );
  });
});
