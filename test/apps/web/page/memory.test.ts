import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { effect, signal } from "@preact/signals";
import { createWebApp } from "../../../../apps/web/app.ts";
import { Memory } from "../../../../apps/web/page/memory/memory.ts";
import type { Update, UpdatesLimits } from "../../../../apps/web/page/memory/updates.ts";
import { halted } from "../../../support/alive.ts";
import { collectingLog } from "../../../support/collecting-log.ts";
import { type Emulator, emulatorsMissing, startEmulator } from "../../../support/emulators.ts";
import { eventually } from "../../../support/eventually.ts";
import { MCluster } from "../../../support/m-cluster.ts";
import { NatsServer } from "../../../support/nats.ts";

/** What the page sent. */
interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
}

/** What becomes of a request; by default it is sent, and its answer is given back. */
type Way = (sent: Sent, send: () => Promise<Response>) => Promise<Response>;

/** M of a page, ended by `using`. */
class Page implements Disposable {
  readonly memory: Memory;
  readonly visible = signal(true);
  readonly sent: Sent[] = [];
  way: Way = (_sent, send) => send();
  readonly stopWatching: () => void;

  /** @param base where a request goes to */
  constructor(base: () => string, updates: Partial<UpdatesLimits> = {}) {
    this.memory = new Memory({
      fetch: (input, init) => {
        assert(typeof input === "string");
        const sent = {
          method: init?.method ?? "GET",
          path: input,
          headers: new Headers(init?.headers),
        };
        this.sent.push(sent);
        return this.way(sent, () => fetch(base() + input, init));
      },
      now: () => performance.now(),
      visible: this.visible,
      limits: { slowMs: 50, fastMs: 20, retryMs: 20, retryMaxMs: 100 },
      updates: { retryMs: 10, followMs: 20, ...updates },
    });
    this.stopWatching = this.memory.watch();
  }

  async ready(): Promise<this> {
    await eventually("M is read", () => this.memory.content.value !== undefined);
    return this;
  }

  value(key: string): unknown {
    const text = this.memory.content.value?.entries.get(key);
    return text === undefined ? undefined : JSON.parse(text);
  }

  get rev(): number {
    return this.memory.content.value?.rev ?? -1;
  }

  update(id: number): Update {
    return this.memory.updates.list.value.find((each) => each.id === id) ?? assert.fail();
  }

  /** The state of an update once it is of a kind. */
  async when<K extends Update["state"]["kind"]>(
    id: number,
    kind: K,
  ): Promise<Extract<Update["state"], { kind: K }>> {
    await eventually(`the update is ${kind}`, () => this.update(id).state.kind === kind);
    return this.update(id).state as Extract<Update["state"], { kind: K }>;
  }

  posts(): readonly Sent[] {
    return this.sent.filter(({ method }) => method === "POST");
  }

  [Symbol.dispose](): void {
    this.stopWatching();
    this.memory.end();
  }
}

