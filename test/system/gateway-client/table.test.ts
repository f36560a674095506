import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { repository } from "../../support/checkout.ts";
import { clientKinds } from "../../support/client-kind.ts";
import { GatewayPair } from "../../support/gateway-pair.ts";
import { table } from "./config.ts";
import { defects, runOf } from "./table/defects.ts";
import { rows } from "./table/rows.ts";
import { Stage } from "./table/stage.ts";
import { sameForAll, slowReaders, takeOver } from "./table/together.ts";

/** The columns of the table. */
const kinds = Object.values(clientKinds);

describe("the npm client, however it speaks", () => {
  let pair: GatewayPair;

  before(async () => {
    pair = await GatewayPair.start(table);
  });
  after(async () => {
    await pair[Symbol.asyncDispose]();
  });

  it("would be seen to go wrong: the places of deliberate defects are there", () => {
    for (const { name, file, original, rows: names } of defects) {
      const places = readFileSync(join(repository, "apps/ws", file), "utf8").split(original);
      assert.equal(places.length, 2, `${name}, in ${file}`);
      for (const row of names) assert.ok(runOf(row) !== undefined, `${name} has no row "${row}"`);
    }
  });

  // Many rows wait for something to expire, so they do it at the same time.
  describe("of one kind", { concurrency: kinds.length }, () => {
    for (const kind of kinds) {
      describe(`in ${kind.name}`, { concurrency: 8 }, () => {
        for (const [name, run] of Object.entries(rows)) {
          it(name, async () => {
            await using stage = new Stage(pair, kind);
            await run(stage);
          });
        }
      });
    }
  });

  describe("of every kind", () => {
    it("gets a thousand publications in one order, whoever they are from", () =>
      sameForAll({ pair, kinds }));

    it("is ended when it reads nothing, holds nobody up, and comes back", () =>
      slowReaders({ pair, kinds }));

    // The last, for it ends both gateways.
    it("misses nothing when a gateway leaves, and when one is killed", () =>
      takeOver({ pair, kinds }));
  });
});
