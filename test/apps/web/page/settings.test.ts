import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readSettings } from "../../../../apps/web/page/settings.ts";

const answering =
  (body: string, status = 200): typeof fetch =>
  () =>
    Promise.resolve(new Response(body, { status }));

describe("the console's settings", () => {
  it("are what /console.json says, and cautious where it says nothing", async () => {
    const asked: unknown[] = [];
    const settings = await readSettings((url) => {
      asked.push(url);
      return Promise.resolve(Response.json({ project: "one", demoTokens: true, later: 1 }));
    });
    assert.deepEqual(asked, ["/console.json"]);
    assert.deepEqual([settings.project, settings.demoTokens], ["one", true]);
    assert.deepEqual(
      [settings.local, settings.anonymous, settings.pingMethod, settings.servicesMethod],
      [false, false, null, null],
    );
    assert.deepEqual(settings.declared, { services: [], rules: [], nats: [], topics: [] });
  });

  it("are refused in words for people where there are none", async () => {
    const refusals: [typeof fetch, RegExp][] = [
      [answering("{}", 503), /^Error: \/console\.json is answered with 503\.$/],
      [answering("<html>"), /something else than settings/],
      [answering("null"), /something else than settings/],
      [() => Promise.reject(new TypeError("fetch failed")), /cannot be reached/],
    ];
    for (const [get, message] of refusals) await assert.rejects(readSettings(get), message);
  });
});
