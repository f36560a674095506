import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { signal } from "@preact/signals";
import { answerDiscovery } from "../../../../apps/lib/discovery.ts";
import { NatsBus } from "../../../../apps/lib/nats-bus.ts";
import { cloudSource } from "../../../../apps/web/page/system/cloud-source.ts";
import { localSource } from "../../../../apps/web/page/system/local-source.ts";
import { complete } from "../../../../apps/web/page/system/merge.ts";
import { isSame, type KillTarget, type Picture } from "../../../../apps/web/page/system/picture.ts";
import type { Look, SystemSource } from "../../../../apps/web/page/system/source.ts";
import { System, type SystemLimits } from "../../../../apps/web/page/system/system.ts";
import { inboxPrefix } from "../../../../apps/ws/gateway.ts";
import { Services, servicesMethod } from "../../../../apps/ws/services.ts";
import { deploy, rules, startCloud, type TestCloud } from "../../../local/cloud/support.ts";
import { collectingLog } from "../../../support/collecting-log.ts";
import { eventually } from "../../../support/eventually.ts";
import { NatsServer } from "../../../support/nats.ts";

const nothing: Picture = { services: [], rules: [], nats: [], topics: [] };
const declared: Picture = {
  services: [
    { service: "default", kind: "standard", scaling: "automatic", versions: [], nats: false },
    { service: "add", kind: "standard", scaling: "automatic", versions: [], nats: true },
    { service: "m", kind: "standard", scaling: "manual", versions: [], nats: true },
  ],
  rules: [{ path: "/api/add*", service: "add" }],
  nats: [{ name: "nats-0", state: "declared" }],
  topics: [{ name: "m-changes", subscriptions: [{ name: "m-0", service: "m", index: 0 }] }],
};
const target: KillTarget = { service: "ws", version: "v1", index: 0 };

/** A picture of one process. */
function one(state: "live" | "restarting", pid?: number): Look {
  const instance = { id: "ws.0", index: 0, state, kill: target };
  const instances = [{ ...instance, ...(pid === undefined ? {} : { pid }) }];
  const versions = [{ version: "v1", share: 1, instances }];
  return { picture: { ...nothing, services: [{ service: "ws", versions }] } };
}

/** A page whose system is ended by `using`. */
class Page implements Disposable {
  readonly visible = signal(true);
  readonly system: System;
  looks = 0;
  nowMs = 0;

  constructor(source: SystemSource, limits: Partial<SystemLimits> = {}) {
    this.system = new System({
      source: {
        ...source,
        look: (signal) => {
          this.looks += 1;
          return source.look(signal);
        },
      },
      now: () => this.nowMs,
      visible: this.visible,
      limits: { slowMs: 10, fastMs: 10, ...limits },
    });
  }

  async looksAgain(): Promise<void> {
    const { looks } = this;
    // Two more: one of them has begun after this.
    await eventually("it looks again", () => this.looks > looks + 1);
  }

  [Symbol.dispose](): void {
    this.system.end();
  }
}

