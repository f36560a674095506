import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Locator } from "playwright-core";
import { eventually } from "../../support/eventually.ts";
import { scene, type Stage, type Visit } from "./stage.ts";

/** Subscribes by the form, and waits until the gateway has agreed. */
export async function subscribe(visit: Visit, channel: string): Promise<Locator> {
  await visit.field("Channel").fill(channel);
  await visit.button("Subscribe").click();
  const panel = visit.region(channel);
  await panel.getByText("Subscribed", { exact: true }).waitFor();
  return panel;
}

/** Publishes by the form. */
export async function publish(visit: Visit, channel: string, text: string): Promise<void> {
  await visit.field(`Message to ${channel}`).fill(text);
  await visit.button(`Publish on ${channel}`).click();
  await visit
    .region(channel)
    .getByText(/^Published at/)
    .waitFor();
}

export function feedOf(visit: Visit, channel: string): Locator {
  return visit.region(`Feed of ${channel}, newest first`);
}

/** The payloads of a feed, newest first. */
export async function payloads(visit: Visit, channel: string): Promise<string[]> {
  return feedOf(visit, channel).locator(".topics-row .topics-payload").allInnerTexts();
}

/** Channels, as a person follows and feeds them. */
export function topicsScenes(stage: () => Stage): void {
  describe("Topics", () => {
    scene(
      "shows the feed of each of several topics",
      stage,
      { hash: "#/topics" },
      async (visit) => {
        const channels = ["chat:one", "chat:two", "chat:three"];
        for (const channel of channels) await subscribe(visit, channel);
        for (const channel of channels) {
          await publish(visit, channel, `hello ${channel}`);
          await feedOf(visit, channel).getByText(`hello ${channel}`).waitFor();
        }
        await stage().post("/api/add/concat", { a: "from the ", b: "service" });
        await feedOf(visit, "add").getByText("from the service").waitFor();
        await visit.button("Unsubscribe from chat:two").click();
        await visit.region("chat:two").waitFor({ state: "detached" });
        // What another view was looked at for is not lost here.
        await visit.go("Live");
        await stage().post("/api/add/concat", { a: "mean", b: "while" });
        await visit.go("Topics");
        await feedOf(visit, "add").getByText("meanwhile").waitFor();
      },
    );

    scene("shows markup as the text that it is", stage, { hash: "#/topics" }, async (visit) => {
      await subscribe(visit, "chat:markup");
      const markup = `<img src="x" onerror="document.title='owned'"><script>document.title='owned'</script>`;
      await publish(visit, "chat:markup", markup);
      await feedOf(visit, "chat:markup").getByText(markup).waitFor();
      assert.equal(await feedOf(visit, "chat:markup").locator("img, script").count(), 0);
      assert.match(await visit.page.title(), /^Topics/);
    });

    scene(
      "keeps what comes while the feed is paused",
      stage,
      { hash: "#/topics" },
      async (visit) => {
        const panel = await subscribe(visit, "chat:paused");
        await publish(visit, "chat:paused", "before");
        await visit.button("Pause the feed of chat:paused").click();
        await publish(visit, "chat:paused", "first of two");
        await publish(visit, "chat:paused", "second of two");
        await panel.getByText("2 messages since, shown when you resume.").waitFor();
        assert.equal(await feedOf(visit, "chat:paused").getByText("of two").count(), 0);
        await visit.button("Resume the feed of chat:paused").click();
        await feedOf(visit, "chat:paused").getByText("second of two").waitFor();
        await feedOf(visit, "chat:paused").getByText("first of two").waitFor();
        await visit.button("Clear the feed of chat:paused").click();
        await panel.getByText("Nothing has come since.").waitFor();
      },
    );

    scene(
      "publishes JSON, and nothing that is none",
      stage,
      { hash: "#/topics" },
      async (visit) => {
        const panel = await subscribe(visit, "chat:json");
        await visit.choose("What is published on chat:json", "JSON");
        await visit.field("Message to chat:json").fill('{"a": 1');
        await visit.button("Publish on chat:json").click();
        await panel.locator("[aria-invalid=true]").waitFor();
        await visit.field("Message to chat:json").fill('{"a": [1, 2]}');
        // Without the pointer.
        await visit.field("Message to chat:json").press("Control+Enter");
        await feedOf(visit, "chat:json").getByText('{"a":[1,2]}').waitFor();
        assert.equal(await panel.locator("[aria-invalid=true]").count(), 0);
      },
    );

    scene("tells who is there, comes and goes", stage, { hash: "#/topics" }, async (visit) => {
      await subscribe(visit, "chat:people");
      const there = visit.page.getByRole("list", { name: "Clients on chat:people", exact: true });
      await there.getByText("this page").waitFor();
      const moves = visit.page.getByRole("list", { name: /^Joins and leaves on chat:people/ });
      {
        await using other = await stage().visit();
        await other.open("#/topics");
        await subscribe(other, "chat:people");
        await moves.getByText("joined").first().waitFor();
        await eventually(
          "two are there",
          async () => (await there.getByRole("listitem").count()) === 2,
        );
        other.noComplaints();
      }
      await moves.getByText("left").waitFor();
      await eventually(
        "one is there",
        async () => (await there.getByRole("listitem").count()) === 1,
      );
    });

    scene(
      "asks for history when told to, newest first",
      stage,
      { hash: "#/topics" },
      async (visit) => {
        await subscribe(visit, "chat:past");
        for (const text of ["first", "second", "third"]) await publish(visit, "chat:past", text);
        await visit.button("Load the history of chat:past").click();
        const list = visit.page.getByRole("list", { name: "History of chat:past, newest first" });
        await list.getByText("third").waitFor();
        const texts = await list.getByRole("listitem").allInnerTexts();
        assert.deepEqual(
          texts.slice(0, 3).map((text) => /first|second|third/.exec(text)?.[0]),
          ["third", "second", "first"],
        );
      },
    );

    scene("counts, and says the rate in words too", stage, { hash: "#/topics" }, async (visit) => {
      const panel = await subscribe(visit, "chat:rate");
      for (let n = 1; n <= 3; n += 1) await publish(visit, "chat:rate", `number ${n}`);
      await eventually(
        "three are counted",
        async () => (await visit.figure("chat:rate", "Received")) === "3",
      );
      await panel.getByText(/messages? in the last second; at most [1-3],/).waitFor();
    });

    scene("says why a channel is refused", stage, { hash: "#/topics" }, async (visit) => {
      await visit.field("Channel").fill("nowhere:at-all");
      await visit.button("Subscribe").click();
      await visit.region("nowhere:at-all").getByRole("alert").waitFor();
      await visit.button("Subscribe again to nowhere:at-all").waitFor();
    });
  });
}
