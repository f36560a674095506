import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Notice } from "../ui/notice.tsx";
import { Data } from "./data.tsx";
import { EditorPanel } from "./editor-panel.tsx";
import type { Memory } from "./memory.ts";
import { Strip } from "./strip.tsx";
import { UpdatesPanel } from "./updates-panel.tsx";

/** The view "M": what it holds, who holds it, and how changes of it get around. */
export function MemoryView({
  memory,
  local,
}: {
  readonly memory: Memory;
  /** Whether this is the local cloud. */
  readonly local: boolean;
}): JSX.Element {
  useEffect(() => memory.watch(), [memory]);
  const value = useRef<HTMLTextAreaElement>(null);
  const state = memory.state.value;
  const content = memory.content.value;
  if (state === "absent") return <Absent local={local} />;
  const edit = (key: string, text?: string): void => {
    memory.editor.load(key);
    if (text !== undefined) memory.editor.setText(text);
    value.current?.focus();
  };
  return (
    <>
      {state === "ready" || state === "loading" ? null : <Trouble memory={memory} />}
      {content === undefined ? (
        state === "loading" || state === "ready" ? (
          <Notice kind="loading" title="Asking the replicas …" />
        ) : null
      ) : (
        <>
          <Strip memory={memory} />
          <div class="grid">
            <Data memory={memory} content={content} edit={edit} />
            <EditorPanel memory={memory} value={value} />
          </div>
          <UpdatesPanel memory={memory} />
        </>
      )}
    </>
  );
}

function Absent({ local }: { readonly local: boolean }): JSX.Element {
  return (
    <Notice kind="empty" title="There is no M here.">
      {local
        ? "The service m needs Google's emulators of Datastore and Pub/Sub. Where they are installed, npm start runs it; it says what is missing when it starts."
        : "This environment has no service m: its settings have no m.instances."}
    </Notice>
  );
}

function Trouble({ memory }: { readonly memory: Memory }): JSX.Element {
  const unreachable = memory.state.value === "unreachable";
  return (
    <div class="memory-trouble">
      <Notice
        kind="disconnected"
        title={unreachable ? "M does not answer." : "M cannot be asked now."}
        action={
          <button
            type="button"
            onClick={() => {
              memory.look();
            }}
          >
            Ask now
          </button>
        }
      >
        {unreachable ? "" : `It says: ${memory.problem.value ?? "nothing"}. `}
        It is asked again by itself
        {memory.content.value === undefined ? "." : "; below is what was last seen."}
      </Notice>
    </div>
  );
}
