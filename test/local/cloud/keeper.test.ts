import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe as suite, it } from "node:test";
import { startKeeper } from "../../../local/cloud/keeper-client.ts";
import { alive, gone } from "../../support/alive.ts";
import { eventually } from "../../support/eventually.ts";

interface Seen {
  readonly keeper: number;
  readonly child: number;
  readonly grandchild: number;
  readonly folder: string;
}

async function start(): Promise<{ owner: ChildProcess; seen: Seen; next: () => Promise<Seen> }> {
  const file = join(import.meta.dirname, "fixtures", "keeper-owner.ts");
  const owner = spawn(process.execPath, [file], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: owner.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<Seen> => {
    const line = await lines.next();
    return JSON.parse(String(line.value)) as Seen;
  };
  return { owner, seen: await next(), next };
}

async function leavesNothing(seen: Seen): Promise<void> {
  for (const pid of [seen.child, seen.grandchild, seen.keeper]) await gone(pid);
  await eventually("the folder is gone", () => !existsSync(seen.folder));
}

/**
 * True when the keeper handles SIGHUP, the last one that it comes to; Node handles the others from
 * its start in a way of its own. Without /proc there is no way to see it.
 */
function catches(pid: number): boolean {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return true;
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(file, "utf8"))?.[1] ?? "0";
  return (BigInt(`0x${caught}`) & 1n) !== 0n;
}

suite("the keeper", () => {
  it("kills children with their children and removes folders when its owner is killed", async () => {
    const { owner, seen } = await start();
    assert.ok(alive(seen.child) && alive(seen.grandchild) && existsSync(seen.folder));
    owner.kill("SIGKILL");
    await leavesNothing(seen);
  });

  it("does so though it got every signal that a terminal sends", async () => {
    const { owner, seen } = await start();
    await eventually("the keeper has come to handling signals", () => catches(seen.keeper));
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.kill(seen.keeper, signal);
    owner.kill("SIGKILL");
    await leavesNothing(seen);
  });

  it("that is killed itself is replaced by one that knows the same", async () => {
    const { owner, seen, next } = await start();
    process.kill(seen.keeper, "SIGKILL");
    await gone(seen.keeper);
    const { keeper } = await eventually("there is another keeper", async () => {
      owner.stdin?.write("?");
      const now = await next();
      return now.keeper !== seen.keeper && now;
    });
    assert.ok(alive(seen.child));
    owner.kill("SIGKILL");
    await once(owner, "exit");
    await leavesNothing({ ...seen, keeper });
  });

  it("that cannot be started, or dies at once, is reported, tried again in time, and ends with the cloud", async () => {
    for (const [node, why] of [
      ["/nowhere/node", /could not be started: .*ENOENT/],
      ["/bin/false", /ended; another one starts in 0\.05 s/],
    ] as const) {
      const notes: string[] = [];
      const keeper = startKeeper({ node, pauseMs: 50, note: (line) => notes.push(line) });
      keeper.folderMade("/nowhere");
      const began = performance.now();
      await eventually("it is tried again", () => notes.length >= 4);
      assert.ok(performance.now() - began >= 140, "each time after the pause");
      for (const note of notes) assert.match(note, why);
      await keeper.close();
    }
  });
});
