/** What the replicas keep in common. Datastore holds it (datastore-store.ts). */
import type { Change, Snapshot } from "./memory.ts";
import type { WriteOutcome, WriteRequest } from "./plan.ts";

/** Why something could not be done. */
export type StoreErrorCode =
  /** Others wrote at the same time. Nothing was written. */
  | "contention"
  /** Nobody answered. Nothing was written. */
  | "unavailable"
  /** Nobody answered after the commit was sent: it may have been written. */
  | "in doubt";

export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode;
  /** Of a commit in doubt: the revision that it was based on. */
  readonly base: number | undefined;

  constructor(
    code: StoreErrorCode,
    message: string,
    options: ErrorOptions & { base?: number } = {},
  ) {
    super(message, options);
    this.code = code;
    this.base = options.base;
  }
}

/** Which process a replica is; its index is only an address, and another process may have it next. */
export interface ReplicaIdentity {
  /** Made at the start of the process. */
  readonly replica: string;
  readonly instance: string | undefined;
  readonly version: string | undefined;
}

/** A replica's record: while it is renewed, the replica may serve. */
export interface LeaseRecord extends ReplicaIdentity {
  /** The index of its instance, once it knows. */
  readonly index: number | undefined;
  /** Counts the renewals of this process. */
  readonly renewal: number;
  /** The highest revision that it has applied. */
  readonly rev: number;
  readonly serving: boolean;
  /** By its own clock; for people. */
  readonly renewedAt: Date;
  readonly leaseMs: number;
}

/** Where M is, and how far Pub/Sub was told. */
export interface Head {
  readonly rev: number;
  /** The highest revision that is known to be published. */
  readonly published: number;
}

export interface CommitResult {
  /** One for each request, in their order. */
  readonly outcomes: readonly WriteOutcome[];
  /** What was written, consecutive; empty when nothing was. */
  readonly changes: readonly Change[];
}

/**
 * Everything is read as it is now and not as it was. Every function may throw StoreError; only
 * `commit` throws "in doubt".
 */
export interface Store {
  /**
   * Writes what the requests ask for in one transaction, in their order.
   *
   * @param doubt the `base` of the first try of the same requests that ended in doubt: what was
   *   committed since is found again
   */
  commit(requests: readonly WriteRequest[], doubt?: number): Promise<CommitResult>;

  head(): Promise<Head>;

  /**
   * The next changes after a revision, as many as can be had at once.
   *
   * @returns empty when the next one is not there: it is no longer kept, or not yet written
   */
  changesAfter(rev: number, upTo: number): Promise<readonly Change[]>;

  snapshot(): Promise<Snapshot>;

  /** Makes a replica a member, and answers with the revision that it must have before it serves. */
  join(lease: LeaseRecord): Promise<{ readonly rev: number }>;

  /** Renews a member's lease; false when it is no member any more. */
  renew(lease: LeaseRecord): Promise<boolean>;

  /** Ends a membership. The replica must not serve any more. */
  leave(replica: string): Promise<void>;

  members(): Promise<readonly string[]>;

  /** The leases of these replicas; those that are no members are left out. */
  leases(replicas: readonly string[]): Promise<readonly LeaseRecord[]>;

  /** Ends another's membership if it has not renewed its lease since; false when it has. */
  expel(replica: string, renewal: number): Promise<boolean>;

  /** Notes that Pub/Sub has taken the news of a revision. */
  markPublished(rev: number): Promise<void>;

  /** Deletes idempotency keys whose time is over. */
  forgetUsedKeys(): Promise<void>;

  close(): Promise<void>;
}
