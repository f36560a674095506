import { eventually } from "./eventually.ts";

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
