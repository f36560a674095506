import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Registry } from "prom-client";
import { Metrics } from "../../../apps/ws/metrics.ts";
import { httpStreamProtobuf, websocketJson } from "../../../apps/ws/transport/wire.ts";

describe("what a gateway counts", () => {
  it("is the same in its totals and in Prometheus's text", async () => {
    const registry = new Registry();
    const metrics = new Metrics(registry, {});
    metrics.opened("raw");
    metrics.opened(websocketJson);
    metrics.opened(httpStreamProtobuf);
    metrics.closed(httpStreamProtobuf, 3001);
    metrics.refused("sse", 403);
    metrics.published();
    metrics.closedAsSlow("raw");
    for (const recovered of [true, false, true]) metrics.recovery(recovered);
    assert.deepEqual(metrics.totals, {
      opened: 3,
      published: 1,
      slowCloses: 1,
      recoveries: 3,
      failedRecoveries: 1,
    });
    const text = await registry.metrics();
    for (const line of [
      'gateway_connects_total{transport="raw"} 1',
      'gateway_connects_total{transport="websocket",encoding="json"} 1',
      'gateway_connects_total{transport="http_stream",encoding="protobuf"} 1',
      'gateway_disconnects_total{transport="http_stream",encoding="protobuf",code="3001"} 1',
      'gateway_refusals_total{transport="sse",status="403"} 1',
      "gateway_publications_total 1",
      'gateway_slow_closes_total{transport="raw"} 1',
      'gateway_recoveries_total{recovered="true"} 2',
      'gateway_recoveries_total{recovered="false"} 1',
    ]) {
      assert.ok(text.includes(`${line}\n`), line);
    }
  });
});
