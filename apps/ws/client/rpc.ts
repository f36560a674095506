import { errors } from "../protocol/codes.ts";
import type { Effect } from "../protocol/effects.ts";
import type { Host } from "./host.ts";

/** Answers above it wait until the client has read what there is for it. */
const largeBytes = 16_384;

export async function call(host: Host, effect: Extract<Effect, { kind: "rpc" }>): Promise<void> {
  const { gate } = host;
  const end = gate.metrics.callSeconds.startTimer();
  const { outcome, letGo } = await gate.calls.call(effect);
  end();
  const { task } = effect;
  try {
    if (!outcome.ok || outcome.data.length <= largeBytes) {
      host.input({ kind: "rpc", task, outcome });
      return;
    }
    const done = await host
      .turn(performance.now() + gate.limits.subscribeMs)
      .catch((error: unknown) => {
        gate.complain(error, "an answer to a call could not be given");
        return undefined;
      });
    host.input({
      kind: "rpc",
      task,
      outcome: done === undefined ? { ok: false, error: errors.internal } : outcome,
    });
    done?.();
  } finally {
    letGo();
  }
}
