/** The service with one deliberate defect, to show that the checker sees it. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apps } from "../../../components/lib/apps.ts";
import { bundleApp, writeBundle } from "../../../components/lib/bundle.ts";
import { repository } from "../../support/checkout.ts";

export interface Mutant {
  /** What is wrong with it. */
  readonly name: string;
  /** Below `apps/m`. */
  readonly file: string;
  /** What is replaced; it must be there exactly once. */
  readonly original: string;
  readonly defect: string;
}

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

/** Bundles the service with the defect; the file, which goes with this process. */
export function bundleMutant({ name, file, original, defect }: Mutant): string {
  const folder = mkdtempSync(join(tmpdir(), "m-mutant-"));
  process.once("exit", () => {
    rmSync(folder, { recursive: true, force: true });
  });
  mkdirSync(join(folder, "apps"));
  for (const part of ["lib", "m"]) {
    cpSync(join(repository, "apps", part), join(folder, "apps", part), { recursive: true });
  }
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"), "dir");
  const path = join(folder, "apps/m", file);
  const source = readFileSync(path, "utf8");
  const parts = source.split(original);
  if (parts.length !== 2) {
    throw new Error(
      `${file} has the place of the defect "${name}" ${parts.length - 1} times, not once`,
    );
  }
  writeFileSync(path, parts.join(defect));
  const bundled = join(folder, "bundle");
  writeBundle(bundleApp(folder, apps.m), bundled);
  return join(bundled, "main.js");
}
