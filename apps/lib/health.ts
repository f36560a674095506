import type { Express } from "express";
import { errorBody, onlyMethods } from "./http.ts";

/** Why a service that stops takes nothing more. */
export const stopping = "this instance is stopping";

/**
 * `GET /healthz/live`: 200 while the process answers at all. `GET /healthz/ready`: 200 while it can
 * serve and does not stop, else 503 with the reason.
 *
 * @param signal aborts when the service begins to stop
 * @param obstacle why it cannot serve now; undefined when it can
 */
export function addHealthRoutes(
  app: Express,
  signal: AbortSignal,
  obstacle: () => string | undefined = () => undefined,
): void {
  app
    .route("/healthz/live")
    .get((_request, response) => {
      response.json({ status: "live" });
    })
    .all(onlyMethods("GET", "HEAD"));
  app
    .route("/healthz/ready")
    .get((_request, response) => {
      const reason = signal.aborted ? stopping : obstacle();
      if (reason === undefined) response.json({ status: "ready" });
      else response.status(503).json(errorBody("not_ready", reason));
    })
    .all(onlyMethods("GET", "HEAD"));
}
