import { answers, type ConsoleState } from "./state.ts";

export function tryStates(): readonly ConsoleState[] {
  return [
    {
      name: "try-empty",
      hash: "#/try",
      reach: async (visit) => {
        await visit.connected();
        await visit.sees("Nothing has been asked yet.");
      },
    },
    {
      name: "try",
      hash: "#/try",
      reach: async (visit) => {
        await visit.connected();
        const rows = visit.region("The last ten").getByRole("row");
        for (const [name, count] of [
          ["Sum", 2],
          ["Concat", 3],
        ] as const) {
          await visit.button(name).click();
          await rows
            .nth(count - 1)
            .getByText(/^[\d.]+ m?s$/)
            .nth(1)
            .waitFor();
        }
      },
    },
    {
      name: "try-invalid",
      hash: "#/try",
      reach: async (visit) => {
        await visit.connected();
        await visit.page
          .getByRole("form", { name: "Sum" })
          .getByLabel("a", { exact: true })
          .fill("forty");
        await visit.button("Sum").click();
        await visit.page.locator("[aria-invalid=true]").waitFor();
      },
    },
    {
      name: "try-unavailable",
      hash: "#/try",
      before: answers("/api/add/*", 503, {
        error: { code: "unavailable", message: "NATS cannot be reached" },
      }),
      reach: async (visit) => {
        await visit.connected();
        await visit.button("Sum").click();
        await visit.page.getByRole("alert").waitFor();
      },
    },
    {
      name: "try-disconnected",
      hash: "#/live",
      reach: async (visit) => {
        await visit.connected();
        await visit.button("Disconnect").click();
        await visit.go("Try it");
        await visit.sees("Not connected");
      },
    },
  ];
}
