import type { JSX } from "preact";
import { ConfirmButton } from "../ui/confirm.tsx";
import { clockTime } from "../ui/format.ts";
import { Panel } from "../ui/panel.tsx";
import { Status } from "../ui/status.tsx";
import { idleText, percent, receiverOf, toneOf } from "./layout.ts";
import type {
  InstancePart,
  KillTarget,
  NatsPart,
  Picture,
  ServicePart,
  TopicPart,
} from "./picture.ts";

/** Kills what it is given; undefined where nobody can. */
export type KillIt = ((target: KillTarget, name: string) => void) | undefined;

/** Everything of the picture as lists, with what one can do about it. */
export function ListView({
  picture: { services, rules, nats, topics },
  kill,
}: {
  readonly picture: Picture;
  readonly kill: KillIt;
}): JSX.Element {
  const ruled = new Set(services.map(({ service }) => service));
  return (
    <div class="grid system-list">
      {services.map((service) => (
        <Service
          key={service.service}
          service={service}
          paths={rules.filter((rule) => rule.service === service.service).map(({ path }) => path)}
          kill={kill}
        />
      ))}
      {nats.length === 0 ? null : (
        <Panel title="NATS">
          <ul>
            {nats.map((machine) => (
              <Process key={machine.name} part={machine} name={machine.name} kill={kill} />
            ))}
          </ul>
        </Panel>
      )}
      {topics.map((topic) => (
        <Topic key={topic.name} topic={topic} />
      ))}
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
  service: { service, kind, scaling, versions, idleVersions },
  paths,
  kill,
}: {
  readonly service: ServicePart;
  readonly paths: readonly string[];
  readonly kill: KillIt;
}): JSX.Element {
  return (
    <Panel title={service} actions={<span class="tag">{kind}</span>}>
      <div class="stack">
        <dl class="facts small">
          <dt>Scaling</dt>
          <dd>{scaling}</dd>
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
            <Status tone="quiet">Declared, not there</Status>
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
                {instances.map((instance) => (
                  <Process
                    key={`${instance.id} ${instance.index ?? ""}`}
                    part={instance}
                    name={instance.id}
                    kill={kill}
                  />
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
}: {
  readonly part: InstancePart | NatsPart;
  readonly name: string;
  readonly kill: KillIt;
}): JSX.Element {
  const { state, starts, kill: target } = part;
  const startedAt = "startedAt" in part ? part.startedAt : undefined;
  return (
    <li class="system-process">
      <span class="system-process-name">{name}</span>
      <Status tone={toneOf(state)}>{words[state]}</Status>
      <span class="system-process-facts quiet small">
        {startedAt === undefined ? "" : `since ${clockTime(new Date(startedAt))}`}
        {starts === undefined || starts < 2 ? "" : `, started ${starts} times`}
      </span>
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

function Topic({ topic: { name, subscriptions } }: { readonly topic: TopicPart }): JSX.Element {
  return (
    <Panel title={name} actions={<span class="tag">topic</span>}>
      {subscriptions.length === 0 ? (
        <p class="quiet">Nobody is pushed what comes here.</p>
      ) : (
        <ul>
          {subscriptions.map((subscription) => (
            <li key={subscription.name} class="system-subscription">
              <code>{subscription.name}</code>
              <span class="quiet"> pushes to {receiverOf(subscription)}</span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
