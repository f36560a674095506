import assert from "node:assert/strict";
import { describe } from "node:test";
import { eventually } from "../../support/eventually.ts";
import { scene, type Stage } from "./stage.ts";

/** The connection, as a person meets it. */
export function liveScenes(stage: () => Stage): void {
  describe("Live", () => {
    scene(
      "connects with a token of the environment's own, and tells state, transport and round trip",
      stage,
      { hash: "#/live" },
      async (visit) => {
        await visit.connected();
        assert.equal(await visit.figure("Connection", "State"), "Connected");
        assert.equal(await visit.figure("Connection", "Transport"), "Websocket");
        assert.match(await visit.figure("Connection", "User"), /^visitor-[0-9a-f]{8}$/);
        await eventually("a round trip is measured", async () =>
          /^[\d.]+ m?s$/.test(await visit.figure("Connection", "Round trip")),
        );
      },
    );

    scene(
      "counts the messages that a recovery brought after the connection was cut",
      stage,
      { hash: "#/live" },
      async (visit) => {
        await visit.connected();
        await visit.region("What happened").getByText("Subscribed to add").first().waitFor();
        await visit.button("Drop the connection").click();
        const log = visit.region("What happened");
        await log.getByText("The connection was lost").waitFor();
        await log
          .getByRole("listitem")
          .filter({ hasText: "Subscribed to add again: 3 messages recovered." })
          .waitFor();
        assert.equal(await visit.figure("Recovery", "Connections lost"), "1");
        assert.equal(await visit.figure("Recovery", "Recoveries"), "1");
        assert.equal(await visit.figure("Recovery", "Messages recovered"), "3");
        assert.equal(await visit.figure("Recovery", "Gaps"), "0");
      },
    );

    scene(
      "goes on by each transport that is chosen, and loses nothing between them",
      stage,
      { hash: "#/live" },
      async (visit) => {
        await visit.connected();
        for (const [choice, name] of [
          ["HTTP stream", "HTTP stream"],
          ["SSE", "SSE"],
          ["Websocket", "Websocket"],
          ["Automatic", "Websocket"],
        ] as const) {
          await visit.choose("Reach the gateway by", choice);
          await eventually(
            `it is connected by ${name}`,
            async () =>
              (await visit.figure("Connection", "Transport")) === name &&
              (await visit.figure("Connection", "State")) === "Connected",
          );
        }
        await visit.connected();
        assert.equal(await visit.figure("Recovery", "Gaps"), "0");
      },
    );

    scene(
      "ends the connection and makes it again when told so",
      stage,
      { hash: "#/live" },
      async (visit) => {
        await visit.connected();
        await visit.button("Disconnect").click();
        await visit.page.getByRole("banner").getByText("Disconnected").waitFor();
        await visit.sees("Not connected");
        await visit.button("Connect").click();
        await visit.connected();
      },
    );

    scene(
      "says what is wrong with a token that is pasted, and lets one be a visitor again",
      stage,
      { hash: "#/live" },
      async (visit) => {
        await visit.connected();
        await visit.choose("Connect as", "By a token");
        await visit.field("Token").fill("abc");
        await visit.button("Connect with this token").click();
        // Nobody need ask the gateway to see that this is none.
        await visit.region("Identity").locator("[aria-invalid=true]").waitFor();
        await visit.connected();
        const part = (value: object): string =>
          Buffer.from(JSON.stringify(value)).toString("base64url");
        const foreign = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: "eve" })}.${part({})}`;
        await visit.field("Token").fill(foreign);
        await visit.button("Connect with this token").click();
        await visit.page.getByRole("alert").filter({ hasText: "There is no connection" }).waitFor();
        await visit.choose("Connect as", "Visitor");
        await visit.connected();
      },
    );
  });
}
