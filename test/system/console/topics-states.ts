import type { Visit } from "./stage.ts";
import type { ConsoleState } from "./state.ts";
import { feedOf, publish, subscribe } from "./topics-scenes.ts";

/** A feed with something in it; each state has its own, for several are looked at side by side. */
async function chat(visit: Visit, channel: string): Promise<void> {
  await visit.connected();
  await subscribe(visit, channel);
  for (const text of ["Good morning", "Is anybody there?"]) await publish(visit, channel, text);
  await visit.choose(`What is published on ${channel}`, "JSON");
  await publish(visit, channel, '{"temperature": 21.5, "unit": "°C"}');
  await feedOf(visit, channel).getByText("temperature").waitFor();
}

export function topicsStates(): readonly ConsoleState[] {
  return [
    {
      name: "topics-empty",
      hash: "#/topics",
      reach: async (visit) => {
        await visit.connected();
        await visit.button("Unsubscribe from add").click();
        await visit.sees("No topics yet.");
      },
    },
    {
      name: "topics",
      hash: "#/topics",
      reach: async (visit) => {
        await chat(visit, "chat:lobby");
        // Somebody else comes, and answers.
        const other = await visit.stage.visit();
        visit.others.push(other);
        await other.open("#/topics");
        await subscribe(other, "chat:lobby");
        await publish(other, "chat:lobby", "Yes, just now.");
        await feedOf(visit, "chat:lobby").getByText("Yes, just now.").first().waitFor();
        await visit.button("Load the history of chat:lobby").click();
        await visit.page.getByRole("list", { name: /^History of chat:lobby/ }).waitFor();
        // Back from a loss, with what was missed marked as such.
        await visit.go("Live");
        await visit.field("Published by another client meanwhile").selectOption("chat:lobby");
        await visit.button("Drop the connection").click();
        await visit.sees("3 messages recovered");
        await visit.go("Topics");
        await feedOf(visit, "chat:lobby").getByText("3 missed messages recovered").waitFor();
        await visit.connected();
      },
    },
    {
      name: "topics-paused",
      hash: "#/topics",
      reach: async (visit) => {
        await chat(visit, "chat:kitchen");
        await visit.button("Pause the feed of chat:kitchen").click();
        await publish(visit, "chat:kitchen", '"while it is paused"');
        await visit.sees("1 message since, shown when you resume.");
      },
    },
    {
      name: "topics-unfit",
      hash: "#/topics",
      reach: async (visit) => {
        await visit.connected();
        await visit.choose("What is published on add", "JSON");
        await visit.field("Message to add").fill('{"a": 1');
        await visit.button("Publish on add").click();
        await visit.page.locator("[aria-invalid=true]").waitFor();
      },
    },
    {
      name: "topics-refused",
      hash: "#/topics",
      reach: async (visit) => {
        await visit.connected();
        await visit.field("Channel").fill("nowhere:at-all");
        await visit.button("Subscribe").click();
        await visit.button("Subscribe again to nowhere:at-all").waitFor();
      },
    },
    {
      name: "topics-disconnected",
      hash: "#/topics",
      reach: async (visit) => {
        await chat(visit, "chat:garden");
        await visit.go("Live");
        await visit.button("Disconnect").click();
        await visit.go("Topics");
        await visit.sees("The page is not connected.");
      },
    },
  ];
}
