import { after, before, describe, it } from "node:test";
import { clientKinds } from "../../support/client-kind.ts";
import { GatewayPair } from "../../support/gateway-pair.ts";
import { table } from "./config.ts";
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
