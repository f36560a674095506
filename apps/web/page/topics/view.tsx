import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { Connection } from "../live/connection.ts";
import { Field } from "../ui/field.tsx";
import { Notice } from "../ui/notice.tsx";
import { Panel } from "../ui/panel.tsx";
import { TopicPanel } from "./topic-panel.tsx";
import { maxTopics, type Topics } from "./topics.ts";

export interface TopicsViewProps {
  readonly topics: Topics;
  readonly connection: Pick<Connection, "state" | "problem" | "clientId" | "connect" | "identity">;
}

/** The view "Topics": subscribe to channels, and everything about each. */
export function TopicsView({ topics, connection }: TopicsViewProps): JSX.Element {
  const list = topics.list.value;
  const name = useRef<HTMLInputElement>(null);
  /** For screen readers: what became of the list. */
  const said = useSignal("");
  return (
    <>
      <Offline connection={connection} />
      <SubscribePanel
        topics={topics}
        input={name}
        onSubscribed={(channel) => {
          said.value = `${channel} is in the list of topics now.`;
        }}
      />
      <p class="visually-hidden" role="status">
        {said}
      </p>
      <p class="visually-hidden" role="status">
        {topics.summary}
      </p>
      {list.length > 0 ? (
        <div class="grid topics-list">
          {list.map((topic) => (
            <TopicPanel
              key={topic.name}
              topic={topic}
              clientId={connection.clientId}
              onUnsubscribe={() => {
                topics.unsubscribe(topic);
                said.value = `${topic.name} is not in the list of topics any more.`;
                // The button that was pressed is gone.
                name.current?.focus();
              }}
            />
          ))}
        </div>
      ) : (
        <Notice kind="empty" title="No topics yet.">
          Subscribe to a channel above. What is published on it appears here as it comes.
        </Notice>
      )}
    </>
  );
}

function Offline({ connection }: Pick<TopicsViewProps, "connection">): JSX.Element | null {
  if (connection.state.value !== "disconnected") return null;
  const nobody = connection.identity.value === undefined;
  return (
    <div class="topics-offline">
      <Notice
        kind="disconnected"
        title="The page is not connected."
        action={
          nobody ? (
            <a href="#/live">Give a token in Live</a>
          ) : (
            <button
              type="button"
              onClick={() => {
                connection.connect();
              }}
            >
              Connect
            </button>
          )
        }
      >
        {connection.problem.value ??
          "Feeds keep what they have; subscriptions begin when there is a connection."}
      </Notice>
    </div>
  );
}

function SubscribePanel({
  topics,
  input,
  onSubscribed,
}: {
  readonly topics: Topics;
  readonly input: { readonly current: HTMLInputElement | null };
  readonly onSubscribed: (channel: string) => void;
}): JSX.Element {
  const name = useSignal("");
  const problem = useSignal<string | undefined>(undefined);
  const subscribe = (channel: string): void => {
    problem.value = topics.subscribe(channel);
    if (problem.value !== undefined) {
      input.current?.focus();
      return;
    }
    name.value = "";
    onSubscribed(channel);
  };
  const taken = new Set(topics.list.value.map((topic) => topic.name));
  const rest = topics.suggestions.filter((channel) => !taken.has(channel));
  return (
    <Panel title="Subscribe">
      <form
        class="topics-subscribe"
        onSubmit={(event) => {
          event.preventDefault();
          subscribe(name.value.trim());
        }}
      >
        <Field
          label="Channel"
          problem={problem.value}
          input={(attributes) => (
            <input
              {...attributes}
              ref={input}
              type="text"
              value={name}
              placeholder="chat:lobby"
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              onInput={({ currentTarget }) => {
                name.value = currentTarget.value;
                problem.value = undefined;
              }}
            />
          )}
        />
        <button type="submit" class="primary">
          Subscribe
        </button>
      </form>
      <div class="topics-suggestions">
        {rest.length === 0 ? null : (
          <>
            <span class="quiet small">Worth a look:</span>
            {rest.map((channel) => (
              <button
                key={channel}
                type="button"
                class="plain"
                aria-label={`Subscribe to ${channel}`}
                onClick={() => {
                  subscribe(channel);
                  input.current?.focus();
                }}
              >
                {channel}
              </button>
            ))}
          </>
        )}
        <span class="quiet small topics-count">
          {taken.size} of at most {maxTopics}
        </span>
      </div>
    </Panel>
  );
}
