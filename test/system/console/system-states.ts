import { answers, type ConsoleState, failedRequest, settings, silent } from "./state.ts";
import { kill, servesAgain } from "./system-scenes.ts";

const nothing = { services: [], rules: [], nats: [], topics: [] };

export function systemStates(): readonly ConsoleState[] {
  return [
    {
      name: "system",
      hash: "#/system",
      withM: true,
      reach: async (visit) => {
        for (const name of ["default.0", "add.0", "ws.0", "m.2", "nats-0"]) {
          await visit.button(`Kill ${name}`).waitFor();
        }
      },
    },
    {
      name: "system-question",
      hash: "#/system",
      reach: async (visit) => {
        await visit.button("Kill ws.0").click();
        await visit.focused("Cancel");
      },
    },
    {
      name: "system-killed",
      hash: "#/system",
      alone: true,
      reach: async (visit) => {
        visit.expected.push(failedRequest);
        await kill(visit, "ws.0");
        await servesAgain(visit, "ws.0");
        await visit.connected();
      },
    },
    {
      name: "system-cloud",
      hash: "#/system",
      before: settings({ local: false }),
      reach: async (visit) => {
        await visit.region("ws").getByText("Live", { exact: true }).first().waitFor();
      },
    },
    {
      name: "system-loading",
      hash: "#/system",
      before: silent("/_local/system"),
      reach: (visit) => visit.sees("Looking …"),
    },
    {
      name: "system-failed",
      hash: "#/system",
      before: answers("/_local/system", 503, {
        error: { code: "unavailable", message: "the local cloud is stopping" },
      }),
      reach: (visit) => visit.sees("The system cannot be seen."),
    },
    {
      name: "system-empty",
      hash: "#/system",
      before: async (visit) => {
        await settings({ declared: nothing })(visit);
        await answers("/_local/system", 200, { at: new Date(0).toISOString(), ...nothing })(visit);
      },
      reach: (visit) => visit.sees("Nothing is declared, and nothing runs."),
    },
  ];
}
