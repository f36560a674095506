import { homedir, platform } from "node:os";
import { isAbsolute, join } from "node:path";

/** The folder in which this project keeps what it downloads or builds once. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const base =
    folder(env["XDG_CACHE_HOME"]) ??
    (platform() === "darwin"
      ? join(homedir(), "Library", "Caches")
      : platform() === "win32"
        ? (folder(env["LOCALAPPDATA"]) ?? join(homedir(), "AppData", "Local"))
        : join(homedir(), ".cache"));
  return join(base, "appengine-realtime");
}

/** An empty or relative path counts as none (XDG Base Directory Specification). */
function folder(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}
