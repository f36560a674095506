import { homedir, platform } from "node:os";
import { join } from "node:path";

/** The folder in which this project keeps what it downloads or builds once. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const base =
    env["XDG_CACHE_HOME"] ??
    (platform() === "darwin"
      ? join(homedir(), "Library", "Caches")
      : platform() === "win32"
        ? (env["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local"))
        : join(homedir(), ".cache"));
  return join(base, "appengine-realtime");
}
