import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { clockTime, counted } from "../ui/format.ts";
import { Offset } from "./feed-part.tsx";
import { PayloadText } from "./payload-text.tsx";
import { historyLimits, type Topic } from "./topic.ts";

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
          <button
            type="button"
            aria-label={`Load the history of ${name}`}
            disabled={history.value.kind === "loading"}
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
  switch (history.kind) {
    case "none":
      return <p class="quiet small">What the gateway keeps of this channel. Not asked for yet.</p>;
    case "loading":
      return (
        <p class="quiet small" role="status">
          Asking …
        </p>
      );
    case "failed":
      return (
        <p class="small topics-failed" role="status">
          There is no history: {history.problem}.
        </p>
      );
    case "loaded":
      break;
  }
  const { publications, offset, epoch, at } = history;
  return (
    <>
      <p class="quiet small" role="status">
        {publications.length === 0
          ? "Nothing is kept"
          : `${counted(publications.length, "publication")}, newest first,`}{" "}
        at {clockTime(at)}. Position {offset.toLocaleString("en")} in epoch <code>{epoch}</code>.
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
