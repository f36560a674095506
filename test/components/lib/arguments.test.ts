import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { createUser } from "nkeys.js";
import { refuseProblems } from "../../../components/lib/arguments.ts";

describe("a refused component", () => {
  it("says everything that is wrong, and ends the program without a stack trace", () => {
    assert.throws(
      () => {
        refuseProblems("Thing", "name", ["a: 1; allowed: 2", "b: 3; allowed: 4"]);
      },
      (error) => {
        assert(pulumi.RunError.isInstance(error));
        assert.equal(
          error.message,
          'Thing "name" cannot be declared:\n  - a: 1; allowed: 2\n  - b: 3; allowed: 4',
        );
        return true;
      },
    );
  });

  it("shows no seed, whichever argument it was put in", () => {
    const seed = new TextDecoder().decode(createUser().getSeed());
    assert.throws(
      () => {
        refuseProblems("Thing", "name", [`zones: "${seed}"`]);
      },
      (error: Error) => !error.message.includes(seed) && error.message.includes("a seed, which"),
    );
  });

  it("is only one with problems", () => {
    refuseProblems("Thing", "name", []);
  });
});
