/** The gateway with one deliberate defect, to show that the checker sees it. */
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
  /** Below `apps/ws`. */
  readonly file: string;
  /** What is replaced; it must be there exactly once. */
  readonly original: string;
  readonly defect: string;
}

export const mutants = {
  gap: {
    name: "what a message says of its predecessor is not looked at",
    file: "history/channel-log.ts",
    original: `message.previous === tip.seq && message.seq > tip.seq`,
    defect: `message.seq > tip.seq`,
  },
  buffered: {
    name: "one publication is dropped that came between subscribing and reading the history",
    file: "history/channel-log.ts",
    original: `      this.#append(message);
    }
    return messages`,
    defect: `      if (message !== messages?.[0] || this.#tip === undefined) this.#append(message);
      else this.#tip = { ...this.#tip, seq: message.seq, time: message.time };
    }
    return messages`,
  },
  epoch: {
    name: "the epoch is not looked at",
    file: "history/snapshot.ts",
    original: `const sameEpoch = recover.epoch === "" || recover.epoch === position.epoch;`,
    defect: `const sameEpoch = recover.epoch.length >= 0;`,
  },
  old: {
    name: "what is left of a history counts as all that was missed",
    file: "history/snapshot.ts",
    original: `  if (missing > Math.min(limits.max, limits.size)) return failed;
  if (missing > tail.length) return tail.complete ? failed : undefined;
  const entries = tail.newest(missing);`,
    defect: `  const entries = tail.newest(Math.min(missing, limits.max, limits.size));`,
  },
  reconnect: {
    name: "nobody looks for what was published while NATS was away",
    file: "history/history.ts",
    original: `for (const { log } of this.#logs.values()) log.reconnected();`,
    defect: `void this.#logs;`,
  },
  anchor: {
    name: "gateways count from an anchor that is wrong by one",
    file: "history/anchor-keeper.ts",
    original: `const revision = await store.writeAnchor(anchor, this.#known?.revision ?? 0);`,
    defect: `const tip = { ...anchor.tip, offset: anchor.tip.offset + 1 };
      const revision = await store.writeAnchor({ ...anchor, tip }, this.#known?.revision ?? 0);`,
  },
  lost: {
    name: "subscribers are not told that their numbering has ended",
    file: "history/channel-log.ts",
    original: `if (had) this.#options.onLost();`,
    defect: `void had;`,
  },
  purge: {
    name: "a message that is missing before its time counts as expired",
    file: "history/continuation.ts",
    original: `if (!expired || state.firstSeq <= tip.seq) return refuted;`,
    defect: `void expired;`,
  },
  acknowledged: {
    name: "a publication is acknowledged before it is stored",
    file: "history/history.ts",
    original: `          await jetStream.publish(subject, data, attempt);
          return;`,
    defect: `          void jetStream.publish(subject, data, attempt).catch(() => undefined);
          return;`,
  },
} as const satisfies Readonly<Record<string, Mutant>>;

const folders: string[] = [];
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** The gateway as it is deployed, bundled once for this process. */
export const bundledGateway = ((): (() => string) => {
  let file: string | undefined;
  return () => (file ??= bundleGateway());
})();

/** Bundles the gateway, with a defect or without; the file, which goes with this process. */
export function bundleGateway(mutant?: Mutant): string {
  const folder = mkdtempSync(join(tmpdir(), "ws-bundle-"));
  folders.push(folder);
  mkdirSync(join(folder, "apps"));
  for (const part of ["lib", "ws"]) {
    cpSync(join(repository, "apps", part), join(folder, "apps", part), { recursive: true });
  }
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"), "dir");
  if (mutant !== undefined) {
    const { name, file, original, defect } = mutant;
    const path = join(folder, "apps/ws", file);
    const parts = readFileSync(path, "utf8").split(original);
    if (parts.length !== 2) {
      throw new Error(
        `${file} has the place of the defect "${name}" ${parts.length - 1} times, not once`,
      );
    }
    writeFileSync(path, parts.join(defect));
  }
  const bundled = join(folder, "bundle");
  writeBundle(bundleApp(folder, apps.ws), bundled);
  return join(bundled, "main.js");
}
