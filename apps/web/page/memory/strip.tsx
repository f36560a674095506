import type { JSX } from "preact";
import { capitalized } from "../ui/format.ts";
import { Panel } from "../ui/panel.tsx";
import { Status } from "../ui/status.tsx";
import type { Memory } from "./memory.ts";
import {
  replicaName,
  type ReplicaCondition,
  type ReplicaState,
  servingSummary,
  stripSummary,
} from "./replicas.ts";

const conditions: Readonly<
  Record<ReplicaCondition, readonly ["good" | "busy" | "bad" | "quiet", string]>
> = {
  current: ["good", "Up to date"],
  behind: ["busy", "Behind"],
  joining: ["busy", "Not serving"],
  silent: ["busy", "Silent"],
  ended: ["bad", "Lease ended"],
  gone: ["quiet", "Gone"],
};

/** The newest revisions, which a replica has or lacks, as a track of so many. */
const tracked = 12;

/** The replicas, side by side. */
export function Strip({ memory }: { readonly memory: Memory }): JSX.Element {
  const replicas = memory.replicas.value;
  const head = memory.head.value;
  return (
    <Panel title="Replicas" actions={<p class="memory-head">{stripSummary(replicas, head)}</p>}>
      {/* Who comes and goes is told; the revisions, which change all the time, are there to be read. */}
      <p role="status" class="visually-hidden">
        {servingSummary(replicas)}
      </p>
      <ul class="memory-strip" aria-label="Replicas">
        {replicas.map((replica) => (
          <Replica key={replica.id} replica={replica} fresh={memory.problem.value === undefined} />
        ))}
      </ul>
      <p class="small quiet memory-legend">
        Blocks: the newest {tracked} revisions, full where the replica has them. Bar: what is left
        of its lease. Its index is known from the first change on.
      </p>
    </Panel>
  );
}

function Replica({
  replica,
  fresh,
}: {
  readonly replica: ReplicaState;
  /** False: that is how it was when the service was last heard. */
  readonly fresh: boolean;
}): JSX.Element {
  const { id, instance, version, rev, behind, ageMs, leaseMs, condition } = replica;
  const [tone, word] = conditions[condition];
  const left = condition === "gone" ? 0 : Math.max(0, 1 - ageMs / leaseMs);
  return (
    <li class={`memory-replica memory-${condition}`}>
      <div class="memory-replica-head">
        <h4>{capitalized(replicaName(replica))}</h4>
        <Status tone={fresh ? tone : "quiet"}>
          {condition === "behind" ? `${behind} behind` : word}
        </Status>
      </div>
      <p class="memory-rev">
        <span class="quiet small">Revision </span>
        <span class="memory-rev-number">{rev}</span>
      </p>
      <div class="memory-track" aria-hidden="true">
        {Array.from({ length: tracked }, (_, place) => (
          <span key={place} class={tracked - place > behind ? "memory-has" : "memory-lacks"} />
        ))}
      </div>
      <p class="small quiet">
        {condition === "gone"
          ? "no member any more"
          : `Lease renewed ${seconds(ageMs)} ${fresh ? "ago" : "before"}, of ${seconds(leaseMs)}`}
      </p>
      <div class="memory-bar memory-lease" aria-hidden="true">
        <span style={{ width: `${left * 100}%` }} />
      </div>
      <p class="memory-identity">
        <span title={id}>{id.slice(0, 8)}</span>
        {instance === undefined ? null : <span title={instance}>{instance}</span>}
        {version === undefined ? null : <span title={version}>{version}</span>}
      </p>
    </li>
  );
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
