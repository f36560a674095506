import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { eventually } from "./eventually.ts";

const run = promisify(execFile);

/** True while the process is there (a zombie that nobody has waited for counts too). */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function gone(pid: number): Promise<void> {
  await eventually(`process ${pid} is gone`, () => !alive(pid));
}

/** Waits until SIGSTOP has had its effect: on a busy machine the process may run on for a while. */
export async function halted(pid: number): Promise<void> {
  await eventually(`process ${pid} is stopped`, async () => {
    const { stdout } = await run("ps", ["-o", "stat=", "-p", String(pid)]);
    return stdout.trim().startsWith("T");
  });
}
