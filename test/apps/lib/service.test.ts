import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exitMs } from "../../../apps/lib/service.ts";
import { eventually } from "../../support/eventually.ts";
import { ServiceProcess } from "../../support/process.ts";

const fixture = "test/apps/lib/fixtures/stuck-service.ts";

describe("a service", () => {
  it("leaves with 0 at its deadline, before App Engine's 2 s, whatever does not end", async () => {
    const deadlineMs: number = exitMs;
    assert.ok(deadlineMs < 2_000);
    await using service = new ServiceProcess(fixture, {});
    await service.port();
    const { code, ms } = await service.end("SIGTERM");
    assert.equal(code, 0);
    assert.ok(ms >= exitMs - 1, "it is given its time");
    await service.logged("stopped before everything had ended");
    assert.ok(!service.logs.some(({ message }) => message === "stopped"));
  });

  it("that cannot be built ends with 1 and says why", async () => {
    await using service = new ServiceProcess(fixture, { FAILS: "1" });
    const record = await service.logged("cannot start");
    assert.equal(record["severity"], "CRITICAL");
    assert.equal((record["err"] as { message: unknown }).message, "nothing to serve");
    await eventually("it ends", () => service.ended);
    assert.equal(service.child.exitCode, 1);
  });
});
