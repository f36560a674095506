import { BusError } from "../../lib/bus.ts";
import { within } from "../../lib/within.ts";
import type { Subscriber } from "../hub.ts";
import type { Input } from "../protocol/effects.ts";
import type { Session } from "../protocol/session.ts";
import type { Wire } from "../transport/wire.ts";
import type { Gate } from "./endpoint.ts";

/** A connection, as those see it who carry out what its session wants done. */
export interface Host extends Subscriber {
  readonly gate: Gate;
  readonly wire: Wire;
  readonly session: Session;
  /** True once nothing more is to be said to the client. */
  readonly isOver: boolean;
  /** Tells the session what came of something, and carries out what it wants done then. */
  input(input: Input): void;
  /** Sends what is pending. */
  flush(): void;
  /**
   * Waits for the turn to make a large answer.
   *
   * @returns ends the turn
   * @throws BusError `unavailable` when the client has not read the answers before it in time
   */
  turn(deadline: number): Promise<() => void>;
}

/** Waits for what NATS is asked for, if there is anything to wait for. */
export async function until(promise: Promise<void> | undefined, deadline: number): Promise<void> {
  if (promise === undefined) return;
  const late = (): Error => new BusError("unavailable", "NATS did not answer in time");
  await within(promise, deadline - performance.now(), late);
}
