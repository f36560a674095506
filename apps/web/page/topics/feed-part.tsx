import { Component, type JSX } from "preact";
import { useId } from "preact/hooks";
import { clockTime, counted, exactTime } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { type Cap, caps, type Mark, maxRows, type Message, type Row } from "./feed.ts";
import { PayloadText } from "./payload-text.tsx";
import type { Topic } from "./topic.ts";

/** The feed of a topic: newest first, and silent for screen readers, which are told how much is new. */
export function FeedPart({ topic }: { readonly topic: Topic }): JSX.Element {
  const { name, feed } = topic;
  const paused = feed.pausedSince.value !== undefined;
  return (
    <section class="topics-part">
      <div class="topics-head">
        <h4>Feed</h4>
        <div class="row">
          <CapChoice topic={topic} />
          <button
            type="button"
            aria-label={`${paused ? "Resume" : "Pause"} the feed of ${name}`}
            onClick={() => {
              if (paused) feed.resume();
              else topic.pause();
            }}
          >
            {paused ? "Resume" : "Pause"}
          </button>
          <button
            type="button"
            aria-label={`Clear the feed of ${name}`}
            onClick={() => {
              feed.clear();
            }}
          >
            Clear
          </button>
        </div>
      </div>
      <Paused topic={topic} />
      <Rows topic={topic} />
    </section>
  );
}

function CapChoice({ topic: { name, feed } }: { readonly topic: Topic }): JSX.Element {
  const id = useId();
  return (
    <span class="topics-cap">
      <label for={id}>Keep</label>
      <select
        id={id}
        aria-label={`Keep so many messages of ${name}`}
        value={feed.cap.value}
        onChange={({ currentTarget }) => {
          const cap = caps.find((each) => String(each) === currentTarget.value);
          if (cap !== undefined) feed.setCap(cap satisfies Cap);
        }}
      >
        {caps.map((cap) => (
          <option key={cap} value={cap}>
            {cap.toLocaleString("en")}
          </option>
        ))}
      </select>
    </span>
  );
}

function Paused({ topic: { feed } }: { readonly topic: Topic }): JSX.Element | null {
  const since = feed.pausedSince.value;
  if (since === undefined) return null;
  const { waiting, lostWaiting } = feed.view.value;
  return (
    <p class="topics-paused">
      <strong>Paused</strong> since {clockTime(since)}.{" "}
      {waiting === 0 ? "Nothing has come since." : `${counted(waiting, "message")} since`}
      {waiting === 0
        ? null
        : lostWaiting === 0
          ? ", shown when you resume."
          : `; the newest ${(waiting - lostWaiting).toLocaleString("en")} are kept.`}
    </p>
  );
}

function Rows({ topic }: { readonly topic: Topic }): JSX.Element {
  const { name, feed } = topic;
  const { rows, kept, received } = feed.view.value;
  if (rows.length === 0) {
    return (
      <div class="topics-feed topics-feed-empty">
        <Notice
          kind="empty"
          title={received === 0 ? "Nothing has come yet." : "Nothing has come since."}
        >
          {received === 0
            ? "Publish something below, or let another client do so."
            : "The feed was cleared; what comes now appears here."}
        </Notice>
      </div>
    );
  }
  return (
    <>
      <div
        class="topics-feed"
        role="region"
        aria-label={`Feed of ${name}, newest first`}
        aria-live="off"
        tabIndex={0}
      >
        <ol role="list">
          {rows.map((row) => (
            <RowItem key={row.number} row={row} topic={topic} />
          ))}
        </ol>
      </div>
      <div class="topics-below">
        <span class="quiet small">
          {rows.length === kept
            ? `${kept.toLocaleString("en")} kept`
            : `Newest ${rows.length} of ${kept.toLocaleString("en")} kept`}
        </span>
        {rows.length < Math.min(kept, maxRows) ? (
          <button
            type="button"
            class="plain"
            aria-label={`Show older messages of ${name}`}
            onClick={() => {
              topic.showOlder();
            }}
          >
            Show older
          </button>
        ) : null}
      </div>
    </>
  );
}

interface RowProps {
  readonly row: Row;
  readonly topic: Topic;
}

/** Drawn once: the same row always looks the same. */
class RowItem extends Component<RowProps> {
  override shouldComponentUpdate(next: Readonly<RowProps>): boolean {
    return next.row !== this.props.row;
  }

  override render(): JSX.Element {
    const { row, topic } = this.props;
    return row.kind === "mark" ? (
      <MarkRow mark={row} />
    ) : (
      <MessageRow message={row} topic={topic} />
    );
  }
}

function MarkRow({ mark }: { readonly mark: Mark }): JSX.Element {
  return (
    <li class={`topics-mark topics-mark-${mark.mark}`}>
      <time>{exactTime(mark.at)}</time> {markText(mark)}
    </li>
  );
}

function markText({ mark, count }: Mark): string {
  switch (mark) {
    case "recovered":
      return count === 0
        ? "Back: nothing was missed."
        : `Back: ${counted(count ?? 0, "missed message")} recovered.`;
    case "gap":
      return `Gap: ${count === undefined ? "some messages are" : counted(count, "message is", "messages are")} missing here and cannot be had any more.`;
    case "resubscribed":
      return "Back: what was published meanwhile is unknown, for this channel keeps nothing.";
  }
}

/** Where a publication stands in its channel. */
export function Offset({ value }: { readonly value: number }): JSX.Element {
  return (
    <span>
      <span class="visually-hidden">offset </span>
      <span aria-hidden="true">#</span>
      {value}
    </span>
  );
}

function MessageRow({
  message,
  topic,
}: {
  readonly message: Message;
  readonly topic: Topic;
}): JSX.Element {
  const { at, late, publication } = message;
  const { data, offset, info } = publication;
  return (
    <li class="topics-row">
      <time>{exactTime(at)}</time>
      <PayloadText
        data={data}
        onOpen={() => {
          topic.pause();
        }}
      />
      <span class="topics-meta">
        {late ? <span class="tag tag-accent">recovered</span> : null}
        {info === undefined ? null : (
          <span class="topics-by" title={info.user}>
            {info.user === "" ? "anonymous" : info.user}
          </span>
        )}
        {offset === undefined ? null : <Offset value={offset} />}
      </span>
    </li>
  );
}
