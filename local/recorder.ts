/**
 * A provider's process that checks and compares and makes nothing real: no cloud is loaded for it, so
 * it is there at once. Its port is its first line; it ends when its stdin does.
 *
 * usage: node recorder.ts <project> <region>
 */
import { main } from "@pulumi/pulumi/provider/index.js";
import { recordOnly } from "./provider/backend.ts";
import { createProvider } from "./provider/provider.ts";

const [project, region] = process.argv.slice(2);
if (project === undefined || region === undefined) {
  throw new Error("usage: node recorder.ts <project> <region>");
}

// Its parent is gone, and nobody will ask again.
process.stdin.on("close", () => process.exit());
process.stdin.resume();

await main(createProvider({ project, region }, recordOnly), []);
