/** Where Node keeps compiled code between runs: loading the Pulumi SDK is most of a short run. */
import { join } from "node:path";
import { cacheFolder } from "../tools/cache-folder.ts";

/** The environment of a child process that is to use it. */
export function withCompileCache(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { NODE_COMPILE_CACHE: join(cacheFolder(env), "compiled"), ...env };
}
