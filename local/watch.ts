/** Notices that the program or an app changed. */
import { watch, type FSWatcher } from "node:fs";
import { join } from "node:path";

const folders = ["apps", "components"];
const rootFile = /^(index\.ts|config\.ts|Pulumi(\..+)?\.yaml)$/;
/** What editors write beside a file, and what no program reads. */
const ignored = /(^|[/\\])(\.|#)|~$|\.(swp|tmp)$|(^|[/\\])node_modules([/\\]|$)/;

/** How long nothing may change before a change is told: an editor or git writes many files at once. */
const quietMs = 150;

export interface Watch {
  close(): void;
}

/**
 * @param onChange gets the files, relative to the root, sorted
 */
export function watchProgram(root: string, onChange: (files: readonly string[]) => void): Watch {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  const note = (file: string): void => {
    changed.add(file);
    clearTimeout(timer);
    timer = setTimeout(() => {
      const files = [...changed].sort();
      changed.clear();
      onChange(files);
    }, quietMs);
  };
  const watchers: FSWatcher[] = folders.map((folder) =>
    watch(join(root, folder), { recursive: true }, (_event, name) => {
      if (name !== null && !ignored.test(name)) note(join(folder, name));
    }),
  );
  watchers.push(
    watch(root, (_event, name) => {
      if (name !== null && rootFile.test(name)) note(name);
    }),
  );
  // A folder that was removed (a branch was switched) is no reason to end.
  for (const watcher of watchers) watcher.on("error", () => undefined);
  return {
    close() {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}
