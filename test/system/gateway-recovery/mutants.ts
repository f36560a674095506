/** The gateway with one deliberate defect, to show that the checker sees it. */
import type { Mutant } from "../../support/mutant.ts";

export const mutants = {
  gap: {
    name: "what a message says of its predecessor is not looked at",
    file: "history/count.ts",
    original: `if (message.previous !== 0) return message.previous === tip.seq;`,
    defect: `if (message.previous !== 0) return true;`,
  },
  buffered: {
    name: "one publication is dropped that came between subscribing and reading the history",
    file: "history/channel-log.ts",
    original: `      this.#append(message);
    }
    return messages`,
    defect: `      const anchor = message === messages?.[0] ? this.#count.anchor : undefined;
      if (anchor === undefined) this.#append(message);
      else {
        const tip = { ...anchor.tip, seq: message.seq, time: message.time };
        this.#count.begin({ ...anchor, tip }, []);
      }
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
    original: `          open.log.reconnected();`,
    defect: `          void open;`,
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
    original: `return await jetStream.publish(subject, data, attempt);`,
    defect: `void jetStream.publish(subject, data, attempt).catch(() => undefined);
          return 0;`,
  },
} as const satisfies Readonly<Record<string, Mutant>>;
