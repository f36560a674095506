/** Notices that the program or an app changed. */
import { watch, type FSWatcher } from "node:fs";
import { join } from "node:path";

const folders = ["apps", "components"];
export const rootFile = /^(index\.ts|config\.ts|Pulumi(\..+)?\.yaml)$/;
/** What editors write beside a file, and what no program reads. */
export const ignored = /(^|[/\\])(\.|#)|~$|\.(swp|tmp)$|(^|[/\\])node_modules([/\\]|$)/;

/** How long nothing may change before a change is told: an editor or git writes many files at once. */
export const quietMs = 150;

export interface Watch {
  close(): void;
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
 * @param onChange gets the files, relative to the root, sorted
 */
export function watchProgram(root: string, onChange: (files: readonly string[]) => void): Watch {
  const quiet = new Quiet(onChange);
  const watchers: FSWatcher[] = folders.map((folder) =>
    watch(join(root, folder), { recursive: true }, (_event, name) => {
      if (name !== null && !ignored.test(name)) quiet.note(join(folder, name));
    }),
  );
  watchers.push(
    watch(root, (_event, name) => {
      if (name !== null && rootFile.test(name)) quiet.note(name);
    }),
  );
  // A folder that was removed (a branch was switched) is no reason to end.
  for (const watcher of watchers) watcher.on("error", () => undefined);
  return {
    close() {
      quiet.close();
      for (const watcher of watchers) watcher.close();
    },
  };
}
