import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Browser, browserMissing } from "../support/browser.ts";
import { clientKinds } from "../support/client-kind.ts";
import { eventually } from "../support/eventually.ts";
import { NpmClient } from "../support/npm-client.ts";
import { RealtimeScript } from "../support/realtime-script.ts";
import { System } from "./system.ts";

describe("the npm client under npm start", () => {
  let system: System;

  before(async () => {
    // The service m has nothing to do with it.
    system = await System.start({ env: { CLOUDSDK_ROOT_DIR: "/nowhere" } });
    await system.ready();
  });
  after(() => system[Symbol.asyncDispose]());

  it("finds all as it should be in npm run realtime -- --demo", async () => {
    const url = `ws://localhost:${system.port}/connection/websocket`;
    await using script = new RealtimeScript(["--url", url, "--demo"]);
    assert.equal(await script.exitCode(), 0, script.output);
    assert.match(script.output, /^ok {4}server-side subscription: .*recovered$/m);
    assert.match(script.output, /^ok {4}rpc: the service add answers 3$/m);
  });

  it("comes through the front door by every transport, in every encoding", async () => {
    const channel = "chat:transports";
    for (const [index, kind] of Object.values(clientKinds).entries()) {
      using client = await NpmClient.connect(system.port, { kind });
      const subscription = await client.subscribe(channel);
      await client.publish(channel, kind.name);
      assert.deepEqual(await subscription.received(1), [kind.name]);
      const { publications } = await client.history(channel, { limit: 100 });
      assert.equal(publications.length, index + 1);
      assert.deepEqual(client.connection, ["connecting 0", "connected"]);
    }
  });

  describe("on the page", { skip: browserMissing() ?? false }, () => {
    const open = (): Promise<Browser> =>
      Browser.open(`http://localhost:${system.port}/realtime.html`);
    const subscribed = async (browser: Browser): Promise<void> => {
      await browser.click("#connect [type=submit]");
      await eventually("the page is subscribed", async () => {
        return (await browser.text("#subscription-state")) === "subscribed";
      });
    };
    const enter = (browser: Browser, id: string, text: string): Promise<void> =>
      browser.run(`document.querySelector("#${id}").value = ${JSON.stringify(text)}`);

    it("shows what is published as text, and recovers what was missed while the connection was cut", async () => {
      await using browser = await open();
      await enter(browser, "channel", "chat:page");
      await subscribed(browser);
      await enter(browser, "text", "<img src=x onerror=alert(1)>");
      await browser.click("#publish [type=submit]");
      await eventually("it arrives", async () => (await browser.text("#publications")) !== "");
      assert.equal(await browser.run("document.querySelectorAll('#publications img').length"), 0);
      await browser.click("#drop");
      await eventually("what was missed is recovered", async () => {
        return (await browser.text("#publications")).includes("3 of 3");
      });
      const lines = (await browser.text("#publications")).split("\n");
      assert.match(lines.shift() ?? "", /^1 {2}<img src=x onerror=alert\(1\)> – anonymous /);
      assert.equal(lines.length, 3);
      for (const [index, line] of lines.entries()) {
        const start = `${index + 2}  ${index + 1} of 3 while you were away – anonymous`;
        assert.ok(line.startsWith(start) && line.endsWith("recovered"), line);
      }
      await browser.click("#history");
      await eventually("the history is shown", async () => (await browser.text("#past")) !== "");
      assert.match(await browser.text("#position"), /^The newest offset is 4, in epoch \w+\.$/);
      assert.match(await browser.text("#past"), /^4 {2}3 of 3/);
      assert.deepEqual(browser.complaints, []);
    });

    it("shows who is there, who comes and who goes", async () => {
      await using first = await open();
      await subscribed(first);
      await eventually("it sees itself", async () => (await first.text("#count")) === "1");
      await using second = await open();
      await subscribed(second);
      for (const browser of [first, second]) {
        await eventually("both are seen", async () => (await browser.text("#count")) === "2");
      }
      await second.click("#disconnect");
      await eventually("one has gone", async () => (await first.text("#count")) === "1");
      assert.match(await first.text("#events"), / joined\n.* joined\n.* left$/);
      assert.match(await first.text("#present"), /this page$/);
    });

    it("shows errors with their codes", async () => {
      await using browser = await open();
      await enter(browser, "channel", "nowhere:a");
      await browser.click("#connect [type=submit]");
      await eventually("the refusal is shown", async () =>
        (await browser.text("#events")).includes("unsubscribed (102: unknown channel)"),
      );
      await enter(browser, "token", "no token");
      await browser.click("#connect [type=submit]");
      await eventually("the end is shown", async () =>
        (await browser.text("#events")).includes("disconnected (3500: invalid token)"),
      );
      assert.equal(await browser.text("#connection-state"), "disconnected");
    });

    it("fits a screen of 360 pixels, in light and dark", async () => {
      for (const dark of [false, true]) {
        await using browser = await Browser.open(`http://localhost:${system.port}/realtime.html`, {
          dark,
        });
        await subscribed(browser);
        assert.ok(await browser.run("document.documentElement.scrollWidth <= innerWidth"));
        const ground = await browser.run("getComputedStyle(document.body).backgroundColor");
        assert.equal(ground, dark ? "rgb(22, 25, 29)" : "rgb(255, 255, 255)");
      }
    });
  });
});
