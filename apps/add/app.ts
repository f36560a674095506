import type { Express, Request, Response } from "express";
import { type Bus, BusError, connectionObstacle } from "../lib/bus.ts";
import { addHealthRoutes } from "../lib/health.ts";
import { createHttpApp, finishHttpApp, HttpError, jsonBody, onlyMethods } from "../lib/http.ts";
import type { Log } from "../lib/log.ts";
import { topicSubject } from "../lib/topic-subject.ts";
import { concat, sum } from "./operands.ts";

/** Where every result is published. */
const subject = topicSubject("add");

/**
 * Two texts that together are as long as a result may be, with every character escaped in six bytes,
 * and the braces.
 */
const maxBodyBytes = 6 * 65_536 + 1_024;

export interface AddOptions {
  readonly bus: Bus;
  readonly log: Log;
  /** Aborts when the service begins to stop. */
  readonly signal: AbortSignal;
  readonly project?: string | undefined;
  /** How long NATS may take before the answer is 503; the caller is promised 2 s in all. */
  readonly publishMs?: number;
}

/** The service's Express application; it does not listen. */
export function createAddApp({
  bus,
  log,
  signal,
  project,
  publishMs = 1_500,
}: AddOptions): Express {
  const app = createHttpApp();
  addHealthRoutes(app, signal, () => connectionObstacle(bus));

  const answer =
    (compute: (body: unknown) => number | string) =>
    async (request: Request, response: Response): Promise<void> => {
      const res = compute(request.body);
      await publish(bus, typeof res === "string" ? res : JSON.stringify(res), publishMs);
      response.json({ res });
    };
  app.route("/api/add/sum").post(jsonBody(maxBodyBytes), answer(sum)).all(onlyMethods("POST"));
  app
    .route("/api/add/concat")
    .post(jsonBody(maxBodyBytes), answer(concat))
    .all(onlyMethods("POST"));

  finishHttpApp(app, { log, project });
  return app;
}

/** Success is answered only for a result that NATS has taken. */
async function publish(bus: Bus, text: string, withinMs: number): Promise<void> {
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
