import { setKey } from "./memory-scenes.ts";
import { answers, type ConsoleState, failedRequest, silent } from "./state.ts";

/** What `/m/replicas` answers, as far as it is changed here. */
interface Overview {
  readonly rev: number;
  readonly replicas: readonly { readonly replica: string; readonly rev: number }[];
}

export function memoryStates(): readonly ConsoleState[] {
  return [
    {
      name: "memory-loading",
      hash: "#/memory",
      before: silent("/m/replicas"),
      reach: (visit) => visit.sees("Asking the replicas …"),
    },
    {
      name: "memory-empty",
      hash: "#/memory",
      withM: true,
      before: async (visit) => {
        await visit.page.route(/\/m$/, async (route) => {
          await route.fulfill({ response: await route.fetch(), json: {} });
        });
      },
      reach: (visit) => visit.sees("M is empty."),
    },
    {
      name: "memory",
      hash: "#/memory",
      withM: true,
      reach: async (visit) => {
        await setKey(visit, "colour", '"green"');
        await setKey(visit, "limits", '{"rooms": 12, "people": [2, 4, 8]}');
        await visit.button("Write one a second").click();
        const log = visit.region("Updates from this page").getByRole("listitem");
        await log
          .filter({ hasText: /Set beat.*confirmed by 3 after/ })
          .nth(2)
          .waitFor();
        await visit.button("Stop writing").click();
        await visit.sees(/^All 3 replicas at revision/);
      },
    },
    {
      name: "memory-waiting",
      hash: "#/memory",
      withM: true,
      before: async (visit) => {
        // As when a replica has ended without a word: it is asked again and again who has it.
        const url = `${visit.stage.url}/m/replicas`;
        let silent = "";
        await visit.page.route(/\/m\?wait=/, async (route) => {
          // Others may write at the same time: whatever is there, this is one more.
          const { rev, replicas } = (await (await fetch(url)).json()) as Overview;
          silent = replicas[0]?.replica ?? "";
          const json = {
            ...{ rev: rev + 1, confirmed: replicas.length - 1, missing: [silent] },
            operation: `/m/operations/${rev + 1}`,
          };
          await route.fulfill({ status: 202, json });
        });
        await visit.page.route("**/m/operations/*", (route) => {
          const rev = Number(route.request().url().split("/").at(-1));
          return route.fulfill({
            json: { rev, status: "pending", confirmed: 2, missing: [silent] },
          });
        });
        await visit.page.route("**/m/replicas", async (route) => {
          const response = await route.fetch();
          const overview = (await response.json()) as Overview;
          if (silent === "") return route.fulfill({ response });
          const rev = overview.rev + 1;
          const replicas = overview.replicas.map((each) => ({
            ...each,
            rev: each.replica === silent ? overview.rev : rev,
          }));
          return route.fulfill({ response, json: { ...overview, rev, replicas } });
        });
      },
      reach: async (visit) => {
        await visit.field("Key").fill("colour");
        await visit.field("Value").fill('"red"');
        await visit.button("Set").click();
        await visit.sees("Committed, not yet everywhere");
        await visit.region("Replicas").getByText("1 behind").waitFor();
      },
    },
    {
      name: "memory-conflict",
      hash: "#/memory",
      withM: true,
      reach: async (visit) => {
        await setKey(visit, "colour", '"green"');
        // The page hears of nothing more, so that another's change comes between.
        await visit.page.route("**/m/replicas", () => undefined);
        await visit.button("Edit colour").click();
        await visit.field("Value").fill('"blue"');
        await visit.stage.post("/m", { colour: "yellow" });
        visit.expected.push(failedRequest);
        await visit.button("Set").click();
        await visit.sees("Somebody was first");
      },
    },
    {
      name: "memory-absent",
      hash: "#/memory",
      before: answers("/m/replicas", 404, {
        error: { code: "not_found", message: "there is nothing" },
      }),
      reach: (visit) => visit.sees("There is no M here."),
    },
    {
      name: "memory-unreachable",
      hash: "#/memory",
      before: async (visit) => {
        visit.expected.push(failedRequest);
        await visit.page.route("**/m/replicas", (route) => route.abort());
      },
      reach: (visit) => visit.sees("M does not answer."),
    },
  ];
}
