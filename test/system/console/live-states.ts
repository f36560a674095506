import { answers, type ConsoleState, failedRequest, settings } from "./state.ts";

export function liveStates(): readonly ConsoleState[] {
  return [
    {
      name: "live",
      hash: "#/live",
      reach: async (visit) => {
        await visit.connected();
        await visit.region("What happened").getByText("Subscribed to add").first().waitFor();
        await visit.button("Drop the connection").click();
        await visit.sees("3 messages recovered");
      },
    },
    {
      name: "live-away",
      hash: "#/live",
      reach: async (visit) => {
        visit.expected.push(failedRequest);
        await visit.connected();
        await visit.page.context().setOffline(true);
        await visit.button("Try now").waitFor();
      },
    },
    {
      name: "live-disconnected",
      hash: "#/live",
      reach: async (visit) => {
        await visit.connected();
        await visit.button("Disconnect").click();
        await visit.sees("Not connected");
      },
    },
    {
      name: "live-without-token",
      hash: "#/live",
      before: settings({ demoTokens: false, anonymous: false }),
      reach: (visit) => visit.sees("The gateway wants a token"),
    },
    {
      name: "live-no-issuer",
      hash: "#/live",
      before: answers("/console/token", 503, {
        error: { code: "unavailable", message: "the key is not to be had" },
      }),
      reach: (visit) => visit.button(/^(Connect|Try now)$/).waitFor(),
    },
  ];
}