describe("the system of a page", () => {
  it("looks while somebody watches who can see it, and not otherwise", async () => {
    using page = new Page({ look: () => Promise.resolve(one("live", 1)) });
    const { system, visible } = page;
    assert.deepEqual([page.looks, system.state.value], [0, "loading"]);
    const [leave, leaveToo] = [system.watch(), system.watch()];
    await page.looksAgain();
    leave();
    leave();
    await page.looksAgain();
    // One who goes on looking shows how long nothing happens here.
    using other = new Page({ look: () => Promise.resolve(one("live", 1)) });
    other.system.watch();
    const rests = async (): Promise<void> => {
      const { looks } = page;
      system.look();
      for (let times = 0; times < 3; times += 1) await other.looksAgain();
      assert.equal(page.looks, looks);
    };
    visible.value = false;
    await rests();
    visible.value = true;
    await page.looksAgain();
    leaveToo();
    await rests();
  });

  it("looks at once when asked to", async () => {
    using page = new Page({ look: () => Promise.resolve(one("live", 1)) }, { slowMs: 3_600_000 });
    const leave = page.system.watch();
    await eventually("it is seen", () => page.system.picture.value !== undefined);
    // The pause begins a moment after what was seen is known.
    await eventually("it is seen again", () => {
      page.system.look();
      return page.looks > 1;
    });
    leave();
  });

  it("has the same picture as long as nothing changes, so that nothing is drawn again", async () => {
    using page = new Page({ look: () => Promise.resolve(one("live", 1)) });
    const { picture } = page.system;
    page.system.watch();
    await eventually("it is seen", () => picture.value !== undefined);
    const seen = picture.value;
    await page.looksAgain();
    assert.equal(picture.value, seen);
  });

  it("keeps what it has seen when a look fails, says why, and goes on", async () => {
    let look: () => Promise<Look> = () => Promise.resolve(one("live", 1));
    using page = new Page({ look: () => look() });
    const { system } = page;
    system.watch();
    await eventually("it is seen", () => system.state.value === "ready");
    look = () => Promise.reject(new Error("nobody is there"));
    await eventually("it fails", () => system.state.value === "failed");
    assert.equal(system.problem.value, "nobody is there");
    assert.deepEqual(system.picture.value, one("live", 1).picture);
    look = () => Promise.resolve({ ...one("live", 2), missing: "half of it" });
    await eventually("it is seen again", () => system.state.value === "ready");
    assert.equal(system.problem.value, "half of it", "what was not seen is told, too");
    assert.deepEqual(system.picture.value, one("live", 2).picture);
  });

  it("awaits who was killed until another process lives in the place, also when nobody watches", async () => {
    let look = one("live", 1);
    using page = new Page({
      look: () => Promise.resolve(look),
      kill: () => Promise.resolve(1),
    });
    const { system } = page;
    const outcome = (): object | undefined => system.kills.value[0]?.outcome;
    const leave = system.watch();
    await eventually("it is seen", () => system.picture.value !== undefined);
    const killing = system.kill(target, "ws.0");
    assert.deepEqual(outcome(), { kind: "asked" });
    await killing;
    leave();
    page.visible.value = false;
    // What a look that had begun before shows: the one who was killed, living.
    await page.looksAgain();
    assert.deepEqual(outcome(), { kind: "killed", pid: 1 });
    look = one("restarting", 2);
    await page.looksAgain();
    assert.deepEqual(outcome(), { kind: "killed", pid: 1 });
    page.nowMs = 1_234;
    look = one("live", 2);
    await eventually("it is back", () => system.kills.value[0]?.outcome.kind === "back");
    assert.deepEqual(outcome(), { kind: "back", pid: 1, afterMs: 1_234 });
    const [kill] = system.kills.value;
    assert.ok(kill !== undefined && isSame(kill.target, target));
  });

  it("gives up on who does not come back", async () => {
    using page = new Page(
      { look: () => Promise.resolve(one("restarting")), kill: () => Promise.resolve(1) },
      { patienceMs: 1_000 },
    );
    const { system } = page;
    const outcome = (): object | undefined => system.kills.value[0]?.outcome;
    await system.kill(target, "ws.0");
    page.nowMs = 999;
    await page.looksAgain();
    assert.deepEqual(outcome(), { kind: "killed", pid: 1 });
    page.nowMs = 1_000;
    await eventually("it is given up", () => system.kills.value[0]?.outcome.kind === "missing");
    assert.deepEqual(outcome(), { kind: "missing", pid: 1, afterMs: 1_000 });
  });

  it("says why somebody is not killed, remembers a few kills, and offers none where nobody can", async () => {
    using page = new Page(
      {
        look: () => Promise.resolve(one("live", 1)),
        kill: () => Promise.reject(new Error("no such process")),
      },
      { kills: 2 },
    );
    const { system } = page;
    assert.ok(system.canKill);
    for (const name of ["a", "b", "c"]) await system.kill(target, name);
    assert.deepEqual(
      system.kills.value.map(({ name }) => name),
      ["c", "b"],
    );
    const refused = { kind: "refused", message: "no such process" };
    assert.deepEqual(system.kills.value[0]?.outcome, refused);
    using other = new Page({ look: () => Promise.resolve(one("live", 1)) });
    await other.system.kill(target, "ws.0");
    assert.deepEqual([other.system.canKill, other.system.kills.value.length], [false, 0]);
  });
});

