/**
 * What the realtime gateway costs, beside a bare `ws` server and Socket.IO that do the same work in the
 * same run: `npm run bench -- gateway`, or `gateway:<case>` for one case. Servers share a core and take
 * turns; clients, publishers and nats-server have the other. With `BENCH_PROFILES=<folder>` the gateway
 * also writes a CPU profile of each part, and the numbers are not to be compared.
 */
import { cases } from "./gateway/cases.ts";
import { table } from "./table.ts";

export async function main(only?: string): Promise<void> {
  const known: readonly string[] = Object.keys(cases);
  if (only !== undefined && !known.includes(only)) {
    throw new Error(`no case ${only}; there are: ${known.join(", ")}`);
  }
  for (const [name, run] of Object.entries(cases)) {
    if (only !== undefined && name !== only) continue;
    const { head, rows } = await run();
    console.log(`${table([name, ...head, "target", "holds"], rows)}\n`);
  }
}
