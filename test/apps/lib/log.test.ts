import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLog, readableLine } from "../../../apps/lib/log.ts";

function collect(readable: boolean) {
  const lines: string[] = [];
  const log = createLog(
    { service: "ws", version: "v1", instance: "0123456789abcdef0123" },
    { sink: { write: (line) => lines.push(line) }, readable },
  );
  return { log, lines };
}

describe("the log", () => {
  it("writes the fields that Cloud Logging reads", () => {
    const { log, lines } = collect(false);
    log.warn({ port: 1 }, "something");
    const record = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
    assert.equal(record["severity"], "WARNING");
    assert.equal(record["message"], "something");
    assert.equal(record["port"], 1);
    assert.deepEqual(record["serviceContext"], { service: "ws", version: "v1" });
    assert.equal(new Date(String(record["time"])).toISOString(), record["time"]);
    assert.ok(!("level" in record) && !("msg" in record));
    assert.match(lines[0] ?? "", /^[^\n]*\n$/);
  });

  it("has a severity for every level", () => {
    const { log, lines } = collect(false);
    log.info({}, "a");
    log.error({}, "b");
    log.fatal({}, "c");
    const severities = lines.map((line) => (JSON.parse(line) as { severity: unknown }).severity);
    assert.deepEqual(severities, ["INFO", "ERROR", "CRITICAL"]);
  });

  it("keeps an error's stack in one record", () => {
    const { log, lines } = collect(false);
    log.error({ err: new TypeError("broken") }, "failed");
    const { err } = JSON.parse(lines[0] ?? "") as { err: Record<string, string> };
    assert.equal(err["type"], "TypeError");
    assert.match(err["stack"] ?? "", /broken\n.*at /);
  });

  it("is readable on a terminal", () => {
    const { log, lines } = collect(true);
    log.info({ port: 8080, list: [1] }, "listening");
    assert.match(lines[0] ?? "", /^\d\d:\d\d:\d\d\.\d{3} INFO listening port=8080 list=\[1\]\n$/);
  });

  it("passes on lines that are not its own", () => {
    assert.equal(readableLine("plain\n"), "plain\n");
    assert.equal(readableLine("7\n"), "7\n");
  });
});
