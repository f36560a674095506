import { type Bus, BusError } from "../../lib/bus.ts";
import type { Members } from "./members.ts";

export interface Question {
  readonly bus: Bus;
  readonly members: Pick<Members, "others">;
  /** Asks one of the other gateways; what it throws ends the question. */
  readonly ask: (id: string) => Promise<void>;
  /** Whether nobody waits for the answer any more. */
  readonly ended: () => boolean;
}

/**
 * Asks all other gateways, each once, at the same time; also those whose hello was on its way when the
 * question began.
 *
 * @returns false when NATS did not say that there are no more
 */
export async function askOthers({ bus, members, ask, ended }: Question): Promise<boolean> {
  const asked = new Set<string>();
  let complete = true;
  // Every hello that NATS had taken when the question began is here before this answer.
  let barrier: Promise<void> | undefined = bus.flush();
  for (;;) {
    const fresh = members.others.filter((id) => !asked.has(id));
    if (ended() || (barrier === undefined && fresh.length === 0)) return complete;
    for (const id of fresh) asked.add(id);
    const failed = (): void => {
      complete = false;
    };
    await Promise.all([barrier?.catch(failed), ...fresh.map(ask)]);
    // Whose hello came meanwhile is asked, too.
    barrier = undefined;
  }
}

/** Whether an error says that NATS knows nobody who would answer. */
export function isNobody(error: unknown): boolean {
  return error instanceof BusError && error.code === "no_responders";
}
