import assert from "node:assert/strict";
import { describe } from "node:test";
import { emulatorsMissing } from "../../support/emulators.ts";
import { scene, type Stage, type Visit } from "./stage.ts";
import { failedRequest, settings } from "./state.ts";
import { feedOf, payloads } from "./topics-scenes.ts";

/** Kills a process as a person does it. */
export async function kill(visit: Visit, name: string): Promise<void> {
  await visit.button(`Kill ${name}`).click();
  await visit.button("Kill it").click();
  await visit.region("Killed").getByText(`${name} `).first().waitFor();
}

/** Waits until it serves again. */
export async function servesAgain(visit: Visit, name: string): Promise<void> {
  await visit
    .region("Killed")
    .getByText(new RegExp(`^${name} was killed .* serves again after [\\d.]+ m?s`))
    .first()
    .waitFor();
}

/** What is declared and runs, and what becomes of it when something of it dies. */
export function systemScenes(stage: () => Stage): void {
  describe("System", () => {
    scene(
      "shows services with versions and instances, rules, NATS, and what of it lives",
      stage,
      { hash: "#/system", width: 1_280, height: 800 },
      async (visit) => {
        const paths = { default: "everything else", add: "/api/add*", ws: "/connection/*" };
        for (const [service, path] of Object.entries(paths)) {
          const panel = visit.region(service);
          await panel.getByText(path).first().waitFor();
          await panel.getByText(/^v\w+ 100 % of the traffic$/).waitFor();
          const process = panel.getByRole("listitem").filter({ hasText: `${service}.0` });
          await process.getByText("Live", { exact: true }).waitFor();
        }
        await visit.region("NATS").getByText("nats-0").waitFor();
        // The same, drawn.
        const drawing = visit.region("Picture").locator("svg");
        for (const text of ["ws.0", "nats-0", "/api/add*"]) {
          await drawing.getByText(text, { exact: true }).first().waitFor();
        }
      },
    );

    scene(
      "shows the topics of M, and to which instance each subscription pushes",
      stage,
      { hash: "#/system", width: 1_280, height: 800, skip: emulatorsMissing() ?? false },
      async (visit) => {
        for (const index of [0, 1, 2]) {
          await visit.page
            .getByText(new RegExp(`pushes to m\\.${index}`))
            .first()
            .waitFor();
          await visit.button(`Kill m.${index}`).waitFor();
        }
      },
    );

    scene("kills nobody who was only looked at", stage, { hash: "#/system" }, async (visit) => {
      await visit.button("Kill ws.0").click();
      await visit.focused("Cancel");
      await visit.page.keyboard.press("Escape");
      await visit.focused("Kill");
      assert.equal(await visit.region("Killed").count(), 0);
    });

    scene(
      "kills a process that is pressed where it is drawn, and who says no kills nobody",
      stage,
      { hash: "#/system", width: 1_280, height: 800 },
      async (visit) => {
        const drawn = visit.region("Picture").locator("svg").getByText("add.0", { exact: true });
        await drawn.click();
        await visit.focused("Cancel");
        await visit.page.keyboard.press("Escape");
        await visit.button("Kill it").waitFor({ state: "detached" });
        assert.equal(await visit.region("Killed").count(), 0);
        await drawn.click();
        await visit.button("Kill it").click();
        await servesAgain(visit, "add.0");
      },
    );

    scene(
      "kills a gateway, and the feed loses nothing and has nothing twice",
      stage,
      { hash: "#/topics" },
      async (visit) => {
        visit.expected.push(failedRequest);
        const numbers: string[] = [];
        /** By a service, which needs no gateway: 1001, 1002 … */
        const publish = async (count: number): Promise<void> => {
          for (let n = 0; n < count; n += 1) {
            numbers.push(String(1_001 + numbers.length));
            const answer = await stage().post("/api/add/sum", { a: Number(numbers.at(-1)), b: 0 });
            assert.equal(answer.status, 200);
          }
        };
        await visit.region("add").getByText("Subscribed", { exact: true }).waitFor();
        await publish(10);
        await feedOf(visit, "add").getByText("1010", { exact: true }).waitFor();
        await visit.go("System");
        await kill(visit, "ws.0");
        await publish(15);
        await servesAgain(visit, "ws.0");
        await visit.connected();
        await publish(10);
        await visit.go("Topics");
        await feedOf(visit, "add")
          .getByText(numbers.at(-1) ?? "", { exact: true })
          .waitFor();
        await feedOf(visit, "add")
          .getByText(/Back: \d+ missed messages? recovered\./)
          .waitFor();
        const shown = (await payloads(visit, "add")).filter((text) => /^1\d\d\d$/.test(text));
        assert.deepEqual(shown.toReversed(), numbers);
        // And the view of the connection tells of it.
        await visit.go("Live");
        await visit.region("What happened").getByText("The connection was lost").waitFor();
        await visit
          .region("What happened")
          .getByText(/messages? recovered/)
          .first()
          .waitFor();
      },
    );

    scene(
      "shows in the cloud what the services say of themselves, and kills nothing there",
      stage,
      { hash: "#/system", width: 1_280, height: 800, before: settings({ local: false }) },
      async (visit) => {
        await visit.sees("from the services themselves");
        for (const service of ["add", "ws"]) {
          await visit.region(service).getByText("Live", { exact: true }).first().waitFor();
        }
        assert.equal(await visit.button(/^Kill/).count(), 0);
      },
    );
  });
}
