import type { JSX } from "preact";
import { ConfirmButton } from "../ui/confirm.tsx";
import { clockTime, duration } from "../ui/format.ts";
import { Panel } from "../ui/panel.tsx";
import { Status } from "../ui/status.tsx";
import { absenceText, idleText, inOrder, percent, receiverOf, toneOf } from "./layout.ts";
import {
  type InstancePart,
  isSame,
  type KillTarget,
  type NatsPart,
  type Picture,
  type ServicePart,
  type TopicPart,
} from "./picture.ts";
import type { Kill } from "./system.ts";

/** Kills what it is given; undefined where nobody can. */
export type KillIt = ((target: KillTarget, name: string) => void) | undefined;

/** Everything of the picture as lists, with what one can do about it. */
export function ListView({
  picture,
  kill,
  kills,
}: {
  readonly picture: Picture;
  readonly kill: KillIt;
  /** What became of those who were killed, the newest first. */
  readonly kills: readonly Kill[];
}): JSX.Element {
  const { services, rules, nats, topics } = picture;
  const ruled = new Set(services.map(({ service }) => service));
  return (
    <div class="system-list">
      {inOrder(picture).map((service) => (
        <Service
          key={service.service}
          service={service}
          paths={rules.filter((rule) => rule.service === service.service).map(({ path }) => path)}
          {...{ kill, kills }}
        />
      ))}
      {nats.length === 0 ? null : (
        <Panel title="NATS">
          <ul>
            {nats.map((machine) => (
              <Process key={machine.name} part={machine} name={machine.name} {...{ kill, kills }} />
            ))}
          </ul>
        </Panel>
      )}
      {topics.length === 0 ? null : (
        <Panel title="Topics">
          <div class="stack">
            {topics.map((topic) => (
              <Topic key={topic.name} topic={topic} />
            ))}
          </div>
        </Panel>
      )}
      {rules.some(({ service }) => !ruled.has(service)) ? (
        <Panel title="Rules without a service">
          <ul>
            {rules
              .filter(({ service }) => !ruled.has(service))
              .map(({ path, service }) => (
                <li key={path}>
                  <code>{path}</code> leads to {service}
                </li>
              ))}
          </ul>
        </Panel>
      ) : null}
    </div>
  );
}

function Service({
  service: part,
  paths,
  kill,
  kills,
}: {
  readonly service: ServicePart;
  readonly paths: readonly string[];
  readonly kill: KillIt;
  readonly kills: readonly Kill[];
}): JSX.Element {
  const { service, kind, scaling, versions, idleVersions } = part;
  const absence = absenceText(part);
  return (
    <Panel title={service} actions={<span class="tag">{kind ?? "not declared"}</span>}>
      <div class="stack">
        <dl class="facts small">
          <dt>Scaling</dt>
          <dd>{scaling ?? "unknown"}</dd>
          <dt>Paths</dt>
          <dd>
            {paths.map((path) => (
              <code key={path} class="system-path">
                {path}
              </code>
            ))}
            {service === "default" ? <span>everything else</span> : null}
            {paths.length === 0 && service !== "default" ? <span>no rule leads to it</span> : null}
          </dd>
        </dl>
        {versions.length === 0 ? (
          <p>
            <Status tone="quiet">{`${absence.slice(0, 1).toUpperCase()}${absence.slice(1)}`}</Status>
          </p>
        ) : null}
        {versions.map(({ version, share, instances }) => (
          <div key={version}>
            <h4 class="system-version-name">
              <span class="mono">{version === "" ? "version unknown" : version}</span>
              {share === null ? null : <span class="quiet"> {percent(share)} of the traffic</span>}
            </h4>
            {instances.length === 0 ? (
              <p class="quiet small">Its instances are not known here.</p>
            ) : (
              <ul>
                {instances.map((instance, index) => (
                  // By its place: an old process and a new one may have the same name for a while.
                  <Process key={index} part={instance} name={instance.id} {...{ kill, kills }} />
                ))}
              </ul>
            )}
          </div>
        ))}
        {idleVersions === undefined ? null : <p class="quiet small">{idleText(idleVersions)}</p>}
      </div>
    </Panel>
  );
}

const words = {
  live: "Live",
  starting: "Starting",
  restarting: "Restarting",
  stopping: "Stopping",
  declared: "Declared",
} as const;

function Process({
  part,
  name,
  kill,
  kills,
}: {
  readonly part: InstancePart | NatsPart;
  readonly name: string;
  readonly kill: KillIt;
  readonly kills: readonly Kill[];
}): JSX.Element {
  const { state, kill: target } = part;
  return (
    <li class="system-process">
      <span class="system-process-name">{name}</span>
      <Status tone={toneOf(state)}>{words[state]}</Status>
      <span class="system-process-facts quiet small">{factsOf(part, kills)}</span>
      {kill === undefined || target === undefined ? null : (
        <ConfirmButton
          label="Kill"
          name={`Kill ${name}`}
          question={`Kill ${name}?`}
          confirm="Kill it"
          onConfirm={() => {
            kill(target, name);
          }}
        />
      )}
    </li>
  );
}

/** The shortest that is worth to be known of a process. */
function factsOf(
  { state, startedAt, starts = 1, kill }: InstancePart | NatsPart,
  kills: readonly Kill[],
): string {
  if (state !== "live") return "";
  const last = kills.find(({ target }) => kill !== undefined && isSame(target, kill));
  if (last?.outcome.kind === "back") return `back after ${duration(last.outcome.afterMs)}`;
  const times = starts < 2 ? "" : `, start ${starts}`;
  return startedAt === undefined ? "" : `since ${clockTime(new Date(startedAt))}${times}`;
}

function Topic({ topic: { name, subscriptions } }: { readonly topic: TopicPart }): JSX.Element {
  return (
    <div>
      <h4 class="system-topic">{name}</h4>
      {subscriptions.length === 0 ? (
        <p class="quiet small">No subscription pushes what comes here to anybody.</p>
      ) : (
        <ul>
          {subscriptions.map((subscription) => (
            <li key={subscription.name} class="system-subscription small">
              <code>{subscription.name}</code>
              <span class="quiet"> pushes to {receiverOf(subscription)}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
