/** The service with one deliberate defect, to show that the checker sees it. */
import type { Mutant } from "../../support/mutant.ts";

export const mutants = {
  counted: {
    name: "acknowledgements are counted instead of kept for each replica",
    file: "confirmations.ts",
    original: `    if (this.#has(replica, rev)) return;
    this.#acknowledged.set(replica, rev);
    for (const waiter of [...this.#waiters]) {
      if (rev >= waiter.rev && waiter.missing.delete(replica)) {`,
    defect: `    this.#acknowledged.set(replica, rev);
    for (const waiter of [...this.#waiters]) {
      if (rev >= waiter.rev && waiter.missing.delete([...waiter.missing][0] ?? "")) {`,
  },
  lease: {
    name: "the lease is not looked at when a read is answered",
    file: "membership.ts",
    original: `if (!this.#lease.isValid(clock())) return "this replica's lease has ended";`,
    defect: `void clock;`,
  },
  barrier: {
    name: "a replica serves before it has the revision of its joining",
    file: "membership.ts",
    original: `if (follower.rev < this.#barrier) {`,
    defect: `if (follower.rev < this.#barrier && Number.isNaN(this.#barrier)) {`,
  },
  early: {
    name: "a revision is acknowledged before it is applied",
    file: "replica.ts",
    original: `if (this.follower.rev >= rev) this.#channel.acknowledge(writer, this.follower.rev);`,
    defect: `if (rev > 0) this.#channel.acknowledge(writer, rev);`,
  },
} as const satisfies Readonly<Record<string, Mutant>>;
