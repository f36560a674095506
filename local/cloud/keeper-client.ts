/** The cloud's side of the keeper (keeper.ts): who is told of children and folders. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface Keeper {
  /** The keeper's own process. */
  readonly pid: number | undefined;
  childStarted(pid: number): void;
  childEnded(pid: number): void;
  folderMade(path: string): void;
  folderRemoved(path: string): void;
  /** Lets the keeper clear up what is left and end. */
  close(): Promise<void>;
}

const program = fileURLToPath(new URL("./keeper.ts", import.meta.url));

export function startKeeper(): Keeper {
  const children = new Set<number>();
  const folders = new Set<string>();
  let closing = false;
  let keeper = launch();

  function launch(): ChildProcess {
    const started = spawn(process.execPath, [program], {
      stdio: ["pipe", "ignore", "ignore"],
      // A session of its own: no signal to the cloud's group reaches it.
      detached: true,
    });
    started.unref();
    started.on("error", () => undefined);
    // Without it a write to a keeper that was killed would end the cloud.
    started.stdin.on("error", () => undefined);
    started.once("exit", () => {
      if (closing) return;
      // Somebody killed the keeper: a new one learns everything again.
      keeper = launch();
      for (const pid of children) tell("+child", pid);
      for (const path of folders) tell("+folder", path);
    });
    return started;
  }

  function tell(verb: string, value: number | string): void {
    keeper.stdin?.write(`${verb} ${value}\n`);
  }

  return {
    get pid() {
      return keeper.pid;
    },
    childStarted(pid) {
      children.add(pid);
      tell("+child", pid);
    },
    childEnded(pid) {
      children.delete(pid);
      tell("-child", pid);
    },
    folderMade(path) {
      folders.add(path);
      tell("+folder", path);
    },
    folderRemoved(path) {
      folders.delete(path);
      tell("-folder", path);
    },
    async close() {
      closing = true;
      const ended =
        keeper.exitCode === null && keeper.signalCode === null ? once(keeper, "exit") : undefined;
      keeper.ref();
      keeper.stdin?.end();
      await ended;
    },
  };
}
