import { join } from "node:path";
import { runService } from "../lib/service.ts";
import { createWebApp } from "./app.ts";
import { readSite } from "./site.ts";

runService({
  name: "web",
  read: () => ({}),
  build: ({ settings, log, signal }) => ({
    handler: createWebApp({
      site: readSite(join(import.meta.dirname, "page")),
      log,
      signal,
      project: settings.project,
    }),
  }),
});
