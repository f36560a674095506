import type { ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import { clockTime, counted, exactTime, shortened } from "../ui/format.ts";
import { fold } from "./payload.ts";
import type { Movement, Present, PresenceState, PresenceView } from "./presence.ts";
import type { Topic } from "./topic.ts";

/** Who else is on a topic. */
export function PresencePart({
  topic,
  clientId,
}: {
  readonly topic: Topic;
  readonly clientId: ReadonlySignal<string | undefined>;
}): JSX.Element {
  const { name, presence } = topic;
  const state = presence.state.value;
  const view = presence.view.value;
  return (
    <section class="topics-part">
      <div class="topics-head">
        <h4>Who is there</h4>
        {/* It keeps the focus while it can do nothing. */}
        <button
          type="button"
          aria-label={`Ask again who is on ${name}`}
          aria-disabled={state === "asking"}
          onClick={() => {
            if (state !== "asking") void topic.askPresence();
          }}
        >
          Ask again
        </button>
      </div>
      <p class="quiet small">{sentence(state, view, presence.problem.value)}</p>
      {view.count === 0 ? null : (
        <ul class="topics-clients" tabIndex={0} role="list" aria-label={`Clients on ${name}`}>
          {view.clients.map((who) => (
            <li key={who.client}>
              <Who who={who} own={who.client === clientId.value} />
            </li>
          ))}
          {view.count > view.clients.length || view.more ? (
            <li class="quiet">
              and {view.more ? "more than " : ""}
              {(view.count - view.clients.length).toLocaleString("en")} more
            </li>
          ) : null}
        </ul>
      )}
      {view.movements.length === 0 ? null : (
        <ol
          class="log topics-movements"
          tabIndex={0}
          role="list"
          aria-label={`Joins and leaves on ${name}, newest first`}
        >
          {view.movements.map((movement) => (
            <MovementRow
              key={movement.number}
              movement={movement}
              own={movement.who.client === clientId.value}
            />
          ))}
        </ol>
      )}
    </section>
  );
}

function sentence(
  state: PresenceState,
  { count, more, askedAt, announced }: PresenceView,
  problem: string | undefined,
): string {
  if (state === "refused") return `Unknown: ${problem ?? ""}.`;
  if (askedAt === undefined) return state === "asking" ? "Asking …" : "Not asked yet.";
  const clients = `${more ? "More than " : ""}${counted(count, "client")}`;
  return announced
    ? `${clients}, kept up by joins and leaves.`
    : `${clients} at ${clockTime(askedAt)}.`;
}

function Who({ who, own }: { readonly who: Present; readonly own: boolean }): JSX.Element {
  return (
    <>
      <span class="topics-user">{who.user === "" ? "anonymous" : who.user}</span>{" "}
      <code class="quiet" title={who.client}>
        {who.client.slice(0, 8)}
      </code>
      {own ? <span class="tag tag-accent">this page</span> : null}
      {who.info === undefined ? null : <code>{shortened(fold(who.info).text, 200)}</code>}
    </>
  );
}

function MovementRow({
  movement: { kind, at, who },
  own,
}: {
  readonly movement: Movement;
  readonly own: boolean;
}): JSX.Element {
  return (
    <li>
      <time>{exactTime(at)}</time>
      <span>
        <Who who={who} own={own} /> {kind === "join" ? "joined" : "left"}
      </span>
    </li>
  );
}
