/** Child processes that serve on a port of 127.0.0.1 and say it by their first line, as Pulumi's do. */
import { type Child, type ChildOptions, describeExit, startChild } from "./child.ts";

export interface ServerProcess extends Child {
  /** Rejects with what the process said when it ended before it said its port. */
  readonly port: Promise<number>;
}

/** How many lines are kept of what it says before its port. */
const keptLines = 50;

/** @param options.onLine gets what is said behind the port */
export function startServer(options: ChildOptions): ServerProcess {
  const said: string[] = [];
  let serving = false;
  let found: (port: number) => void = () => undefined;
  const child = startChild({
    ...options,
    onLine: (line, from) => {
      if (serving) {
        options.onLine(line, from);
      } else if (from === "stdout" && /^\d+$/.test(line)) {
        serving = true;
        found(Number(line));
      } else {
        said.push(line);
        if (said.length > keptLines) said.shift();
      }
    },
  });
  const port = new Promise<number>((resolve, reject) => {
    found = resolve;
    void child.ended.then(async (exit) => {
      await child.drained;
      const text = said.join("\n").trim();
      reject(new Error(text === "" ? `it ${describeExit(exit)} before it served` : text));
    });
  });
  // Whoever needs the port awaits it; until then its failure is nobody's surprise.
  port.catch(() => undefined);
  return { ...child, port };
}
