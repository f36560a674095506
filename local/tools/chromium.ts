/**
 * Finds the Chromium in which tests look at pages, and installs it where that may be done without
 * asking anybody: by apt-get, as root, as in the container of a pipeline.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import type { Machine } from "./nats-server.ts";
import { onPath } from "./on-path.ts";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Where macOS keeps programs with windows, which are on nobody's PATH. */
const applications = [
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** What to do where there is none, in one line. */
export const chromiumMissing =
  "there is no Chromium, so tests in a browser are left out: Debian: apt-get install chromium " +
  "(as root, npm run provision does it); macOS: brew install --cask chromium; Windows: winget install Google.Chrome";

/** The program, if there is one that runs: Ubuntu's package is one that only names another. */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const windows = [env["ProgramFiles"], env["ProgramFiles(x86)"]]
    .filter((folder) => folder !== undefined)
    .map((folder) => `${folder}\\Google\\Chrome\\Application\\chrome.exe`);
  const onThePath = names.map((name) => onPath(name, env, [".exe"]));
  return [...onThePath, ...applications, ...windows]
    .filter((file) => file !== undefined)
    .filter((file) => existsSync(file))
    .find((file) =>
      // Chrome for Windows has no --version: it would open a window.
      file.endsWith(".exe") ? true : spawnSync(file, ["--version"], { env }).status === 0,
    );
}

/** The part of a machine that the search needs. */
export type ChromiumMachine = Pick<Machine, "run" | "progress"> & {
  readonly env: NodeJS.ProcessEnv;
  /** Whether this process may install packages. */
  readonly root: boolean;
};

/**
 * The path of a Chromium.
 *
 * @throws Error with one line that says what to do where there is none and none could be installed
 */
export async function provideChromium({
  env,
  root,
  run,
  progress,
}: ChromiumMachine): Promise<string> {
  const found = findChromium(env);
  if (found !== undefined) return found;
  if (!root || onPath("apt-get", env, []) === undefined) throw new Error(chromiumMissing);
  progress("Chromium: installing with apt-get (once, about 300 MB) …");
  const quietly = { DEBIAN_FRONTEND: "noninteractive" };
  // Who else installs something just now is waited for.
  const common = ["-qq", "-o", "DPkg::Lock::Timeout=300"];
  try {
    await run("apt-get", [...common, "update"], quietly);
    // What it recommends is for people in front of a screen.
    const install = ["install", "--yes", "--no-install-recommends", "chromium"];
    await run("apt-get", [...common, ...install], quietly);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const words = text.trim().split("\n").slice(0, 3).join(" ");
    throw new Error(`${chromiumMissing} (apt-get failed: ${words})`, { cause: error });
  }
  const installed = findChromium(env);
  if (installed === undefined) throw new Error(chromiumMissing);
  progress(`Chromium: ready in ${installed}`);
  return installed;
}
