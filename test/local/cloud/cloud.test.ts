import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe as suite, it } from "node:test";
import { createLogs } from "../../../local/cloud/logs.ts";
import { accepts } from "../../../local/cloud/ports.ts";
import { alive, gone } from "../../support/alive.ts";
import { eventually } from "../../support/eventually.ts";
import {
  archive,
  ask,
  deploy,
  describe,
  fileAsset,
  fixtureApp,
  moveTraffic,
  open,
  resource,
  rules,
  startCloud,
  versionResource,
} from "./support.ts";

suite("a version of a service", () => {
  it("whose clearing away fails does not end the cloud, which says so", async () => {
    const said: string[] = [];
    const logs = createLogs({
      color: false,
      write: (line) => {
        if (line.includes("stopped default v1")) throw new Error("the disk is full");
        said.push(line);
      },
    });
    await using test = await startCloud({ logs });
    await deploy(test, "v1");
    await deploy(test, "v2");
    await moveTraffic(test, "default", "v2");
    await eventually("it is said", () =>
      said.some((line) => line.includes("default v1 could not be cleared away: the disk is full")),
    );
    assert.equal((await describe(test.port, "/")).env["GAE_VERSION"], "v2");
  });

  it("runs from its archive with the platform's environment and nothing of the developer's", async () => {
    process.env["DEVELOPERS_SECRET"] = "x";
    try {
      await using test = await startCloud();
      await deploy(test, "v1", { env: { GREETING: "hello", GAE_SERVICE: "forged" } });
      const { env } = await describe(test.port, "/");
      assert.equal(env["GREETING"], "hello");
      assert.equal(env["GAE_SERVICE"], "default");
      assert.equal(env["GAE_VERSION"], "v1");
      assert.equal(env["GAE_ENV"], "standard");
      assert.equal(env["NODE_ENV"], "production");
      assert.equal(env["GOOGLE_CLOUD_PROJECT"], "local-project");
      assert.equal(env["GAE_MEMORY_MB"], "384");
      assert.match(env["GAE_INSTANCE"] ?? "", /^[0-9a-f]{64}$/);
      const allowed =
        /^(PATH|TMPDIR|TEMP|TMP|SystemRoot|NODE_ENV|PORT|HOST|GAE_\w+|GOOGLE_CLOUD_PROJECT|GCE_METADATA_HOST|SECRET_MANAGER_ENDPOINT|GOOGLE_JWKS_URL|LOCAL_CLOUD|GREETING|__CF_USER_TEXT_ENCODING)$/;
      assert.deepEqual(
        Object.keys(env).filter((name) => !allowed.test(name)),
        [],
      );
      assert.ok(env["TMPDIR"]?.startsWith(test.cloud.folder));
    } finally {
      delete process.env["DEVELOPERS_SECRET"];
    }
  });

  it("gets the addresses that the program declares as the ones that stand for them here", async () => {
    await using test = await startCloud();
    await test.cloud.create(
      resource("gcp:compute/address:Address", "nats", { address: "10.24.0.2" }),
    );
    await deploy(test, "v1", {
      env: { NATS_URL: "nats://10.24.0.2:4222,nats://10.24.0.22:4222", OTHER: "10.9.9.9:80" },
    });
    const { env } = await describe(test.port, "/");
    const here = await test.cloud.addresses.port("10.24.0.2", 4222);
    assert.equal(env["NATS_URL"], `nats://127.0.0.1:${here},nats://10.24.0.22:4222`);
    assert.equal(env["OTHER"], "10.9.9.9:80");
  });

  it("fails its creation with its last lines when it dies at start, and leaves no process", async () => {
    await using test = await startCloud();
    await assert.rejects(deploy(test, "v1", { env: { CRASH_AT_START: "1" } }), (error: Error) => {
      assert.match(error.message, /^default v1 ended with exit code 3 before it served/);
      assert.match(error.message, /about to fail/);
      assert.match(error.message, /no such thing as luck/);
      return true;
    });
    assert.equal((await ask(test.port, "/")).status, 502);
    assert.deepEqual(await readdir(join(test.cloud.folder, "versions")).then(onlyVersions), []);
  });

  it("fails its creation when a flexible one is not ready in time", async () => {
    await using test = await startCloud({ limits: { process: { startWithinMs: 1_000 } } });
    await assert.rejects(
      deploy(test, "v1", { flexible: true, env: { NOT_READY: "1" } }),
      /default v1 did not serve within 1 s; its last lines:\n {2}listening as v1/,
    );
  });

  it("is asked /_ah/start once per instance before any other request when scaled manually", async () => {
    await using test = await startCloud();
    await deploy(test, "v1", { manual: 3 });
    const pids = new Set<number>();
    for (let i = 0; i < 6; i++) {
      const answer = await describe(test.port, "/");
      assert.equal(answer.started, 1);
      pids.add(answer.pid);
    }
    assert.equal(pids.size, 3, "round-robin reaches every instance");
    const named = await describe(test.port, "/", {
      host: "2-dot-v1-dot-default-dot-appengine.localhost",
    });
    assert.equal(named.pid, test.cloud.services.version("default", "v1")?.instances[2]?.pid);
  });

  it("does not start when /_ah/start answers an error", async () => {
    await using test = await startCloud();
    await assert.rejects(
      deploy(test, "v1", { manual: 1, env: { START_STATUS: "500" } }),
      /answered 500 to \/_ah\/start/,
    );
  });

  it("cannot be a container", async () => {
    await using test = await startCloud();
    await assert.rejects(
      test.cloud.create(
        versionResource("v1", {
          flexible: true,
          inputs: { deployment: { container: { image: "host/image@sha256:1" } } },
        }),
      ),
      /host\/image@sha256:1; the local cloud runs archives, not containers/,
    );
  });

  it("does not need the uploaded object any more once it is deployed", async () => {
    await using test = await startCloud();
    await deploy(test, "v1");
    await test.cloud.delete(
      resource("gcp:storage/bucketObject:BucketObject", "app", {
        bucket: "bucket",
        name: "app/abc.zip",
      }),
    );
    const { pid } = await describe(test.port, "/");
    process.kill(pid, "SIGKILL");
    await eventually("it serves again", async () => (await describe(test.port, "/")).pid !== pid);
  });

  it("is refused when nothing was uploaded to its URL", async () => {
    await using test = await startCloud();
    await assert.rejects(
      test.cloud.create(versionResource("v1")),
      /no archive was uploaded to https:\/\/storage\.googleapis\.com\/bucket\/app\/abc\.zip/,
    );
  });
});