describe("M in the console", { skip: emulatorsMissing() }, () => {
  let datastore: Emulator;
  let nats: NatsServer;
  let cluster: MCluster;
  /** The replica that pages ask. */
  let asked = 0;
  const base = (): string => cluster.at(asked).url;

  before(async () => {
    [datastore, nats] = await Promise.all([startEmulator("datastore"), NatsServer.start()]);
    cluster = await MCluster.start({
      ...{ replicas: 2, datastore: datastore.host, nats: nats.url, leaseMs: 4_000 },
    });
  });
  after(async () => {
    await cluster[Symbol.asyncDispose]();
    await Promise.all([datastore, nats].map((each) => each[Symbol.asyncDispose]()));
  });
  beforeEach(async () => {
    asked = 0;
    // Whoever was ended by the test before.
    if (cluster.replicas[1] === undefined) await cluster.run(1);
  });

  const page = (updates?: Partial<UpdatesLimits>): Promise<Page> => new Page(base, updates).ready();
  /** Somebody else's change. */
  const post = async (patch: object): Promise<number> => {
    const { status, body } = await cluster.at(0).post(patch);
    assert.equal(status, 200);
    return (body as { rev: number }).rev;
  };

  it("shows every replica with its revision and its lease", async () => {
    const rev = await post({ shown: 1 });
    using there = await page();
    const replicas = await eventually("both are up to date", () => {
      const all = there.memory.replicas.value;
      return all.length === 2 && all.every(({ condition }) => condition === "current") && all;
    });
    const ids = await Promise.all([0, 1].map((index) => cluster.at(index).replica()));
    assert.deepEqual(new Set(replicas.map(({ id }) => id)), new Set(ids));
    for (const replica of replicas) {
      assert.equal(replica.rev, rev);
      assert.equal(replica.leaseMs, 4_000);
      assert.equal(replica.version, "v1");
      assert(replica.ageMs < 2_000);
    }
    assert.equal(there.memory.state.value, "ready");
  });

  it("sees what others change, by itself", async () => {
    using there = await page();
    await post({ others: { deep: [1, "<b>"] } });
    await eventually("it is seen", () => there.value("others") !== undefined);
    assert.deepEqual(there.value("others"), { deep: [1, "<b>"] });
    await post({ others: null });
    await eventually("it is seen to go", () => there.value("others") === undefined);
  });

  it("sorts the keys as the service does, numbers too", async () => {
    await post({ "10": 1, "9": 1, b: 1, a: 1 });
    using there = await page();
    const keys = [...(there.memory.content.value?.entries.keys() ?? [])];
    assert.deepEqual(keys, [...keys].sort());
    assert(keys.includes("10"));
  });

  it("sets a key, and shows it at once with the times of commit and confirmation", async () => {
    using there = await page();
    const before = there.rev;
    const id = there.memory.updates.set("colour", '{ "is": "green" }', undefined);
    const state = await there.when(id, "confirmed");
    assert.equal(state.rev, before + 1);
    assert.equal(state.confirmed, 2);
    assert(state.commitMs > 0 && state.confirmMs > 0);
    // Not read again: it follows from the revision before.
    assert.equal(there.rev, state.rev);
    assert.deepEqual(there.value("colour"), { is: "green" });
    assert.equal(there.memory.content.value?.entries.get("colour"), '{"is":"green"}');
    assert.deepEqual(there.memory.updates.times.value, [
      [state.rev],
      [state.commitMs],
      [state.confirmMs],
    ]);
    for (const replica of there.memory.replicas.value) assert.equal(replica.rev, state.rev);
    const [sent] = there.posts();
    assert.equal(sent?.headers.get("if-match"), `"${before}"`);
  });

  it("deletes a key", async () => {
    await post({ goes: 1 });
    using there = await page();
    await there.when(there.memory.updates.remove("goes", "1"), "confirmed");
    assert.equal(there.value("goes"), undefined);
    assert.equal((await cluster.at(0).get("/m/goes")).status, 404);
  });

  it("is not held up by changes of other keys", async () => {
    using there = await page();
    // One that comes between each look and the change itself, three times.
    let others = 0;
    there.way = async ({ method }, send) => {
      if (method === "POST" && others < 3) await post({ [`other${++others}`]: 1 });
      return send();
    };
    const id = there.memory.updates.set("mine", "1", undefined);
    await there.when(id, "confirmed");
    assert.equal(there.posts().length, 4);
    const { body } = await cluster.at(0).get("/m");
    const { mine, other1, other3 } = body as Record<string, unknown>;
    assert.deepEqual({ mine, other1, other3 }, { mine: 1, other1: 1, other3: 1 });
  });

  it("gives up, with nothing committed, when others change M all the time", async () => {
    using there = await page({ rounds: 3 });
    let others = 0;
    there.way = async ({ method }, send) => {
      if (method === "POST") await post({ busy: ++others });
      return send();
    };
    const state = await there.when(there.memory.updates.set("late", "1", undefined), "failed");
    assert.equal(state.uncertain, false);
    assert.equal(others, 3);
    assert.equal((await cluster.at(0).get("/m/late")).status, 404);
  });

  it("overwrites nobody's change, and shows it instead", async () => {
    await post({ shared: "old" });
    using there = await page();
    there.way = async ({ method }, send) => {
      if (method === "POST" && there.posts().length === 1) await post({ shared: "theirs" });
      return send();
    };
    const id = there.memory.updates.set("shared", '"mine"', '"old"');
    const conflict = await there.when(id, "conflict");
    assert.equal(conflict.theirs, '"theirs"');
    assert.equal((await cluster.at(0).get("/m/shared")).body, "theirs");
    // Now the person has seen it.
    there.memory.updates.overwrite(id);
    await there.when(id, "confirmed");
    assert.equal((await cluster.at(0).get("/m/shared")).body, "mine");
  });

  it("overwrites no change that was seen before it was sent", async () => {
    await post({ seen: "theirs" });
    using there = await page();
    const id = there.memory.updates.set("seen", '"mine"', '"what was here before"');
    await there.when(id, "conflict");
    assert.equal(there.posts().length, 0);
  });

  it("changes once when the answer is lost", async () => {
    using there = await page();
    const before = there.rev;
    there.way = async ({ method }, send) => {
      const response = await send();
      if (method === "POST" && there.posts().length < 3) {
        await response.body?.cancel();
        throw new TypeError("the network is gone");
      }
      return response;
    };
    const id = there.memory.updates.set("once", "1", undefined);
    const { rev } = await there.when(id, "confirmed");
    assert.equal(there.posts().length, 3);
    assert.equal(
      new Set(there.posts().map(({ headers }) => headers.get("idempotency-key"))).size,
      1,
    );
    assert.equal(rev, before + 1);
    assert.equal((await cluster.at(0).get()).headers.get("etag"), `"${rev}"`);
  });

  it("says when it does not know, and finds out when it is asked to try again", async () => {
    using there = await page({ attempts: 2 });
    const before = there.rev;
    let lost = true;
    there.way = async ({ method }, send) => {
      const response = await send();
      if (method !== "POST" || !lost) return response;
      await response.body?.cancel();
      throw new TypeError("the network is gone");
    };
    const id = there.memory.updates.set("unsure", '"mine"', undefined);
    const failed = await there.when(id, "failed");
    assert(failed.uncertain);
    // It is seen meanwhile that it was committed: that is no conflict with somebody else.
    await eventually("it is seen", () => there.value("unsure") === "mine");
    lost = false;
    there.memory.updates.again(id);
    assert.equal((await there.when(id, "confirmed")).rev, before + 1);
  });

  it("tells a conflict when what it did not know of was not committed", async () => {
    using there = await page({ attempts: 1 });
    let lost = true;
    there.way = async ({ method }, send) => {
      if (method !== "POST" || !lost) return send();
      lost = false;
      throw new TypeError("the network is gone");
    };
    const id = there.memory.updates.set("doubt", '"mine"', undefined);
    assert((await there.when(id, "failed")).uncertain);
    await post({ doubt: "theirs" });
    there.memory.updates.again(id);
    assert.equal((await there.when(id, "conflict")).theirs, '"theirs"');
  });

  it("says what the service refuses, and that nothing was committed", async () => {
    using there = await page();
    const deep = "[".repeat(102) + "]".repeat(102);
    const state = await there.when(there.memory.updates.set("deep", deep, undefined), "failed");
    assert.match(state.message, /deeper than 100 levels/);
    assert.equal(state.uncertain, false);
    assert.equal(there.posts().length, 1);
  });

  it("follows a change that is committed until it is everywhere, and shows whom it waits for", async () => {
    using there = await page();
    const silent = await cluster.at(1).replica();
    cluster.at(1).process.signal("SIGSTOP");
    await halted(cluster.at(1).process.pid);
    const id = there.memory.updates.set(
      "waits",
      "1",
      there.memory.content.value?.entries.get("waits"),
    );
    const committed = await there.when(id, "committed");
    assert.deepEqual(committed.missing, [silent]);
    assert.deepEqual(there.memory.updates.times.value[2], [null]);
    const conditions: string[] = [];
    const stop = effect(() => {
      const it = there.memory.replicas.value.find((each) => each.id === silent);
      if (it !== undefined && conditions.at(-1) !== it.condition) conditions.push(it.condition);
    });
    // Its lease has to run out: then nobody waits for it any more.
    const confirmed = await there.when(id, "confirmed");
    assert.equal(confirmed.rev, committed.rev);
    assert.equal(confirmed.confirmed, 1);
    assert(confirmed.confirmMs > 1_000);
    await eventually("it is gone", () => conditions.at(-1) === "gone");
    stop();
    assert(conditions.includes("silent"), conditions.join());
    await cluster.end(1, "SIGKILL");
  });

  it("writes one a second until it is stopped, and never two at a time", async () => {
    using there = await page({ beatMs: 20 });
    const { updates } = there.memory;
    updates.beat(true);
    await eventually("some are confirmed", () => updates.times.value[0].length >= 5);
    // While an answer is awaited nothing more is sent.
    let open = 0;
    there.way = async ({ method }, send) => {
      if (method !== "POST") return send();
      assert.equal(++open, 1);
      try {
        await eventually("beats are left out", () => updates.skipped.value > 3);
        return await send();
      } finally {
        open -= 1;
      }
    };
    await eventually("beats are left out", () => updates.skipped.value > 3);
    updates.beat(false);
    await eventually("all is settled", () => !updates.unsettled.value);
    const count = there.posts().length;
    assert.equal(updates.beating.value, false);
    using later = await page();
    await eventually("time has passed", () => later.sent.length > 20);
    assert.equal(there.posts().length, count);
  });

  it("stops to write by itself", async () => {
    using there = await page({ beatMs: 1, beats: 5 });
    there.memory.updates.beat(true);
    await eventually("it has stopped", () => !there.memory.updates.beating.value);
    const { list, skipped } = there.memory.updates;
    assert.equal(list.value.length + skipped.value, 5);
  });

  it("keeps the last updates only", async () => {
    using there = await page({ kept: 3 });
    for (let n = 0; n < 5; n++) {
      const base = there.memory.content.value?.entries.get("kept");
      await there.when(there.memory.updates.set("kept", String(n), base), "confirmed");
    }
    assert.deepEqual(
      there.memory.updates.list.value.map(({ value }) => value),
      ["4", "3", "2"],
    );
  });

  it("asks for nothing while nobody looks", async () => {
    using there = await page();
    there.visible.value = false;
    const quiet = there.sent.length;
    using other = await page();
    const passes = async (): Promise<void> => {
      const from = other.sent.length;
      await eventually("time has passed", () => other.sent.length > from + 20);
    };
    await passes();
    assert.equal(there.sent.length, quiet);
    there.visible.value = true;
    await eventually("it asks again", () => there.sent.length > quiet);
    there.stopWatching();
    const left = there.sent.length;
    await passes();
    assert.equal(there.sent.length, left);
  });

  it("does not go back where one replica is behind the other", async () => {
    using there = await page();
    const old = await (await fetch(`${base()}/m`)).text();
    const oldRev = there.rev;
    const rev = await post({ forward: 1 });
    await eventually("it is seen", () => there.rev === rev);
    let given = 0;
    there.way = ({ path }, send) => {
      if (path !== "/m") return send();
      given += 1;
      return Promise.resolve(new Response(old, { headers: { etag: `"${oldRev}"` } }));
    };
    const next = await post({ forward: 2 });
    await eventually("an older one was read", () => given > 2);
    assert.equal(there.rev, rev);
    there.way = (_sent, send) => send();
    await eventually("the newest is seen", () => there.rev === next);
  });

  it("begins anew with another Datastore", async () => {
    await post({ before: 1 });
    using there = await page();
    await using other = await MCluster.start({
      ...{ replicas: 1, datastore: datastore.host, nats: "nats://127.0.0.1:9" },
    });
    there.way = ({ path }, _send) => fetch(other.at(0).url + path);
    await eventually("it is seen", () => there.rev === 0);
    assert.equal(there.memory.content.value?.entries.size, 0);
    assert.equal(there.memory.head.value, 0);
    assert.equal(there.memory.replicas.value.length, 1);
  });

  it("says that nothing answers, keeps what it saw, and comes back by itself", async () => {
    await post({ kept: 1 });
    using there = await page();
    there.way = () => Promise.reject(new TypeError("the network is gone"));
    await eventually("it says so", () => there.memory.state.value === "unreachable");
    assert.notEqual(there.memory.problem.value, undefined);
    assert.equal(there.value("kept"), 1);
    there.way = (_sent, send) => send();
    await eventually("it is back", () => there.memory.state.value === "ready");
    assert.equal(there.memory.problem.value, undefined);
  });

  it("keeps the replicas' ages while it cannot ask: its own blindness says nothing of them", async () => {
    using there = await page();
    await eventually("both are there", () => there.memory.replicas.value.length === 2);
    there.way = () => Promise.reject(new TypeError("the network is gone"));
    const from = there.sent.length;
    await eventually("it has asked in vain", () => there.sent.length > from + 10);
    for (const { condition } of there.memory.replicas.value) assert.notEqual(condition, "ended");
  });
});

