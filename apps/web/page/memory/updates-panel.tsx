import type { JSX } from "preact";
import { Chart } from "../ui/chart.tsx";
import { clockTime, duration } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { Panel } from "../ui/panel.tsx";
import type { Memory } from "./memory.ts";
import { timesSummary } from "./times.ts";
import { beatKey, type Update } from "./updates.ts";

/** In the list below the chart. */
const listed = 6;

const series = [
  { label: "Commit", color: "--series-1" },
  { label: "Confirmation", color: "--series-2" },
];

/** How long this page's updates took, and what became of the last of them. */
export function UpdatesPanel({ memory }: { readonly memory: Memory }): JSX.Element {
  const { updates } = memory;
  const list = updates.list.value;
  const beating = updates.beating.value;
  const times = updates.times.value;
  return (
    <Panel
      title="Updates from this page"
      actions={
        <button
          type="button"
          onClick={() => {
            updates.beat(!beating);
          }}
        >
          {beating ? "Stop writing" : "Write one a second"}
        </button>
      }
    >
      {list.length === 0 ? (
        <Notice kind="empty" title="Nothing has been written yet.">
          Set a key, or have one written each second (key <code>{beatKey}</code>, for two minutes):
          the chart shows how long the commit took, and from there the confirmation by every
          replica.
        </Notice>
      ) : (
        <div class="stack">
          {times[0].length === 0 ? null : (
            <Chart
              title="The last 60 updates, by revision"
              unit="ms"
              summary={timesSummary(times)}
              series={series}
              data={updates.times}
              formatX={(rev) => String(Math.round(rev))}
            />
          )}
          {updates.skipped.value > 0 ? (
            <p class="small quiet">
              Left out, because the one before was not answered yet: {updates.skipped.value}.
            </p>
          ) : null}
          <ol class="log" aria-label="The last updates">
            {list.slice(0, listed).map((update) => (
              <li key={update.id}>
                <time>{clockTime(update.at)}</time>
                <span>
                  {update.value === undefined ? "Delete" : "Set"} <code>{update.key}</code>:{" "}
                  {stateText(update)}
                </span>
              </li>
            ))}
          </ol>
        </div>
      )}
    </Panel>
  );
}

function stateText({ state }: Update): string {
  switch (state.kind) {
    case "writing":
      return "on its way …";
    case "committed":
      return `revision ${state.rev}, waiting for ${state.missing.length} …`;
    case "confirmed":
      return `revision ${state.rev}, confirmed by ${state.confirmed} after ${duration(state.confirmMs)}`;
    case "conflict":
      return "somebody was first; nothing was committed";
    case "failed":
      return `${state.uncertain ? "not known whether it was committed" : "not done"}: ${state.message}`;
    default:
      return state satisfies never;
  }
}
