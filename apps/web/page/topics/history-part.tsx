import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { clockTime, counted } from "../ui/format.ts";
import { Offset } from "./feed-part.tsx";
import { PayloadText } from "./payload-text.tsx";
import { type History, historyLimits, type Topic } from "./topic.ts";

/** What the gateway keeps of a topic, asked for by the person. */
export function HistoryPart({ topic }: { readonly topic: Topic }): JSX.Element {
  const { name, historyLimit, history } = topic;
  const id = useId();
  return (
    <section class="topics-part">
      <div class="topics-head">
        <h4>History</h4>
        <div class="row">
          <span class="topics-cap">
            <label for={id}>Newest</label>
            <select
              id={id}
              aria-label={`Newest so many of the history of ${name}`}
              value={historyLimit.value}
              onChange={({ currentTarget }) => {
                const limit = historyLimits.find((each) => String(each) === currentTarget.value);
                if (limit !== undefined) historyLimit.value = limit;
              }}
            >
              {historyLimits.map((limit) => (
                <option key={limit} value={limit}>
                  {limit}
                </option>
              ))}
            </select>
          </span>
          {/* It keeps the focus while it can do nothing. */}
          <button
            type="button"
            aria-label={`Load the history of ${name}`}
            aria-disabled={history.value.kind === "loading"}
            onClick={() => {
              void topic.loadHistory();
            }}
          >
            Load
          </button>
        </div>
      </div>
      <Loaded topic={topic} />
    </section>
  );
}

function Loaded({ topic }: { readonly topic: Topic }): JSX.Element {
  const history = topic.history.value;
  const publications = history.kind === "loaded" ? history.publications : [];
  return (
    <>
      {/* One element for all that becomes of it: what is put in with its text is not read out everywhere. */}
      <p class={`small ${history.kind === "failed" ? "topics-failed" : "quiet"}`} role="status">
        <Told history={history} />
      </p>
      {publications.length === 0 ? null : (
        <ol
          class="topics-history"
          tabIndex={0}
          role="list"
          aria-label={`History of ${topic.name}, newest first`}
        >
          {publications.map((publication, index) => (
            <li key={publication.offset ?? index} class="topics-row">
              <span class="topics-meta">
                {publication.offset === undefined ? null : <Offset value={publication.offset} />}
              </span>
              <PayloadText data={publication.data} />
            </li>
          ))}
        </ol>
      )}
    </>
  );
}

function Told({ history }: { readonly history: History }): JSX.Element {
  switch (history.kind) {
    case "none":
      return <>What the gateway keeps of this channel. Not asked for yet.</>;
    case "loading":
      return <>Asking …</>;
    case "failed":
      return <>There is no history: {history.problem}.</>;
    case "loaded":
      return (
        <>
          {history.publications.length === 0
            ? "Nothing is kept"
            : `${counted(history.publications.length, "publication")}, newest first,`}{" "}
          at {clockTime(history.at)}. Position {history.offset.toLocaleString("en")} in epoch{" "}
          <code>{history.epoch}</code>.
        </>
      );
  }
}