describe("M in the console, where there is none", () => {
  it("says so", async () => {
    const web = createWebApp({
      site: [],
      log: collectingLog().log,
      signal: new AbortController().signal,
    });
    const server = createServer(web).listen(0, "127.0.0.1");
    after(() => server.close());
    await eventually("it listens", () => server.listening);
    const { port } = server.address() as AddressInfo;
    using there = new Page(() => `http://127.0.0.1:${port}`);
    await eventually("it says so", () => there.memory.state.value === "absent");
    server.closeAllConnections();
  });

  it("says that nothing answers", async () => {
    using there = new Page(() => "http://127.0.0.1:9");
    await eventually("it says so", () => there.memory.state.value === "unreachable");
    assert.equal(there.memory.content.value, undefined);
  });

  it("passes on why it cannot be asked", async () => {
    using there = new Page(() => "http://127.0.0.1:9");
    const error = { error: { code: "unavailable", message: "Datastore does not answer" } };
    there.way = () => Promise.resolve(Response.json(error, { status: 503 }));
    await eventually("it says so", () => there.memory.state.value === "refused");
    assert.equal(there.memory.problem.value, "Datastore does not answer");
    // A page of whatever stands before the service.
    there.way = () => Promise.resolve(new Response("<html>", { status: 502 }));
    await eventually("it says so", () => there.memory.problem.value?.includes("502") === true);
  });
});
