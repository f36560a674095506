import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { describe as suite, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { WebSocket } from "ws";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";
import { editFile, System } from "./system.ts";

async function sum(system: System, a: number, b: number): Promise<unknown> {
  const response = await fetch(`${system.url}/api/add/sum`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ a, b }),
  });
  return response.json();
}

suite("npm start", () => {
  // What a change does while it runs is in test/system/upgrade.
  it("runs the system, and ends with Ctrl-C", async () => {
    await using system = await System.start();
    await system.ready();
    for (const word of ["starting nats-server nats-0", "starting default v", "starting add v"]) {
      assert.ok(system.output.includes(word), word);
    }
    for (const path of ["/", "/api/add*", "/ws*"]) {
      assert.ok(system.output.includes(`http://localhost:${system.port}${path} `), path);
    }

    const socket = new WebSocket(`ws://127.0.0.1:${system.port}/ws/add`);
    await once(socket, "open");
    const message = once(socket, "message") as Promise<[Buffer]>;
    assert.deepEqual(await sum(system, 40, 2), { res: 42 });
    assert.equal((await message)[0].toString(), "42");
    socket.terminate();

    const processes = system.processes();
    assert.ok(processes.size >= 7, "npm's shell, main, provider, keeper, NATS and three services");
    system.signalGroup("SIGINT");
    // npm itself passes the signal on and then dies of it.
    await system.exitCode();
    assert.match(system.output, /^stopping …$/m);
    await system.leavesNothing(processes);
    // Everything stopped by itself in the time that it was given; bench/cycle.ts has the seconds.
    for (const service of ["default", "add", "ws"]) {
      assert.match(system.output, new RegExp(`^${service} +\\| INFO stopped`, "m"), service);
    }
  });

  it("without Google's emulators runs all but m, deploys what changed while it started, and ends with npm", async () => {
    await using system = await System.start({ env: { CLOUDSDK_ROOT_DIR: "/nowhere" } });
    // Its archive is made by then, so that only another deployment can bring the change.
    await system.prints("starting add v");
    editFile(system.folder, ["apps/add/operands.ts", "a + b", "a + b + 1000"]);
    await system.ready();
    assert.match(
      system.output,
      /^the service m is left out: CLOUDSDK_ROOT_DIR is \/nowhere, where no Google Cloud SDK is$/m,
    );
    assert.ok(!system.output.includes("starting m v"));
    await system.prints(/^apps\/add\/operands\.ts changed: add v\w+ → v\w+ /m);
    assert.deepEqual(await sum(system, 1, 1), { res: 1002 });

    const processes = system.processes();
    system.npm.kill("SIGTERM");
    await system.exitCode();
    await system.leavesNothing(processes);
  });

  it("deploys once with --no-watch, and leaves nothing when its main process is killed", async () => {
    // Without m, whose emulators end with the provider: below, where that is what is killed.
    await using system = await System.start({
      args: ["--no-watch"],
      env: { CLOUDSDK_ROOT_DIR: "/nowhere" },
    });
    await system.ready();
    editFile(system.folder, ["apps/add/operands.ts", "a + b", "a + b + 1000"]);
    // Long enough for a change to be told, were it looked for.
    await wait(1_000);
    assert.ok(!system.output.includes("changed"), system.output);
    assert.deepEqual(await sum(system, 1, 1), { res: 2 });
    const processes = system.processes();
    process.kill(system.pid(/^node local\/main\.ts/), "SIGKILL");
    await system.leavesNothing(processes);
  });

  it("leaves nothing when the provider with the local cloud is killed, and says so", async () => {
    await using system = await System.start();
    await system.ready();
    const processes = system.processes();
    process.kill(system.pid(/local\/local-provider\.ts/), "SIGKILL");
    assert.equal(await system.exitCode(), 1);
    assert.match(system.output, /the local cloud ended unexpectedly/);
    await system.leavesNothing(processes);
  });

  it("leaves nothing when it is stopped while it starts", async () => {
    await using system = await System.start();
    await system.prints("starting nats-server");
    const processes = system.processes();
    system.signalGroup("SIGTERM");
    await system.exitCode();
    await system.leavesNothing(processes);
  });

  it("leaves nothing when a service fails to start, and shows its last lines", async () => {
    await using system = await System.start({
      env: { CLOUDSDK_ROOT_DIR: "/nowhere" },
      change: (folder) => {
        editFile(folder, ["apps/ws/main.ts", /$/, '\nthrow new Error("the moon is full");\n']);
      },
    });
    await system.prints("starting nats-server");
    const processes = system.processes();
    assert.equal(await system.exitCode(), 1);
    assert.match(system.output, /the start failed; what had been started is stopped/);
    assert.match(system.output, /ws v[0-9a-f]+ ended with exit code 1 before it served/);
    assert.match(system.output, /the moon is full/);
    await system.leavesNothing(processes);
  });

  it("says so before it starts anything when the port is in use", async () => {
    const port = await freePort();
    const other = createServer().listen(port, "127.0.0.1");
    await once(other, "listening");
    try {
      await using system = await System.start({ port });
      assert.equal(await system.exitCode(), 1);
      assert.match(system.output, new RegExp(`port ${port} is in use by another process`));
      assert.ok(!system.output.includes("starting"), system.output);
    } finally {
      other.close();
    }
  });

  it("answers options that it does not know with its usage", async () => {
    const wrong = [
      ["--prot", "1"],
      ["--port", "eighty"],
      ["--port", "70000"],
      ["again"],
      ["--no-port"],
    ];
    await Promise.all(
      wrong.map(async (args) => {
        await using system = await System.start({ args });
        assert.equal(await system.exitCode(), 2, system.output);
        // The last lines may come behind the end.
        await eventually("the usage is printed", () =>
          /^usage: npm start .*--watch/m.test(system.output),
        );
      }),
    );
  });
});
