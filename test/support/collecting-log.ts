import { createLog } from "../../apps/lib/log.ts";

/** A log that keeps its lines. */
export function collectingLog(): { log: ReturnType<typeof createLog>; lines: string[] } {
  const lines: string[] = [];
  const log = createLog(
    { service: "test", version: undefined, instance: undefined },
    { sink: { write: (line) => lines.push(line) }, readable: false },
  );
  return { log, lines };
}
