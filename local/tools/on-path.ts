import { existsSync } from "node:fs";
import { platform } from "node:os";
import { delimiter, join } from "node:path";

/**
 * The first file of that name in the folders of PATH.
 *
 * @param windowsEndings what a program's name may end with on Windows, in this order
 */
export function onPath(
  name: string,
  env: NodeJS.ProcessEnv,
  windowsEndings: readonly string[],
): string | undefined {
  const endings = platform() === "win32" ? windowsEndings : [""];
  return (env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .flatMap((folder) => endings.map((ending) => join(folder, name + ending)))
    .find((file) => existsSync(file));
}
