/** The provider's process: prints its port as the first line, as the pulumi CLI expects. */
import { parseArgs } from "node:util";
import { main } from "@pulumi/pulumi/provider/index.js";
import { recordOnly } from "./backend.ts";
import { createProvider } from "./provider.ts";

const { values } = parseArgs({
  options: {
    /** Checks and compares, and makes nothing real. */
    "record-only": { type: "boolean", default: false },
    project: { type: "string", default: "local-project" },
    region: { type: "string", default: "europe-west1" },
    "default-hostname": { type: "string", default: "appengine.localhost:8080" },
  },
});

const place = {
  project: values.project,
  region: values.region,
  defaultHostname: values["default-hostname"],
};
await main(createProvider(place, recordOnly), []);
