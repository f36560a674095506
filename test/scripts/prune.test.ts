import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { AppEngine } from "../../scripts/deploy/app-engine.ts";
import type { LiveService } from "../../scripts/deploy/live.ts";
import { oldVersions } from "../../scripts/deploy/old-versions.ts";
import { type ApiVersion, AppEngineApi } from "../support/app-engine-api.ts";
import { DeployWorld, outputsFor, project } from "../support/deploy-world.ts";

const day = (number: number): string => new Date(Date.UTC(2026, 0, number)).toISOString();
const ids = Array.from({ length: 12 }, (_, index) => `v${index}`);

const service = (id: string): fc.Arbitrary<LiveService> =>
  fc.record({
    id: fc.constant(id),
    allocations: fc
      .subarray(ids, { maxLength: 2 })
      .map((all) => Object.fromEntries(all.map((each) => [each, 1 / all.length]))),
    versions: fc.subarray(ids).chain((all) =>
      fc.tuple(
        ...all.map((each) =>
          fc.record({
            id: fc.constant(each),
            servingStatus: fc.constantFrom("SERVING", "STOPPED"),
            createTime: fc.oneof(fc.integer({ min: 1, max: 300 }).map(day), fc.constant("")),
            env: fc.constantFrom("standard", "flexible"),
          }),
        ),
      ),
    ),
  });
const live = fc.tuple(service("add"), service("ws"), service("somebody-elses"));
const named = fc.record({ add: fc.constantFrom(...ids), ws: fc.constantFrom(...ids) });

describe("the versions that nobody needs any more", () => {
  it("are never those with traffic, of the program, of other services or of unknown age", () => {
    fc.assert(
      fc.property(
        live,
        named,
        named,
        fc.integer({ min: 1, max: 5 }),
        (all, versions, traffic, keep) => {
          for (const { service: at, id, createTime } of oldVersions(
            all,
            { versions, traffic },
            keep,
          )) {
            assert(at === "add" || at === "ws");
            assert(id !== versions[at] && id !== traffic[at] && createTime !== "");
            assert.equal(all.find((each) => each.id === at)?.allocations[id], undefined);
          }
        },
      ),
    );
  });

  it("leave the newest of each service, as many as are to be kept, and all others go", () => {
    fc.assert(
      fc.property(
        live,
        named,
        named,
        fc.integer({ min: 1, max: 5 }),
        (all, versions, traffic, keep) => {
          const old = oldVersions(all, { versions, traffic }, keep);
          for (const at of ["add", "ws"] as const) {
            const found = all.find((each) => each.id === at);
            const gone = old.filter((each) => each.service === at);
            const others = (found?.versions ?? []).filter(
              ({ id, createTime }) =>
                createTime !== "" &&
                id !== versions[at] &&
                id !== traffic[at] &&
                found?.allocations[id] === undefined,
            );
            const stays = others.filter(({ id }) => !gone.some((each) => each.id === id));
            assert.equal(stays.length, Math.min(keep, others.length));
            for (const older of gone) {
              assert(stays.every(({ createTime }) => createTime >= older.createTime));
            }
          }
        },
      ),
    );
  });

  it("come oldest first, in the same order whatever the order of the list", () => {
    fc.assert(
      fc.property(live, named, (all, versions) => {
        const old = oldVersions(all, { versions, traffic: versions }, 1);
        const times = old.map(({ createTime }) => createTime);
        assert.deepEqual(times, times.toSorted());
        const turned = all.map((each) => ({ ...each, versions: each.versions.toReversed() }));
        const again = oldVersions(turned, { versions, traffic: versions }, 1);
        assert.deepEqual(
          again.map((each) => `${each.service}/${each.id}`),
          old.map((each) => `${each.service}/${each.id}`),
        );
      }),
    );
  });
});

const aged = (id: string, days: number, more: Partial<ApiVersion> = {}): ApiVersion => ({
  ...{ id, createTime: day(days), ...more },
});

/** add has five old versions, one of which still has traffic; ws one too many; and a stranger. */
function worldWithOldVersions(): Promise<DeployWorld> {
  return DeployWorld.create({
    default: { allocations: { d9: 1 }, versions: [aged("d9", 90)] },
    add: {
      allocations: { a9: 0.9, a1: 0.1 },
      versions: [
        ...[aged("a9", 90), aged("a8", 80), aged("a3", 30), aged("a1", 10), aged("a2", 20)],
        aged("a0", 1, { instances: 2 }),
      ],
    },
    ws: {
      allocations: { w9: 1 },
      versions: [
        ...[aged("w9", 90, { env: "flexible" }), aged("w8", 80, { env: "flexible" })],
        aged("w2", 2, { env: "flexible", instances: 3 }),
      ],
    },
    other: { allocations: { o9: 1 }, versions: [aged("o9", 90), aged("o1", 1)] },
  });
}
const declared = { default: "d9", add: "a9", ws: "w9" };

