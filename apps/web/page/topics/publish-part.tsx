import type { JSX } from "preact";
import { Choice } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { clockTime, duration } from "../ui/format.ts";
import type { DraftFormat } from "./draft.ts";
import type { Publishing, Topic } from "./topic.ts";

const formats = [
  { value: "text", label: "Text" },
  { value: "json", label: "JSON" },
] as const satisfies readonly { value: DraftFormat; label: string }[];

/** Writes to a topic. */
export function PublishPart({ topic }: { readonly topic: Topic }): JSX.Element {
  const { name, draft, format, publishing } = topic;
  const outcome = publishing.value;
  const json = format.value === "json";
  return (
    <form
      class="stack topics-part"
      onSubmit={(event) => {
        event.preventDefault();
        void topic.publish();
      }}
    >
      <h4>Publish</h4>
      <Field
        label={
          <>
            Message <span class="visually-hidden">to {name}</span>
          </>
        }
        problem={outcome.kind === "unfit" ? outcome.problem : undefined}
        input={(attributes) => (
          <textarea
            {...attributes}
            rows={2}
            value={draft}
            placeholder={json ? '{"hello": "world"}' : "Hello, world"}
            spellcheck={!json}
            onInput={({ currentTarget }) => {
              topic.write(currentTarget.value);
            }}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
              event.preventDefault();
              void topic.publish();
            }}
          />
        )}
      />
      <div class="topics-send">
        <Choice
          legend={`What is published on ${name}`}
          value={format.value}
          options={formats}
          onChange={(value) => {
            format.value = value;
            topic.write(draft.value);
          }}
        />
        <button type="submit" class="primary" aria-label={`Publish on ${name}`}>
          Publish
        </button>
        <span class="quiet small">or Ctrl+Enter</span>
        <Outcome outcome={outcome} />
      </div>
    </form>
  );
}

function Outcome({ outcome }: { readonly outcome: Publishing }): JSX.Element {
  const [text, style] = outcomeText(outcome);
  return (
    <p role="status" class={style}>
      {text}
    </p>
  );
}

function outcomeText(outcome: Publishing): readonly [text: string, style: string] {
  switch (outcome.kind) {
    case "none":
    case "unfit":
      return ["", "small"];
    case "sending":
      return ["Publishing …", "small quiet"];
    case "done":
      return [
        `Published at ${clockTime(outcome.at)}; the gateway had it after ${duration(outcome.tookMs)}.`,
        "small topics-done",
      ];
    case "failed":
      return [
        outcome.uncertain
          ? `Nobody knows whether it is published: ${outcome.problem}.`
          : `Not published: ${outcome.problem}.`,
        "small topics-failed",
      ];
  }
}
