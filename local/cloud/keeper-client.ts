/** The cloud's side of the keeper (keeper.ts): who is told of children and folders. */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Log } from "./logs.ts";

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

export interface KeeperOptions {
  /** Told when the keeper is gone though it should not be. */
  readonly note: Log;
  /** @default the Node that runs this */
  readonly node?: string;
  /** The pause before another keeper is started in the place of one that ended. @default 500 */
  readonly pauseMs?: number;
}

const program = fileURLToPath(new URL("./keeper.ts", import.meta.url));

export function startKeeper(options: KeeperOptions): Keeper {
  const { note, node = process.execPath, pauseMs = 500 } = options;
  const children = new Set<number>();
  const folders = new Set<string>();
  let closing = false;
  let again: NodeJS.Timeout | undefined;
  let { keeper, ended } = launch();

  function launch(): { keeper: ChildProcess; ended: Promise<void> } {
    const started = spawn(node, [program], {
      stdio: ["pipe", "ignore", "ignore"],
      // A session of its own: no signal to the cloud's group reaches it.
      detached: true,
    });
    started.unref();
    // Without it a write to a keeper that was killed would end the cloud.
    started.stdin.on("error", () => undefined);
    const over = new Promise<string>((resolve) => {
      started.once("error", (error) => {
        resolve(`could not be started: ${error.message}`);
      });
      started.once("exit", () => {
        resolve("ended");
      });
    });
    return { keeper: started, ended: over.then(replace) };
  }

  /** A new one learns everything again. */
  function replace(why: string): void {
    if (closing) return;
    note(
      `the keeper, which clears up when the cloud is killed, ${why}; another one starts in ${pauseMs / 1000} s`,
    );
    again = setTimeout(() => {
      ({ keeper, ended } = launch());
      for (const pid of children) tell("+child", pid);
      for (const path of folders) tell("+folder", path);
    }, pauseMs);
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
      clearTimeout(again);
      keeper.ref();
      keeper.stdin?.end();
      await ended;
    },
  };
}
