import { complete } from "./merge.ts";
import type { Picture } from "./picture.ts";
import { answerOf, isFields, type SystemSource } from "./source.ts";

const who = "The local cloud";
const patienceMs = 5_000;

/** The local cloud itself, which knows every process that it has started. */
export function localSource({
  fetch: get,
  declared,
}: {
  readonly fetch: typeof fetch;
  readonly declared: Picture;
}): SystemSource {
  return {
    look: async (signal) => {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
      // It is of the same release as this page: what it says has the form that is agreed on.
      const seen = await answerOf(who, () => get("/_local/system", { signal: limited }));
      if (!("services" in seen)) throw new Error(`${who} says nothing of services.`);
      return { picture: complete(seen as unknown as Picture, declared) };
    },
    kill: async (target) => {
      const { killed } = await answerOf(who, () =>
        get("/_local/kill", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(target),
          signal: AbortSignal.timeout(patienceMs),
        }),
      );
      const pid = isFields(killed) ? killed["pid"] : undefined;
      if (typeof pid !== "number") throw new Error(`${who} does not say what it has killed.`);
      return pid;
    },
  };
}