describe("the system of a page of the local cloud", () => {
  let cloud: TestCloud;
  before(async () => {
    cloud = await startCloud();
    await deploy(cloud, "w1");
    await deploy(cloud, "a1", { service: "add", manual: 2 });
    await rules(cloud, [{ path: "/api/add*", service: "add" }]);
  });
  after(() => cloud[Symbol.asyncDispose]());

  const source = (): SystemSource =>
    localSource({
      fetch: (path, init) => {
        assert.ok(typeof path === "string");
        return fetch(`http://localhost:${cloud.port}${path}`, init);
      },
      declared,
    });
  const look = (): Promise<Look> => source().look(new AbortController().signal);

  it("has what runs, and what is declared and is not there", async () => {
    const { services, rules: shown, nats, topics } = (await look()).picture;
    assert.deepEqual(
      services.map(({ service, versions }) => [service, versions.map(({ version }) => version)]),
      [
        ["default", ["w1"]],
        ["add", ["a1"]],
        ["m", []],
      ],
    );
    assert.deepEqual(shown, declared.rules);
    assert.deepEqual([nats, topics], [declared.nats, declared.topics]);
    const instances = services[1]?.versions[0]?.instances ?? [];
    assert.deepEqual(
      instances.map(({ id, state }) => [id, state]),
      [
        ["add.0", "live"],
        ["add.1", "live"],
      ],
    );
  });

  it("kills the process that is meant, and sees it come back", async () => {
    using page = new Page(source());
    const { system } = page;
    const instances = () =>
      system.picture.value?.services.find(({ service }) => service === "add")?.versions[0]
        ?.instances ?? [];
    system.watch();
    await eventually("it is seen", () => instances().length === 2);
    const [other, one] = instances();
    assert.ok(one?.kill !== undefined);
    await system.kill(one.kill, one.id);
    assert.deepEqual(system.kills.value[0]?.outcome, { kind: "killed", pid: one.pid });
    await eventually("it is back", () => system.kills.value[0]?.outcome.kind === "back");
    const [otherNow, oneNow] = instances();
    assert.deepEqual(otherNow, other);
    assert.deepEqual([oneNow?.state, oneNow?.starts], ["live", 2]);
    assert.notEqual(oneNow?.pid, one.pid);
  });

  it("says in the words of the local cloud why somebody is not killed", async () => {
    await assert.rejects(
      async () => source().kill?.({ service: "add", version: "a1", index: 7 }),
      new Error("The local cloud answers 404: there is no such process."),
    );
    const away = localSource({ fetch: () => Promise.reject(new TypeError()), declared });
    await assert.rejects(
      away.look(new AbortController().signal),
      new Error("The local cloud does not answer."),
    );
  });
});

