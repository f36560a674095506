/**
 * `node test/system/gateway-client/mutants.ts [part of a name]`: breaks the gateway in one place after the
 * other, and says which rows of the table see it. It fails when a defect is not seen. It takes minutes, and
 * so is no part of the tests.
 */
import { setTimeout as wait } from "node:timers/promises";
import { clientKinds } from "../../support/client-kind.ts";
import { GatewayPair } from "../../support/gateway-pair.ts";
import { bundleWith } from "../../support/mutant.ts";
import { table } from "./config.ts";
import { type Defect, defects, runOf } from "./table/defects.ts";

/** How long a row of a broken gateway may take; what waits for ever has failed. */
const patienceMs = 10_000;

async function fails({ kind: name }: Defect, row: string, pair: GatewayPair): Promise<boolean> {
  const run = runOf(row)?.(pair, clientKinds[name]);
  if (run === undefined) throw new Error(`there is no row "${row}"`);
  const over = new AbortController();
  const failed = await Promise.race([
    run.then(
      () => false,
      () => true,
    ),
    wait(patienceMs, true, { signal: over.signal }),
  ]);
  over.abort();
  return failed;
}

const [part = ""] = process.argv.slice(2);
// A row that is not waited for any more fails later, as it should.
process.on("unhandledRejection", () => undefined);
for (const defect of defects) {
  if (!defect.name.includes(part)) continue;
  const pair = await GatewayPair.start(table, bundleWith("ws", defect));
  for (const row of defect.rows) {
    const isSeen = await fails(defect, row, pair);
    if (!isSeen) process.exitCode = 1;
    console.log(
      `${isSeen ? "seen" : "NOT SEEN"}: ${defect.name}; ${clientKinds[defect.kind].name}, ${row}`,
    );
  }
  await pair[Symbol.asyncDispose]();
}
process.exit();
