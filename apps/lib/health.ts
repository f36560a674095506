import type { Express } from "express";

import { errorBody, onlyMethods } from "./http.ts";

/**
 * `GET /healthz/live`: 200 while the process answers at all. `GET /healthz/ready`: 200 while it can
 * serve, else 503 with the reason.
 *
 * @param notReady why it cannot serve now; undefined when it can
 */
export function addHealthRoutes(app: Express, notReady: () => string | undefined): void {
  app
    .route("/healthz/live")
    .get((_request, response) => {
      response.json({ status: "live" });
    })
    .all(onlyMethods("GET", "HEAD"));
  app
    .route("/healthz/ready")
    .get((_request, response) => {
      const reason = notReady();
      if (reason === undefined) response.json({ status: "ready" });
      else response.status(503).json(errorBody("not_ready", reason));
    })
    .all(onlyMethods("GET", "HEAD"));
}
