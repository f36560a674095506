import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apps } from "../../components/lib/apps.ts";
import { bundleApp, writeBundle } from "../../components/lib/bundle.ts";
import { repository } from "./checkout.ts";

/** A deliberate defect of an app, to show that a test sees it. */
export interface Mutant {
  /** What is wrong with it. */
  readonly name: string;
  /** Below the app's folder. */
  readonly file: string;
  /** What is replaced; it must be there exactly once. */
  readonly original: string;
  readonly defect: string;
}

const folders: string[] = [];
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Bundles an app, with a defect or as it is; the program, which goes with this process. */
export function bundleWith(app: "m" | "ws", mutant?: Mutant): string {
  const folder = mkdtempSync(join(tmpdir(), `${app}-bundle-`));
  folders.push(folder);
  mkdirSync(join(folder, "apps"));
  for (const part of ["lib", app]) {
    cpSync(join(repository, "apps", part), join(folder, "apps", part), { recursive: true });
  }
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"), "dir");
  if (mutant !== undefined) {
    const { name, file, original, defect } = mutant;
    const path = join(folder, "apps", app, file);
    const parts = readFileSync(path, "utf8").split(original);
    if (parts.length !== 2) {
      throw new Error(
        `${file} has the place of the defect "${name}" ${parts.length - 1} times, not once`,
      );
    }
    writeFileSync(path, parts.join(defect));
  }
  const bundled = join(folder, "bundle");
  writeBundle(bundleApp(folder, apps[app]), bundled);
  return join(bundled, "main.js");
}
