import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { eventually } from "../../support/eventually.ts";
import { release, Rollout, services } from "./rollout.ts";

// One system under one load; each test starts from where the one before left it.
describe("npm start, under load", { concurrency: false }, () => {
  let rollout: Rollout;
  let second: ReadonlyMap<string, string>;

  before(async () => {
    rollout = await Rollout.start();
  });
  after(() => rollout[Symbol.asyncDispose]());

  for (const number of [2, 3]) {
    it(`replaces every service by release ${number}`, async () => {
      const { ok, text, moved } = await rollout.update(release(number));
      assert.ok(ok, text);
      assert.deepEqual([...moved.keys()].sort(), services);
      await rollout.rolled();
      assert.equal(rollout.load.release, `@${number}`);
      second = moved;
    });
  }

  it("goes on with the version that serves when the next one does not start", async () => {
    const serving = rollout.alive("add");
    const { ok, text } = await rollout.update([
      ["apps/add/main.ts", /$/, '\nthrow new Error("not today");\n'],
    ]);
    assert.ok(!ok);
    assert.match(text, /"add-version": add v\w+ ended with exit code 1 before it served/);
    await rollout.system.prints("not today");
    assert.deepEqual(rollout.alive("add"), serving);
    assert.equal(rollout.load.release, "@3");
  });

  it("goes back, in one update, to the first release when its code is there again", async () => {
    const { ok, text, moved } = await rollout.revert();
    assert.ok(ok, text);
    assert.deepEqual([...moved.keys()].sort(), services);
    for (const [service, version] of moved) {
      // It is the very version of the start, by its name.
      assert.match(rollout.system.output, new RegExp(`^ .* ${service} +${version} `, "m"));
    }
    await rollout.rolled();
    assert.equal(rollout.load.release, "");
  });

  it("goes back, in one update, to a kept version that trafficVersion names", async () => {
    const kept = second.get("add") ?? "";
    const { ok, text, moved } = await rollout.update([
      ["Pulumi.local.yaml", "realtime:add:\n", `realtime:add:\n    trafficVersion: ${kept}\n`],
    ]);
    assert.ok(ok, text);
    assert.deepEqual([...moved], [["add", kept]]);
    await eventually("the kept version answers", () => rollout.load.release === "@3");
  });

  it("let its users notice nothing of all that, and keeps nothing of the versions before", async (t) => {
    const problems = await rollout.end();
    assert.deepEqual(problems, []);
    const { requests, published, posts, gets, followers } = rollout.load;
    t.diagnostic(
      `${requests} requests, ${published.length} publications to ${followers.length} subscribers, ` +
        `${posts.length} POSTs and ${gets.length} reads of M`,
    );
    // A check of nothing would find nothing.
    assert.ok(requests >= 300 && published.length >= 300 && followers.length === 200);
    await eventually("there are as many processes as at first", () => {
      return rollout.system.processes().size === rollout.processes;
    });
  });
});
