import type { JSX, RefObject } from "preact";
import { Field } from "../ui/field.tsx";
import { shortened } from "../ui/format.ts";
import { Panel } from "../ui/panel.tsx";
import type { Memory } from "./memory.ts";
import { Outcome } from "./outcome.tsx";

/** The form that sets a key, and what became of the last change. */
export function EditorPanel({
  memory,
  value,
}: {
  readonly memory: Memory;
  /** Is given the field of the value. */
  readonly value: RefObject<HTMLTextAreaElement | null>;
}): JSX.Element {
  const { editor, updates } = memory;
  const { there } = editor;
  const problems = editor.problems.value;
  const last = updates.list.value.find(({ beat }) => !beat);
  return (
    <Panel title="Change a key">
      <form
        class="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (editor.submit()) return;
          const form = event.currentTarget;
          // What is wrong is said beside the fields with the next picture.
          requestAnimationFrame(() => {
            const field = form.querySelector("[aria-invalid]");
            if (field instanceof HTMLElement) field.focus();
          });
        }}
      >
        <Field
          label="Key"
          problem={problems.key}
          input={(attributes) => (
            <input
              {...attributes}
              class="mono"
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              value={editor.key.value}
              onInput={({ currentTarget }) => {
                editor.setKey(currentTarget.value);
              }}
            />
          )}
        />
        <Field
          label="Value"
          hint='JSON: 12, "text", true, [1, 2], {"a": 1}'
          problem={problems.value}
          input={(attributes) => (
            <textarea
              {...attributes}
              ref={value}
              rows={4}
              autocapitalize="off"
              spellcheck={false}
              value={editor.text.value}
              onInput={({ currentTarget }) => {
                editor.setText(currentTarget.value);
              }}
              onKeyDown={(event) => {
                if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
                event.preventDefault();
                event.currentTarget.form?.requestSubmit();
              }}
            />
          )}
        />
        {editor.moved.value && last?.state.kind !== "conflict" ? <Moved memory={memory} /> : null}
        <div class="row">
          <button type="submit" class="primary">
            Set
          </button>
          <span class="small quiet">or Ctrl+Enter</span>
          {there.value === undefined || editor.key.value === "" ? null : (
            <p class="small quiet">
              It is there already: its value as a whole is replaced, if nobody changes it first.
            </p>
          )}
        </div>
      </form>
      <div role="status" class="memory-outcome">
        {last === undefined ? null : <Outcome memory={memory} update={last} />}
      </div>
    </Panel>
  );
}

/** Somebody else has changed what the person is editing. */
function Moved({ memory }: { readonly memory: Memory }): JSX.Element {
  const { editor } = memory;
  const there = editor.there.value;
  return (
    <div class="notice notice-disconnected">
      <p class="notice-title">Somebody has changed this key meanwhile.</p>
      {there === undefined ? (
        <p>It is deleted.</p>
      ) : (
        <p>
          It is now <code>{shortened(there, 200)}</code>
        </p>
      )}
      <div class="row">
        <button
          type="button"
          onClick={() => {
            editor.load(editor.key.peek());
          }}
        >
          Take theirs
        </button>
        <button
          type="button"
          onClick={() => {
            editor.accept();
          }}
        >
          Go on with mine
        </button>
      </div>
    </div>
  );
}
