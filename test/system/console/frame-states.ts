import { answers, type ConsoleState, silent } from "./state.ts";

export function frameStates(): readonly ConsoleState[] {
  return [
    {
      name: "page-loading",
      hash: "",
      before: silent("/console.json"),
      reach: (visit) => visit.sees("Loading …"),
    },
    {
      name: "page-failed",
      hash: "",
      before: answers("/console.json", 500, {}),
      reach: (visit) => visit.sees("The console cannot start."),
    },
  ];
}
