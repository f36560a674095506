import type { Express, Request, Response } from "express";
import { type Bus, connectionObstacle } from "../lib/bus.ts";
import { addHealthRoutes } from "../lib/health.ts";
import { createHttpApp, finishHttpApp, jsonBody, onlyMethods } from "../lib/http.ts";
import type { Log } from "../lib/log.ts";
import type { Answer, Calculator } from "./calculator.ts";

/**
 * Two texts that together are as long as a result may be, with every character escaped in six bytes,
 * and the braces.
 */
const maxBodyBytes = 6 * 65_536 + 1_024;

export interface AddOptions {
  readonly bus: Pick<Bus, "connected">;
  readonly calculator: Calculator;
  readonly log: Log;
  /** Aborts when the service begins to stop. */
  readonly signal: AbortSignal;
  readonly project?: string | undefined;
}

/** The service's Express application; it does not listen. */
export function createAddApp({ bus, calculator, log, signal, project }: AddOptions): Express {
  const app = createHttpApp();
  addHealthRoutes(app, signal, () => connectionObstacle(bus));

  const answer =
    (operation: (body: unknown) => Promise<Answer>) =>
    async (request: Request, response: Response): Promise<void> => {
      response.json(await operation(request.body));
    };
  app
    .route("/api/add/sum")
    .post(jsonBody(maxBodyBytes), answer(calculator.sum))
    .all(onlyMethods("POST"));
  app
    .route("/api/add/concat")
    .post(jsonBody(maxBodyBytes), answer(calculator.concat))
    .all(onlyMethods("POST"));

  finishHttpApp(app, { log, project });
  return app;
}