describe(
  "npm run prune",
  { concurrency: 2, skip: process.platform === "win32" && "Windows starts scripts in another way" },
  () => {
    it("shows what it would remove, and removes nothing, unless it is told to", async () => {
      await using world = await worldWithOldVersions();
      world.outputs = outputsFor(declared);
      const { code, stdout, stderr } = await world.prune("--keep", "1");
      assert.deepEqual([code, stderr], [0, ""]);
      assert.equal(
        stdout,
        `my-project has 12 of the 210 versions that there may be.
Stays, though it is old:
  add a0 (standard, 2026-01-01) has 2 running: somebody calls it by its own address
Would remove, from the oldest on, and keep the newest 1 of each service:
  ws w2 (flexible, 2026-01-02)
  add a2 (standard, 2026-01-20)
  add a3 (standard, 2026-01-30)
Nothing was removed yet. To do it: npm run prune -- --stack dev --keep 1 --yes
`,
      );
      assert(!world.api.calls.some((call) => call.startsWith("DELETE")));
    });

    it("removes them oldest first, waits for each, and leaves those that serve or are the program's", async () => {
      await using world = await worldWithOldVersions();
      world.outputs = outputsFor(declared, { traffic: { add: "a3" } });
      const { code, stdout, stderr } = await world.prune("--keep", "1", "--yes");
      assert.deepEqual([code, stderr], [0, ""]);
      assert.deepEqual(
        world.api.calls.filter((call) => call.startsWith("DELETE")),
        [
          "DELETE /v1/apps/my-project/services/ws/versions/w2",
          "DELETE /v1/apps/my-project/services/add/versions/a2",
        ],
      );
      assert.match(stdout, /Removed ws w2 .*\nRemoved add a2 /);
      const left = [...world.api.services.values()].flatMap(({ versions }) =>
        versions.map(({ id }) => id),
      );
      assert.deepEqual(left, ["d9", "a9", "a8", "a3", "a1", "a0", "w9", "w8", "o9", "o1"]);
    });

    it("goes on when one cannot be removed, and says which in the end", async () => {
      await using world = await worldWithOldVersions();
      world.outputs = outputsFor(declared);
      world.api.undeletable.set("ws/w2", "the machines do not end");
      const { code, stdout, stderr } = await world.prune("--keep", "1", "--yes");
      assert.equal(code, 1);
      assert.match(stdout, /Removed add a2 .*\nRemoved add a3 /);
      assert.match(
        stderr,
        /^1 of 3 could not be removed:\n {2}ws w2 \(flexible, 2026-01-02\): the machines do not end\n/,
      );
    });

    it("warns when the project comes near to as many versions as it may have", async () => {
      await using world = await worldWithOldVersions();
      world.outputs = outputsFor(declared);
      world.api
        .service("other")
        .versions.push(...Array.from({ length: 170 }, (_, index) => aged(`x${index}`, index)));
      const { code, stdout, stderr } = await world.prune();
      assert.equal(code, 0);
      assert.match(stdout, /^my-project has 182 .*\nNothing to remove/);
      assert.match(
        stderr,
        /^Warning: at 210 versions deployments stop, and there are 182\. Most have other \(172\)/,
      );
    });

    it("refuses to leave nothing to go back to, and to guess what a stack needs", async () => {
      await using world = await worldWithOldVersions();
      for (const [args, says] of [
        [["--keep", "0"], /--keep: "0" is no number from 1 to 999\nusage: npm run prune/],
        [[], /Nothing was deployed to dev yet/],
      ] as const) {
        const { code, stderr } = await world.prune(...args);
        assert.deepEqual([code, says.test(stderr)], [2, true], stderr);
      }
      assert.deepEqual(world.api.calls, []);
    });
  },
);

describe("the deletion of a version", () => {
  const waits: number[] = [];
  function clientOf(api: AppEngineApi): AppEngine {
    waits.length = 0;
    return new AppEngine({
      ...{ project, url: api.url, signal: new AbortController().signal },
      credentials: () => Promise.resolve(new Headers({ authorization: `Bearer ${api.token}` })),
      pace: {
        now: () => waits.reduce((all, ms) => all + ms, 0),
        random: () => 1,
        wait: (ms) => Promise.resolve(waits.push(ms)),
      },
    });
  }
  const services = () => ({
    add: { allocations: { a9: 1 }, versions: [aged("a9", 9), aged("a1", 1)] },
  });
  const left = (api: AppEngineApi): string[] => api.service("add").versions.map(({ id }) => id);

  it("is over when its operation is done", async () => {
    await using api = await AppEngineApi.create(project, services());
    api.operationPolls = 3;
    await clientOf(api).deleteVersion("add", "a1");
    assert.deepEqual(left(api), ["a9"]);
    assert.deepEqual(waits, [2000, 2000, 2000]);
  });

  it("is repeated when its answer was lost, or another change is under way", async () => {
    await using api = await AppEngineApi.create(project, services());
    api.troubles.push("torn", 409, 429);
    await clientOf(api).deleteVersion("add", "a1");
    assert.deepEqual(left(api), ["a9"]);
    // The second time there is nothing to delete any more.
    await clientOf(api).deleteVersion("add", "a1");
  });

  it("fails with the reason that App Engine has, for a version with traffic too", async () => {
    await using api = await AppEngineApi.create(project, services());
    await assert.rejects(clientOf(api).deleteVersion("add", "a9"), /non-zero traffic allocation/);
    api.undeletable.set("add/a1", "no");
    await assert.rejects(clientOf(api).deleteVersion("add", "a1"), { message: "no" });
    assert.deepEqual(left(api), ["a9", "a1"]);
  });

  it("is not waited for for ever", async () => {
    await using api = await AppEngineApi.create(project, services());
    api.operationPolls = 10_000;
    await assert.rejects(clientOf(api).deleteVersion("add", "a1"), /is not done after 15 minutes/);
  });
});
