/** Notices that the program or an app changed. */
import { sep } from "node:path";
import { watch } from "chokidar";

/** What the program of the stack `local` is made of. Files of other stacks change nothing here. */
export const watched = [
  "apps",
  "components",
  "index.ts",
  "config.ts",
  "Pulumi.yaml",
  "Pulumi.local.yaml",
];
/** What editors write beside a file, and what no program reads. */
export const ignored = /(^|[/\\])(\.|#)|~$|\.(swp|tmp)$|(^|[/\\])node_modules([/\\]|$)/;

/** How long nothing may change before a change is told: an editor or git writes many files at once. */
export const quietMs = 150;

export interface Watch {
  /** Resolves when changes are seen from now on. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** Gathers what changes until nothing has changed for a while. */
export class Quiet {
  readonly #changed = new Set<string>();
  readonly #onChange: (files: readonly string[]) => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param onChange gets the files, sorted, each once */
  constructor(onChange: (files: readonly string[]) => void) {
    this.#onChange = onChange;
  }

  note(file: string): void {
    this.#changed.add(file);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const files = [...this.#changed].sort();
      this.#changed.clear();
      this.#onChange(files);
    }, quietMs);
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}

/**
 * Node's own recursive watch loses a file that is replaced by a rename, as `sed -i`, git and many
 * editors save; so a library does it.
 *
 * @param onChange gets the files, relative to the root with `/`, sorted
 */
export function watchProgram(root: string, onChange: (files: readonly string[]) => void): Watch {
  const quiet = new Quiet(onChange);
  const watcher = watch(watched, {
    cwd: root,
    ignoreInitial: true,
    ignored: (path) => ignored.test(path.startsWith(root) ? path.slice(root.length + 1) : path),
  });
  watcher.on("all", (_event, path) => {
    quiet.note(path.replaceAll(sep, "/"));
  });
  // A folder that was removed (a branch was switched) is no reason to end.
  watcher.on("error", () => undefined);
  return {
    ready: new Promise((resolve) => watcher.once("ready", resolve)),
    async close() {
      quiet.close();
      await watcher.close();
    },
  };
}