suite("an instance that dies", () => {
  it("is started again, while the others answer", async () => {
    await using test = await startCloud();
    await deploy(test, "v1", { manual: 2 });
    const [first, second] = test.cloud.services.version("default", "v1")?.instances ?? [];
    assert.ok(first?.pid !== undefined && second !== undefined);
    const killed = first.pid;
    process.kill(killed, "SIGKILL");
    await gone(killed);
    for (let i = 0; i < 10; i++) {
      const answer = await describe(test.port, "/");
      assert.notEqual(answer.pid, killed);
    }
    await eventually("the first instance lives again", () => first.live && first.pid !== killed);
    const pids = new Set<number>();
    for (let i = 0; i < 4; i++) pids.add((await describe(test.port, "/")).pid);
    assert.equal(pids.size, 2);
  });

  it("waits longer from one death to the next, and the front door says why nobody answers", async () => {
    await using test = await startCloud({
      limits: { process: { firstPauseMs: 300, longestPauseMs: 1_200 } },
    });
    await deploy(test, "v1");
    await ask(test.port, "/exit");
    const answer = await eventually("nobody answers", async () => {
      const one = await ask(test.port, "/");
      // Just before, the one that dies may still have taken a connection: another code, bad_gateway.
      return one.body.includes("no_instance") && one;
    });
    assert.equal(answer.status, 502);
    assert.equal(answer.headers["content-type"], "application/json");
    assert.deepEqual(JSON.parse(answer.body), {
      error: {
        code: "no_instance",
        message: "service default, version v1: no instance is alive; it restarts",
      },
    });
    await eventually("it serves again", async () => (await ask(test.port, "/")).status === 200);
    await ask(test.port, "/exit");
    await eventually("the second pause is twice the first", () =>
      test.lines.some((line) => line.includes("it starts again in 0.6 s")),
    );
    assert.ok(
      test.lines.some((line) => line.includes("ended with exit code 7; it starts again in 0.3 s")),
    );
  });
});

