import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { statusOf } from "../../../../apps/ws/api/errors.ts";

describe("an error of the API", () => {
  it("has a status for each error where errors are statuses", () => {
    const statuses = [100, 102, 104, 106, 107, 108, 111, 112, 1_000].map((code) =>
      statusOf({ code, message: "" }),
    );
    assert.deepEqual(statuses, [500, 404, 404, 400, 400, 400, 429, 416, 500]);
  });
});
