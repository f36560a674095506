/** What clients of M did and saw, and what must hold of it. */
import type { Patch } from "../../../apps/m/patch.ts";

/** A POST, from before it was sent to after its answer was read; times of one monotonic clock. */
export interface Post {
  readonly kind: "post";
  readonly invoked: number;
  readonly returned: number;
  /** Names what it asks for; a repeated request has the same. */
  readonly operation: string;
  readonly patch: Patch;
  /** 200: confirmed; 202: committed; undefined: no answer came. */
  readonly status: number | undefined;
  readonly rev: number | undefined;
  /** The answer's error code. */
  readonly code: string | undefined;
}

/** A GET of all of M that was answered with 200. */
export interface Get {
  readonly kind: "get";
  readonly invoked: number;
  readonly returned: number;
  /** The process that answered. */
  readonly replica: string;
  /** `If-Min-Rev`, or 0. */
  readonly minRev: number;
  readonly rev: number;
  readonly body: unknown;
}

export interface History {
  readonly posts: readonly Post[];
  readonly gets: readonly Get[];
  /** What Datastore holds in the end: the patch of revision 1, 2, 3 … */
  readonly log: readonly Patch[];
}

/** Every violation, in words; empty when the history is a correct one. */
export function violations(history: History): string[] {
  return [
    ...writeProblems(history),
    ...contentProblems(history),
    ...staleReads(history),
    ...steps(history),
  ];
}

/** Nothing that was acknowledged is lost, nothing that was refused is there, nothing is there twice. */
function writeProblems({ posts, log }: History): string[] {
  const problems: string[] = [];
  const tries = Map.groupBy(posts, ({ operation }) => operation);
  const effects = Map.groupBy(
    log.map((patch, index) => ({ rev: index + 1, operation: operationOf(patch) })),
    ({ operation }) => operation,
  );
  for (const [operation, revs] of effects) {
    if (revs.length > 1) {
      problems.push(`${operation} took effect ${revs.length} times`);
    }
    const own = tries.get(operation) ?? [];
    if (!own.some(mayHaveCommitted)) problems.push(`${operation} was refused, and took effect`);
  }
  for (const { operation, status, rev } of posts) {
    if (status !== 200 && status !== 202) continue;
    const revs = (effects.get(operation) ?? []).map((effect) => effect.rev);
    if (rev === undefined || !revs.includes(rev)) {
      problems.push(
        `${operation} was answered with revision ${rev ?? "none"}, but is at ${revs.join(", ") || "none"}`,
      );
    }
  }
  return problems;
}

/** No answer came, or one that does not say that nothing was committed. */
function mayHaveCommitted({ status, code }: Post): boolean {
  return status === undefined || status === 200 || status === 202 || code === "outcome_unknown";
}

/** The operation that a patch comes from: each writes its own name. */
export function operationOf(patch: Patch): string {
  return String(JSON.parse(patch.get("operation") ?? "null"));
}

/** Every answer is exactly M at the revision that it names. */
function contentProblems({ gets, log }: History): string[] {
  const states: Record<string, unknown>[] = [{}];
  for (const patch of log) {
    const next = { ...states.at(-1) };
    for (const [key, value] of patch) {
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a plain object is what is compared
      if (value === null) delete next[key];
      else next[key] = JSON.parse(value);
    }
    states.push(next);
  }
  const texts = states.map(canonical);
  return gets.flatMap(({ replica, rev, body, minRev }) => {
    const problems: string[] = [];
    if (rev < minRev)
      problems.push(`${replica} answered with revision ${rev} to If-Min-Rev ${minRev}`);
    const wanted = texts[rev];
    if (wanted === undefined)
      problems.push(`${replica} answered with revision ${rev}, which does not exist`);
    else if (canonical(body) !== wanted)
      problems.push(`${replica}'s answer is not M at revision ${rev}`);
    return problems;
  });
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** When a POST was confirmed, no read that starts later is older. */
function staleReads({ posts, gets }: History): string[] {
  const confirmed = posts
    .filter(({ status, rev }) => status === 200 && rev !== undefined)
    .sort((a, b) => a.returned - b.returned);
  const sorted = [...gets].sort((a, b) => a.invoked - b.invoked);
  const problems: string[] = [];
  let next = 0;
  let least: Post | undefined;
  for (const get of sorted) {
    for (let post = confirmed[next]; post !== undefined && post.returned < get.invoked;) {
      if ((post.rev ?? 0) > (least?.rev ?? 0)) least = post;
      post = confirmed[++next];
    }
    if (least?.rev !== undefined && get.rev < least.rev) {
      const ms = (get.invoked - least.returned).toFixed(1);
      problems.push(
        `${get.replica} answered with revision ${get.rev} to a read that began ${ms} ms after ${least.rev} was confirmed`,
      );
    }
  }
  return problems;
}

/** A replica never goes back. */
function steps({ gets }: History): string[] {
  const problems: string[] = [];
  const byReplica = Map.groupBy(gets, ({ replica }) => replica);
  for (const [replica, own] of byReplica) {
    const byInvoked = [...own].sort((a, b) => a.invoked - b.invoked);
    const byReturned = [...own].sort((a, b) => a.returned - b.returned);
    let next = 0;
    let highest = 0;
    for (const get of byInvoked) {
      for (let done = byReturned[next]; done !== undefined && done.returned < get.invoked;) {
        highest = Math.max(highest, done.rev);
        done = byReturned[++next];
      }
      if (get.rev < highest) {
        problems.push(`${replica} went back from revision ${highest} to ${get.rev}`);
      }
    }
  }
  return problems;
}