suite("traffic", () => {
  it("moves to another version; the old one is stopped after its requests, and comes back", async () => {
    await using test = await startCloud({ limits: { drainMs: 20_000 } });
    await deploy(test, "v1");
    await deploy(test, "v2");
    const old = await describe(test.port, "/");
    assert.equal(old.env["GAE_VERSION"], "v1", "a new version gets no traffic by itself");
    const { request: slow, answer } = open(test.port, "/echo");
    await eventually("the slow request is under way", () => {
      return test.cloud.services.version("default", "v1")?.active === 1;
    });
    await moveTraffic(test, "default", "v2");
    assert.equal((await describe(test.port, "/")).env["GAE_VERSION"], "v2");
    const [instance] = test.cloud.services.version("default", "v1")?.instances ?? [];
    assert.ok(instance?.live, "the old version finishes what it does before it is told to stop");
    slow.end("slept");
    assert.equal(await answer, "slept");
    await gone(old.pid);

    await moveTraffic(test, "default", "v1");
    const back = await describe(test.port, "/");
    assert.equal(back.env["GAE_VERSION"], "v1");
    assert.notEqual(back.pid, old.pid);
  });

  it("a version that never got any is stopped when its service gets another", async () => {
    await using test = await startCloud();
    await deploy(test, "v1");
    await deploy(test, "v2");
    await deploy(test, "v3");
    await eventually("v2 is stopped", () => {
      return test.cloud.services.version("default", "v2")?.instances.length === 0;
    });
    assert.equal((await describe(test.port, "/")).env["GAE_VERSION"], "v1");
    assert.equal(test.cloud.services.version("default", "v3")?.instances.length, 1);
    const temporary = join(test.cloud.folder, "versions", "tmp");
    assert.equal(
      (await readdir(temporary)).length,
      2,
      "the temporary folder of v2 is gone with it",
    );
  });

  it("leaves a version whose connections do not end only so much time", async () => {
    await using test = await startCloud({ limits: { drainMs: 200 } });
    await deploy(test, "v1", { flexible: true });
    const { pid } = await describe(test.port, "/");
    const socket = new WebSocket(`ws://127.0.0.1:${test.port}/ws/x`);
    const closed = new Promise<number>((resolve) => {
      socket.onclose = (event) => {
        resolve(event.code);
      };
    });
    await new Promise((resolve) => (socket.onopen = resolve));
    await deploy(test, "v2", { flexible: true });
    await moveTraffic(test, "default", "v2");
    assert.equal(await closed, 1001);
    await gone(pid);
  });

  it("stays where it is when the version that should get it does not start", async () => {
    await using test = await startCloud();
    await deploy(test, "v1");
    await assert.rejects(moveTraffic(test, "default", "v9"), /has no version v9/);
    assert.equal((await describe(test.port, "/")).env["GAE_VERSION"], "v1");
  });

  it("keeps a version from being deleted, but not a whole service", async () => {
    await using test = await startCloud();
    const version = await deploy(test, "v1");
    await assert.rejects(test.cloud.delete(version), /cannot be deleted: it has traffic/);
    const { pid } = await describe(test.port, "/");
    await test.cloud.delete(versionResource("v1", { inputs: { deleteServiceOnDestroy: true } }));
    await gone(pid);
    assert.equal((await ask(test.port, "/")).status, 502);
  });

  it("a version that is deleted behind its traffic is stopped once, and its files are gone", async () => {
    await using test = await startCloud({ limits: { drainMs: 0 } });
    const first = await deploy(test, "v1");
    const folder = test.cloud.services.version("default", "v1")?.folder ?? "";
    await deploy(test, "v2");
    await moveTraffic(test, "default", "v2");
    await test.cloud.delete(first);
    await eventually("the files are gone", () => !existsSync(folder));
    const said = test.lines.filter((line) => line.includes("stopped default v1"));
    assert.deepEqual(said, ["cloud    | stopped default v1"]);
  });

  it("a version that is told to stay on deletion stays", async () => {
    await using test = await startCloud();
    await deploy(test, "v1", { inputs: { noopOnDestroy: true } });
    await test.cloud.delete(versionResource("v1", { inputs: { noopOnDestroy: true } }));
    assert.equal((await ask(test.port, "/")).status, 200);
  });

  it("goes by the dispatch rules, which must name services that exist", async () => {
    await using test = await startCloud();
    await deploy(test, "v1");
    await assert.rejects(
      rules(test, [{ path: "/api/add*", service: "add" }]),
      /add, which does not/,
    );
    await deploy(test, "v1", { service: "add" });
    await rules(test, [{ path: "/api/add*", service: "add" }]);
    assert.equal((await describe(test.port, "/api/add/sum")).env["GAE_SERVICE"], "add");
    assert.equal((await describe(test.port, "/api")).env["GAE_SERVICE"], "default");
    const host = "add-dot-appengine.localhost";
    assert.equal((await describe(test.port, "/", { host })).env["GAE_SERVICE"], "add");
  });
});

