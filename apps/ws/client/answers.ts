import { BusError } from "../../lib/bus.ts";
import { errors } from "../protocol/codes.ts";
import type { Effect, HistoryOutcome } from "../protocol/effects.ts";
import { publicationOf, publicationsWithin, publisherText } from "./encodings.ts";
import type { Host } from "./host.ts";
import { readHistory } from "./read-history.ts";

type EffectOf<K extends Effect["kind"]> = Extract<Effect, { readonly kind: K }>;

export async function publish(host: Host, effect: EffectOf<"publish">): Promise<void> {
  const { gate } = host;
  const { task, channel, data, info } = effect;
  try {
    await gate.shared.broker.publishFor(channel, data, {
      info: publisherText(info),
      withinMs: gate.limits.publishMs,
    });
  } catch (error) {
    gate.complain(error, "a publication failed");
    const tooLarge = error instanceof BusError && error.code === "too_large";
    host.input({ kind: "published", task, error: tooLarge ? errors.badRequest : errors.internal });
    return;
  }
  gate.metrics.published();
  host.input({ kind: "published", task });
}

export async function presence(host: Host, effect: EffectOf<"presence">): Promise<void> {
  const { gate } = host;
  const outcome = await gate.presence.ask(effect.channel);
  if (!outcome.complete) gate.metrics.incompletePresence.inc();
  const done = await host.turn(performance.now() + gate.limits.subscribeMs);
  host.input({ kind: "presence", task: effect.task, outcome });
  done();
}

export async function presenceStats(host: Host, effect: EffectOf<"presence-stats">): Promise<void> {
  const { gate } = host;
  const outcome = await gate.presence.stats(effect.channel);
  if (!outcome.complete) gate.metrics.incompletePresence.inc();
  host.input({ kind: "presence-stats", task: effect.task, outcome });
}

export async function history(host: Host, effect: EffectOf<"history">): Promise<void> {
  const { gate, wire } = host;
  const { channel, task } = effect;
  const deadline = performance.now() + gate.limits.subscribeMs;
  let done = (): void => undefined;
  let outcome: HistoryOutcome;
  try {
    const read = await readHistory(gate.shared, channel, effect, deadline, async () => {
      done = await host.turn(deadline);
    });
    outcome =
      read === undefined
        ? { ok: false, error: errors.unrecoverablePosition }
        : {
            ok: true,
            position: read.position,
            publications: publicationsWithin(read.messages, gate.limits.maxAnswerSize, (message) =>
              publicationOf(wire.codec, message),
            ),
          };
  } catch (error) {
    gate.complain(error, "a history could not be read");
    outcome = { ok: false, error: errors.internal };
  }
  host.input({ kind: "history", task, outcome });
  done();
}
