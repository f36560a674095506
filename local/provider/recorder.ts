/**
 * A provider's process that checks and compares and makes nothing real: no cloud is loaded for it, so
 * it is there at once. Its port is its first line; it ends when its stdin does.
 *
 * usage: node recorder.ts <project> <region>
 */
import { main } from "@pulumi/pulumi/provider/index.js";
import { recordOnly } from "./backend.ts";
import { createProvider } from "./provider.ts";

const [project = "local-project", region = "europe-west1"] = process.argv.slice(2);

// Its parent is gone, and nobody will ask again.
process.stdin.on("close", () => process.exit());
process.stdin.resume();

const place = { project, region, defaultHostname: `${project}.appspot.com` };
await main(createProvider(place, recordOnly), []);