suite("an archive", () => {
  it("cannot write outside its folder", async () => {
    await using test = await startCloud();
    for (const entry of ["../evil.js", "/tmp/evil.js", "a/../../evil.js", ""]) {
      await assert.rejects(
        test.cloud.create(
          resource("gcp:storage/bucketObject:BucketObject", "evil", {
            bucket: "bucket",
            name: "evil.zip",
            source: archive({ [entry]: fileAsset(await fixtureApp()) }),
          }),
        ),
        /leads out of it/,
        entry,
      );
    }
  });
});

suite("stopping", () => {
  it("ends every process, port and folder, also those of instances that ignore SIGTERM", async () => {
    const test = await startCloud();
    await deploy(test, "v1", { manual: 2, env: { IGNORE_SIGTERM: "1" } });
    await deploy(test, "v1", { service: "add" });
    const pids = ["default", "add"].flatMap(
      (service) =>
        test.cloud.services.version(service, "v1")?.instances.map(({ pid }) => pid ?? 0) ?? [],
    );
    assert.equal(pids.filter((pid) => alive(pid)).length, 3);
    const keeper = test.cloud.keeper.pid ?? 0;
    const begin = performance.now();
    await test.cloud.stop();
    assert.ok(performance.now() - begin < 5_000, "within 5 s");
    for (const pid of [...pids, keeper]) assert.ok(!alive(pid), `process ${pid}`);
    assert.ok(!existsSync(test.cloud.folder));
    assert.ok(!(await accepts(test.port)));
  });

  it("gives up a version that is still starting", async () => {
    const test = await startCloud();
    const starting = deploy(test, "v1", { flexible: true, env: { NOT_READY: "1" } });
    const failed = assert.rejects(starting, /stopped before it served|is stopping/);
    await eventually("the process runs", () =>
      test.lines.some((line) => line.includes("listening as v1")),
    );
    await test.cloud.stop();
    await failed;
    assert.ok(!existsSync(test.cloud.folder));
  });

  it("refuses a port that is in use, by its number, and leaves nothing", async () => {
    await using test = await startCloud();
    await assert.rejects(
      startCloud({ port: test.port }),
      new RegExp(`port ${test.port} is in use by another process`),
    );
  });
});

function onlyVersions(names: string[]): string[] {
  return names.filter((name) => name !== "tmp");
}