describe("the system of a page in the cloud", () => {
  let server: NatsServer;
  const { log } = collectingLog();
  before(async () => {
    server = await NatsServer.start();
  });
  after(() => server[Symbol.asyncDispose]());

  const noReplicas: typeof fetch = () =>
    Promise.resolve(Response.json({ error: { message: "asleep" } }, { status: 503 }));
  const replicasOf = (...replicas: readonly object[]): typeof fetch => {
    return (path) => {
      assert.equal(path, "/m/replicas");
      return Promise.resolve(Response.json({ rev: 1, replicas }));
    };
  };
  const look = (options: Partial<Parameters<typeof cloudSource>[0]>): Promise<Look> =>
    cloudSource({
      ...{ declared, servicesMethod, version: "w1", fetch: noReplicas },
      call: () => Promise.resolve({ services: [] }),
      ...options,
    }).look(new AbortController().signal);
  /** Each service with its instances and their states. */
  const shown = ({ picture }: Look): unknown =>
    Object.fromEntries(
      picture.services.map(({ service, versions }) => [
        service,
        versions.map(({ version, instances }) => [
          version,
          ...instances.map(({ id, state }) => `${id} ${state}`),
        ]),
      ]),
    );

  it("is what each process says of itself over NATS", async () => {
    await using bus = await connected();
    await using ofM = await connected();
    const process = { log, serving: () => true };
    answerDiscovery({
      ...{ ...process, bus: bus.bus },
      settings: { service: "add", version: "a1", instance: "00c61b117c0000000000000012345678" },
    });
    answerDiscovery({
      ...{ ...process, bus: ofM.bus, serving: () => false, index: () => 2 },
      settings: { service: "m", version: "m1", instance: "i" },
    });
    await Promise.all([bus.bus.flush(), ofM.bus.flush()]);
    const services = new Services({
      ...{ bus: bus.bus, inboxPrefix },
      limits: { silenceMs: 20_000, totalMs: 20_000, maxAnswers: 2 },
    });
    const seen = await look({
      call: async (method) => {
        assert.equal(method, servicesMethod);
        return { at: new Date().toISOString(), services: await services.list() };
      },
    });
    assert.deepEqual(shown(seen), {
      default: [["w1"]],
      add: [["a1", "12345678 live"]],
      m: [["m1", "m.2 starting"]],
    });
    assert.deepEqual(seen.picture.nats, [{ name: "nats-0", state: "live" }]);
    assert.equal(seen.missing, undefined);
    assert.ok(seen.picture.services.every(({ unseen }) => unseen === false));
  });

  it("asks M for its replicas where no gateway says who is there", async () => {
    const seen = await look({
      servicesMethod: null,
      call: () => assert.fail("nobody offers that"),
      fetch: replicasOf(
        { replica: "r-a", version: "m1", index: 1, serving: true },
        { replica: "r-b", version: "m1", index: 0, serving: true },
        { replica: 7 },
      ),
    });
    assert.deepEqual(shown(seen), {
      default: [["w1"]],
      add: [],
      m: [["m1", "m.0 live", "m.1 live"]],
    });
    assert.deepEqual(seen.picture.nats, declared.nats, "nobody says that it lives");
    assert.deepEqual(
      seen.picture.services.map(({ unseen }) => unseen),
      [true, true, false],
      "nobody says that add does not",
    );
  });

  it("shows what is declared, and says what is not known, where nobody answers", async () => {
    const seen = await look({
      call: () => Promise.reject(new Error("the page is not connected")),
    });
    assert.deepEqual(shown(seen), { default: [["w1"]], add: [], m: [] });
    assert.equal(seen.missing, "The page is not connected. M answers 503: asleep.");
    const { rules: all, nats, topics } = seen.picture;
    assert.ok(seen.picture.services.every(({ unseen }) => unseen));
    assert.deepEqual([all, nats, topics], [declared.rules, declared.nats, declared.topics]);
  });

  it("shows a service that answers and is not declared", async () => {
    const process = { instance: "i", startedAt: "2026-11-27T01:02:03Z", serving: true };
    const seen = await look({
      call: () => Promise.resolve({ services: [{ ...process, service: "old", version: "o1" }] }),
    });
    assert.deepEqual((shown(seen) as { old: unknown }).old, [["o1", "i live"]]);
  });

  async function connected(): Promise<AsyncDisposable & { readonly bus: NatsBus }> {
    const bus = new NatsBus({ name: "test", servers: [server.url], log });
    await eventually("it is connected", () => bus.connected);
    return { bus, [Symbol.asyncDispose]: () => bus.close() };
  }
});

describe("what is seen and what is declared", () => {
  it("are one picture, in which old versions without traffic are counted only", () => {
    const instances = [{ id: "add.0", index: 0, state: "live" }] as const;
    const seen: Picture = {
      ...nothing,
      services: [
        {
          ...{ service: "add", kind: "standard", scaling: "automatic" },
          versions: [
            { version: "gone", share: 0, instances: [] },
            { version: "drains", share: 0, instances },
            { version: "serves", share: 1, instances: [] },
            { version: "unsaid", share: null, instances: [] },
          ],
        },
        { service: "extra", versions: [] },
      ],
      nats: [{ name: "nats-9", state: "live" }],
    };
    const { services, rules: all, nats } = complete(seen, declared);
    assert.deepEqual(
      services.map(({ service }) => service),
      ["default", "add", "m", "extra"],
    );
    const [, add] = services;
    assert.deepEqual(
      add?.versions.map(({ version }) => version),
      ["drains", "serves", "unsaid"],
    );
    assert.deepEqual([add.idleVersions, add.nats], [1, true]);
    assert.deepEqual(all, declared.rules);
    assert.deepEqual(
      nats.map(({ name, state }) => [name, state]),
      [
        ["nats-0", "declared"],
        ["nats-9", "live"],
      ],
    );
  });
});
