import type { JSX } from "preact";
import { clockTime } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { Panel } from "../ui/panel.tsx";
import type { Connection } from "./connection.ts";
import { eventText } from "./event-text.ts";
import type { LiveEvent } from "./events.ts";

const tags: Readonly<Record<LiveEvent["kind"], readonly [name: string, tone: string]>> = {
  connecting: ["connecting", "tag-busy"],
  connected: ["connected", "tag-good"],
  lost: ["lost", "tag-bad"],
  disconnected: ["disconnected", ""],
  subscribed: ["subscribed", ""],
  recovered: ["recovered", "tag-accent"],
  gap: ["gap", "tag-bad"],
  unsubscribed: ["refused", "tag-bad"],
  error: ["error", "tag-bad"],
};

/** What happened to the connection, newest first. */
export function Events({ connection }: { readonly connection: Connection }): JSX.Element {
  const events = connection.events.value;
  const newest = events.findLast(({ kind }) => kind === "recovered" || kind === "gap");
  return (
    <Panel
      title="What happened"
      actions={
        events.length === 0 ? null : (
          <button
            type="button"
            class="plain"
            onClick={() => {
              connection.clearEvents();
            }}
          >
            Clear
          </button>
        )
      }
    >
      <p role="status" class="visually-hidden">
        {newest === undefined ? "" : eventText(newest)}
      </p>
      {events.length === 0 ? (
        <Notice kind="empty" title="Nothing has happened yet." />
      ) : (
        <ol class="log live-log" tabIndex={0} aria-label="Events, newest first">
          {events.toReversed().map((event) => (
            <li key={event.number}>
              <time dateTime={new Date(event.at).toISOString()}>{clockTime(event.at)}</time>
              <span>
                <span class={`tag ${tags[event.kind][1]}`}>{tags[event.kind][0]}</span>{" "}
                {eventText(event)}
              </span>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
