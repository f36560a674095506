/**
 * `npm run bundle -- <app> <folder>`: writes what is deployed of an app to a folder. The image of a
 * custom runtime is built from it, so that it holds the very files that an archive would.
 */

import { join, resolve } from "node:path";
import { apps } from "../components/lib/apps.ts";
import { type App, bundleApp, writeBundle } from "../components/lib/bundle.ts";

const known: Readonly<Record<string, App>> = apps;
const [name = "", folder = "", ...rest] = process.argv.slice(2);
const app = Object.hasOwn(known, name) ? known[name] : undefined;
if (app === undefined || folder === "" || rest.length > 0) {
  console.error(`usage: npm run bundle -- <${Object.keys(apps).join("|")}> <folder>`);
  process.exitCode = 2;
} else {
  try {
    const bundle = bundleApp(join(import.meta.dirname, ".."), app);
    writeBundle(bundle, resolve(folder));
    for (const { path, bytes } of bundle.files) console.log(`${path} ${bytes.length} bytes`);
    console.log(`digest ${bundle.digest}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
