import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createAccount, createUser } from "nkeys.js";
import { hideSeeds, isUserKey } from "../../../components/lib/nkey.ts";

describe("a public NKey of a user", () => {
  it("is told from everything else that the library makes", () => {
    for (let i = 0; i < 50; i++) assert(isUserKey(createUser().getPublicKey()));
    assert(!isUserKey(createAccount().getPublicKey()));
    assert(!isUserKey(new TextDecoder().decode(createUser().getSeed())));
  });

  it("is refused when one letter of it is wrong, missing or too many", () => {
    const key = createUser().getPublicKey();
    for (let i = 0; i < key.length; i++) {
      const wrong = key[i] === "A" ? "B" : "A";
      assert(!isUserKey(key.slice(0, i) + wrong + key.slice(i + 1)), `letter ${i}`);
      assert(!isUserKey(key.slice(0, i) + key.slice(i + 1)), `without letter ${i}`);
    }
    assert(!isUserKey(`${key}A`));
    assert(!isUserKey(key.toLowerCase()));
    assert(!isUserKey(""));
  });
});

describe("a seed", () => {
  it("is taken out of whatever text it is in", () => {
    const pair = createUser();
    const seed = new TextDecoder().decode(pair.getSeed());
    const text = `natsKeys.add: "${seed}"`;
    assert.equal(hideSeeds(text), 'natsKeys.add: "S…(a seed, which is secret: replace the pair)"');
    assert.equal(hideSeeds(pair.getPublicKey()), pair.getPublicKey());
  });
});
