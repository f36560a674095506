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
    original: `return message.previous === seq && message.seq > seq;`,
    defect: `return message.seq > seq;`,
  },
  buffered: {
    name: "one publication is dropped that came between subscribing and reading the history",
    file: "history/channel-log.ts",
    original: `      this.#append(message);
    }
    // As many`,
    defect: `      if (index > 0 || this.#tip === undefined) this.#append(message);
      else this.#tip = { ...this.#tip, seq: message.seq, time: message.time };
    }
    // As many`,
  },
  epoch: {
    name: "the epoch is not looked at",
    file: "history/channel-log.ts",
    original: `const sameEpoch = recover.epoch === "" || recover.epoch === position.epoch;`,
    defect: `const sameEpoch = recover.epoch.length >= 0;`,
  },
  old: {
    name: "what is left of a history counts as all that was missed",
    file: "history/channel-log.ts",
    original: `    if (missing > Math.min(max, this.#options.limits.size)) return failed;
    if (missing > this.#entries.length) return this.#complete ? failed : undefined;
    const entries = this.#entries.slice(-missing);`,
    defect: `    const entries = this.#entries.slice(-Math.min(missing, max, this.#options.limits.size));`,
  },
  reconnect: {
    name: "nobody looks for what was published while NATS was away",
    file: "history/channel-log.ts",
    original: `    this.#again = true;
    this.#settle();
  }`,
    defect: `    this.#again = false;
  }`,
  },
  anchor: {
    name: "gateways count from an anchor that is wrong by one",
    file: "history/channel-log.ts",
    original: `const anchor: Anchor = { epoch: this.#epoch, tip };`,
    defect: `const anchor: Anchor = { epoch: this.#epoch, tip: { ...tip, offset: tip.offset + 1 } };`,
  },
  lost: {
    name: "subscribers are not told that their numbering has ended",
    file: "history/channel-log.ts",
    original: `      this.#options.onLost();
      return true;`,
    defect: `      return true;`,
  },
  purge: {
    name: "a message that is missing before its time counts as expired",
    file: "history/continuation.ts",
    original: `if (!expired || state.firstSeq <= tip.seq) return undefined;`,
    defect: `if (Number.isNaN(Number(expired))) return undefined;`,
  },
  acknowledged: {
    name: "a publication is acknowledged before it is stored",
    file: "history/history.ts",
    original: `          await jetStream.publish(topicSubject(channel), data, {`,
    defect: `          void jetStream.publish(topicSubject(channel), data, {`,
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
