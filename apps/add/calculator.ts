import { type Bus, BusError } from "../lib/bus.ts";
import { HttpError } from "../lib/http.ts";
import { topicSubject } from "../lib/topic-subject.ts";
import { concat, sum } from "./operands.ts";

/** Where every result is published. */
const subject = topicSubject("add");

/** What is answered to whoever asks for a result, however they ask. */
export interface Answer {
  readonly res: number | string;
}

/** The operations by their names. They throw HttpError for what is wrong. */
export type Calculator = Readonly<Record<"sum" | "concat", (body: unknown) => Promise<Answer>>>;

/**
 * A result is answered only once NATS has it.
 *
 * @param publishMs how long NATS may take; callers are promised an answer within 2 s in all
 */
export function createCalculator(bus: Pick<Bus, "publish">, publishMs = 1_500): Calculator {
  const published =
    (compute: (body: unknown) => number | string) =>
    async (body: unknown): Promise<Answer> => {
      const res = compute(body);
      await publish(bus, typeof res === "string" ? res : JSON.stringify(res), publishMs);
      return { res };
    };
  return { sum: published(sum), concat: published(concat) };
}

async function publish(bus: Pick<Bus, "publish">, text: string, withinMs: number): Promise<void> {
  try {
    await bus.publish(subject, Buffer.from(text), { withinMs });
  } catch (cause) {
    if (!(cause instanceof BusError)) throw cause;
    throw new HttpError(
      503,
      "not_published",
      `the result could not be published on topic add: ${cause.message}`,
      { cause, headers: { "retry-after": "1" } },
    );
  }
}
