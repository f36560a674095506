import { type Instant, longestBetween, shortestBetween } from "./clock.ts";

/** How leases are timed; the same on every replica of a deployment. */
export interface LeaseTimes {
  /** How long a lease lasts. */
  readonly leaseMs: number;
  /** How often it is renewed. */
  readonly renewMs: number;
  /** So long before the end its holder stops to serve: room for clocks that run at different speeds. */
  readonly marginMs: number;
}

export function leaseTimes(leaseMs: number): LeaseTimes {
  return { leaseMs, renewMs: leaseMs / 4, marginMs: leaseMs / 10 };
}

/**
 * The holder's view of its lease. It counts from the moment at which a renewal was sent, which is
 * before anybody else can have seen it: so it ends here before it ends for anybody else.
 */
export class HeldLease {
  readonly #times: LeaseTimes;
  #sentAt: Instant | undefined;

  constructor(times: LeaseTimes) {
    this.#times = times;
  }

  /** @param sentAt when the request that granted or renewed it was sent */
  grant(sentAt: Instant): void {
    this.#sentAt = sentAt;
  }

  drop(): void {
    this.#sentAt = undefined;
  }

  isValid(now: Instant): boolean {
    const { leaseMs, marginMs } = this.#times;
    return this.#sentAt !== undefined && longestBetween(this.#sentAt, now) < leaseMs - marginMs;
  }
}

/**
 * The view of those who wait for others. No clock of another machine is read: a lease has ended when
 * its record stayed as it was for a whole lease, by the observer's own clock.
 */
export class LeaseObserver {
  readonly #leaseMs: number;
  readonly #seen = new Map<string, { readonly renewal: number; readonly since: Instant }>();

  constructor({ leaseMs }: Pick<LeaseTimes, "leaseMs">) {
    this.#leaseMs = leaseMs;
  }

  /**
   * Takes note of a record that was read, and says whether the lease has ended.
   *
   * @param renewal changes with each renewal
   * @param leaseMs as the record says: another version of the service may have longer leases
   * @param now after the record had arrived: it may have been written while it was being read
   */
  hasEnded(replica: string, renewal: number, leaseMs: number, now: Instant): boolean {
    const seen = this.#seen.get(replica);
    if (seen?.renewal === renewal) {
      return shortestBetween(seen.since, now) >= Math.max(leaseMs, this.#leaseMs);
    }
    this.#seen.set(replica, { renewal, since: now });
    return false;
  }

  /** Forgets everybody else. */
  keepOnly(replicas: ReadonlySet<string>): void {
    for (const replica of this.#seen.keys()) {
      if (!replicas.has(replica)) this.#seen.delete(replica);
    }
  }
}
