import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Connection } from "../live/connection.ts";
import { clockTime, duration } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { Panel } from "../ui/panel.tsx";
import { Status } from "../ui/status.tsx";
import { ListView } from "./list-view.tsx";
import { PictureView } from "./picture-view.tsx";
import type { KillTarget } from "./picture.ts";
import type { Kill, System } from "./system.ts";

export interface SystemViewProps {
  readonly system: System;
  readonly connection: Connection;
  /** Whether the picture comes from the local cloud. */
  readonly local: boolean;
}

/** The view "System": what is declared, and what of it lives. */
export function SystemView({ system, connection, local }: SystemViewProps): JSX.Element {
  useEffect(() => system.watch(), [system]);
  const picture = system.picture.value;
  const problem = system.problem.value;
  if (picture === undefined) {
    return problem === undefined ? (
      <Notice kind="loading" title="Looking …" />
    ) : (
      <Trouble system={system} title="The system cannot be seen." problem={problem} />
    );
  }
  if (picture.services.length === 0 && picture.nats.length === 0 && picture.topics.length === 0) {
    return (
      <Notice kind="empty" title="Nothing is declared, and nothing runs.">
        This page was started without the stack that it belongs to: <code>npm start</code> runs all
        of it.
      </Notice>
    );
  }
  const kill = system.canKill
    ? (target: KillTarget, name: string): void => {
        void system.kill(target, name);
      }
    : undefined;
  const kills = system.kills.value;
  return (
    <>
      {problem === undefined ? null : (
        <Trouble
          system={system}
          title={
            system.state.value === "failed"
              ? "This is as it was; just now nothing can be seen."
              : "Only a part of it can be seen just now."
          }
          problem={problem}
        />
      )}
      <Panel title="Picture" class="system-picture" actions={<Hint canKill={system.canKill} />}>
        <PictureView picture={picture} page={connection.state.value} kill={kill} />
      </Panel>
      {local ? <Kills kills={kills} /> : null}
      <ListView picture={picture} kill={kill} kills={kills} />
      <Seen system={system} local={local} />
    </>
  );
}

/** By itself, for it changes with each look. */
function Seen({ system, local }: Pick<SystemViewProps, "system" | "local">): JSX.Element {
  const at = system.seenAt.value;
  return (
    <p class="quiet small">
      Seen {local ? "from the local cloud" : "from the services themselves"}
      {at === undefined ? "" : ` at ${clockTime(at)}`}.
    </p>
  );
}

function Trouble({
  system,
  title,
  problem,
}: {
  readonly system: System;
  readonly title: string;
  readonly problem: string;
}): JSX.Element {
  return (
    <div class="system-trouble">
      <Notice
        kind="disconnected"
        title={title}
        action={
          <button
            type="button"
            onClick={() => {
              system.look();
            }}
          >
            Look again
          </button>
        }
      >
        {problem}
      </Notice>
    </div>
  );
}

function Hint({ canKill }: { readonly canKill: boolean }): JSX.Element | null {
  if (!canKill) return null;
  return <span class="quiet small">Press a process to kill it, and see it come back.</span>;
}

/** What became of those who were killed. */
function Kills({ kills }: { readonly kills: readonly Kill[] }): JSX.Element {
  const [last] = kills;
  return (
    <>
      <p class="visually-hidden" role="status">
        {last === undefined ? "" : sentence(last)}
      </p>
      {kills.length === 0 ? null : (
        <Panel
          title="Killed"
          actions={
            <a class="small" href="#/live">
              See what the connection went through
            </a>
          }
        >
          <ol class="log">
            {kills.map((kill) => (
              <li key={kill.number}>
                <time>{clockTime(kill.at)}</time>
                <span>
                  <Status tone={tones[kill.outcome.kind]}>{sentence(kill)}</Status>
                </span>
              </li>
            ))}
          </ol>
        </Panel>
      )}
    </>
  );
}

const tones = {
  asked: "busy",
  refused: "bad",
  killed: "busy",
  back: "good",
  missing: "bad",
} as const;

function sentence({ name, outcome }: Kill): string {
  switch (outcome.kind) {
    case "asked":
      return `${name} is to be killed.`;
    case "refused":
      return `${name} is not killed. ${outcome.message}`;
    case "killed":
      return `${name} is killed (process ${outcome.pid}); it is being started again.`;
    case "back":
      return `${name} was killed (process ${outcome.pid}), and serves again after ${duration(outcome.afterMs)}.`;
    case "missing":
      return `${name} was killed (process ${outcome.pid}), and has not come back in ${duration(outcome.afterMs)}.`;
    default:
      return outcome satisfies never;
  }
}
