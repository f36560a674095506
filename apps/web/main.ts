import { join } from "node:path";
import { readSecret } from "../lib/secret.ts";
import { runService } from "../lib/service.ts";
import { createWebApp } from "./app.ts";
import { DemoTokens } from "./demo-tokens.ts";
import { readWebSettings } from "./settings.ts";
import { readSite } from "./site.ts";

runService({
  name: "web",
  read: readWebSettings,
  build: ({ settings, log, signal }) => {
    const { project, version, local, demoTokens: demo } = settings;
    return {
      handler: createWebApp({
        site: readSite(join(import.meta.dirname, "page")),
        console: { ...settings.console, project: project ?? "", version: version ?? "", local },
        demoTokens:
          demo &&
          new DemoTokens({
            readKey: () => readSecret(demo.secret, settings, signal),
            audience: demo.audience,
            issuer: demo.issuer,
          }),
        ...{ log, signal, project },
      }),
    };
  },
});
