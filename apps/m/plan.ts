import type { Change } from "./memory.ts";
import type { Patch } from "./patch.ts";

/** What a POST asks for. */
export interface WriteRequest {
  /** Names this request in the log of changes, so that its fate can be looked up. */
  readonly id: string;
  readonly patch: Patch;
  /** `If-Match`: the revision that must be the current one. */
  readonly ifRev: number | undefined;
  /** `Idempotency-Key`, hashed, and a digest of what was sent with it. */
  readonly idempotency: { readonly key: string; readonly digest: string } | undefined;
}

/** What became of it. */
export type WriteOutcome =
  | { readonly kind: "committed"; readonly rev: number }
  /** The same request was committed before. */
  | { readonly kind: "replayed"; readonly rev: number }
  /** `If-Match` names another revision than the current one. */
  | { readonly kind: "mismatch"; readonly rev: number }
  /** The `Idempotency-Key` was used with another body. */
  | { readonly kind: "reused key" };

/** An idempotency key that was used. */
export interface UsedKey {
  readonly rev: number;
  readonly digest: string;
}

/** A revision to write, and the request that it comes from. */
export interface PlannedChange extends Change {
  readonly request: WriteRequest;
}

export interface Plan {
  /** One for each request, in their order. */
  readonly outcomes: readonly WriteOutcome[];
  /** Consecutive, from `rev + 1`. */
  readonly changes: readonly PlannedChange[];
}

/**
 * Decides what requests that share a transaction become, one after the other.
 *
 * @param rev the current revision
 * @param used idempotency keys that were used before
 * @param done requests that an earlier try of theirs has committed, by id
 */
export function plan(
  requests: readonly WriteRequest[],
  rev: number,
  used: ReadonlyMap<string, UsedKey>,
  done: ReadonlyMap<string, number>,
): Plan {
  let current = rev;
  const keys = new Map(used);
  const changes: PlannedChange[] = [];
  const outcomes = requests.map((request): WriteOutcome => {
    const committed = done.get(request.id);
    if (committed !== undefined) return { kind: "committed", rev: committed };
    const { ifRev, idempotency, patch } = request;
    const before = idempotency && keys.get(idempotency.key);
    if (idempotency !== undefined && before !== undefined) {
      return before.digest === idempotency.digest
        ? { kind: "replayed", rev: before.rev }
        : { kind: "reused key" };
    }
    if (ifRev !== undefined && ifRev !== current) return { kind: "mismatch", rev: current };
    current += 1;
    changes.push({ rev: current, patch, request });
    if (idempotency !== undefined) {
      keys.set(idempotency.key, { rev: current, digest: idempotency.digest });
    }
    return { kind: "committed", rev: current };
  });
  return { outcomes, changes };
}
