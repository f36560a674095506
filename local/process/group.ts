/** Ending a process together with what it started. */
import { platform } from "node:os";
import { setTimeout as wait } from "node:timers/promises";

/** Children are made leaders of their own group, so that one signal reaches their children too. */
export const ownGroup = platform() !== "win32";

/** Sends a signal to a process that was spawned with `detached: ownGroup`, and to its children. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(ownGroup ? -pid : pid, signal);
  } catch {
    // It is gone already: what was wanted.
  }
}

/** True while a process of the group is there (a zombie that nobody has waited for counts too). */
export function groupLives(pid: number): boolean {
  try {
    process.kill(ownGroup ? -pid : pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Kills groups and waits, at most `withinMs`, until none is left. */
export async function killGroups(pids: Iterable<number>, withinMs: number): Promise<void> {
  const left = new Set(pids);
  for (const pid of left) signalGroup(pid, "SIGKILL");
  const end = performance.now() + withinMs;
  while (left.size > 0 && performance.now() < end) {
    for (const pid of left) if (!groupLives(pid)) left.delete(pid);
    if (left.size > 0) await wait(10);
  }
}
