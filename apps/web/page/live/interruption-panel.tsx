import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Field } from "../ui/field.tsx";
import { messageOf, shortened } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { Panel } from "../ui/panel.tsx";
import type { Connection } from "./connection.ts";
import { interruptAndPublish } from "./interruption.ts";

const nowhere = "";
const texts = [1, 2, 3].map((n) => `${n} of 3 while you were away`);

/** Breaks the connection on purpose, and counts what came of this and of every other loss. */
export function InterruptionPanel({
  connection,
}: {
  readonly connection: Connection;
}): JSX.Element {
  const channels = connection.channels.value;
  const [picked, pick] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const channel =
    picked === nowhere || (picked !== undefined && channels.includes(picked))
      ? picked
      : (channels[0] ?? nowhere);
  const connected = connection.state.value === "connected";
  const { lost, recoveries, messages, gaps } = connection.totals.value;

  const drop = async (): Promise<void> => {
    setProblem(undefined);
    if (channel === nowhere) {
      connection.interrupt();
      return;
    }
    setBusy(true);
    try {
      await interruptAndPublish(connection, channel, texts);
    } catch (error) {
      setProblem(messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Panel title="Recovery">
      <div class="stack">
        <dl class="stats live-stats">
          <div>
            <dt>Connections lost</dt>
            <dd>{lost}</dd>
          </div>
          <div>
            <dt>Recoveries</dt>
            <dd>{recoveries}</dd>
          </div>
          <div>
            <dt>Messages recovered</dt>
            <dd>{messages}</dd>
          </div>
          <div>
            <dt>Gaps</dt>
            <dd>{gaps}</dd>
          </div>
        </dl>
        <Field
          label="Published by another client meanwhile"
          hint="The connection is cut as a network would cut it. It comes back by itself, and brings what it missed."
          input={(attributes) => (
            <select
              {...attributes}
              value={channel}
              onChange={({ currentTarget }) => {
                pick(currentTarget.value);
              }}
            >
              {channels.map((name) => (
                <option key={name} value={name}>
                  {texts.length} messages on {shortened(name)}
                </option>
              ))}
              <option value={nowhere}>nothing</option>
            </select>
          )}
        />
        {problem === undefined ? null : (
          <Notice kind="error" title="The other client could not publish.">
            {problem}
          </Notice>
        )}
        <div class="row">
          {/* It keeps the focus while it can do nothing: that is so after each click. */}
          <button
            type="button"
            aria-disabled={!connected || busy}
            onClick={() => {
              if (connected && !busy) void drop();
            }}
          >
            Drop the connection
          </button>
        </div>
      </div>
    </Panel>
  );
}
