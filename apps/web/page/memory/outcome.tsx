import type { JSX } from "preact";
import { counted, duration, shortened } from "../ui/format.ts";
import { Status } from "../ui/status.tsx";
import type { Memory } from "./memory.ts";
import { replicaName } from "./replicas.ts";
import type { Update } from "./updates.ts";

/** What became of a change. */
export function Outcome({
  memory,
  update,
}: {
  readonly memory: Memory;
  readonly update: Update;
}): JSX.Element {
  const { id, key, value, state } = update;
  const deed = (
    <>
      {value === undefined ? "Delete" : "Set"} <code>{key}</code>
    </>
  );
  switch (state.kind) {
    case "writing":
      return (
        <>
          <Status tone="busy">On its way</Status>
          <p>
            {deed}
            {state.reason === undefined ? " …" : `: ${state.reason}; attempt ${state.attempt} …`}
          </p>
        </>
      );
    case "committed":
      return (
        <>
          <Status tone="busy">Committed, not yet everywhere</Status>
          <p>
            {deed}: revision {state.rev}, waiting for {names(memory, state.missing)}.{" "}
            {state.trouble === undefined
              ? "When one has ended without a word, nobody waits for it once its lease has run out."
              : `${state.trouble}; it is asked again.`}
          </p>
        </>
      );
    case "confirmed":
      return (
        <>
          <Status tone="good">Everywhere</Status>
          <p>
            {deed}: revision {state.rev}, committed in {duration(state.commitMs)}, confirmed by{" "}
            {counted(state.confirmed, "replica")} after {duration(state.confirmMs)}.
          </p>
        </>
      );
    case "conflict":
      return (
        <>
          <Status tone="bad">Somebody was first</Status>
          <p>
            {deed}: nothing was committed, because{" "}
            {state.theirs === undefined ? (
              <>somebody has deleted it.</>
            ) : (
              <>
                it is now <code>{shortened(state.theirs, 200)}</code>, at revision {state.rev}.
              </>
            )}
          </p>
          <div class="row">
            <button
              type="button"
              onClick={() => {
                memory.updates.overwrite(id);
              }}
            >
              {value === undefined ? "Delete it nonetheless" : "Replace it by mine"}
            </button>
            {value === undefined ? null : (
              <button
                type="button"
                onClick={() => {
                  memory.editor.load(key);
                }}
              >
                Take theirs
              </button>
            )}
          </div>
        </>
      );
    case "failed":
      return (
        <>
          <Status tone="bad">{state.uncertain ? "Not known" : "Not done"}</Status>
          <p>
            {deed}: {state.message}.
            {state.uncertain
              ? " It may have been committed; to try again is safe, it takes effect once."
              : ""}
          </p>
          <button
            type="button"
            onClick={() => {
              memory.updates.again(id);
            }}
          >
            Try again
          </button>
        </>
      );
    default:
      return state satisfies never;
  }
}

function names(memory: Memory, missing: readonly string[]): string {
  const replicas = memory.replicas.value;
  return missing
    .map((id) => replicaName(replicas.find((each) => each.id === id) ?? { id, index: undefined }))
    .join(", ");
}
