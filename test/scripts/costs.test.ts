import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { format } from "prettier";
import { z } from "zod";
import { stackNames } from "../../local/engine/stack-file.ts";
import { withCosts } from "../../scripts/costs/document.ts";
import { type CostLine, type Declared, estimate } from "../../scripts/costs/estimate.ts";
import { prices, sources } from "../../scripts/costs/prices.ts";
import { repository } from "../support/checkout.ts";

const golden = z.object({
  resources: z.record(
    z.string(),
    z.looseObject({ inputs: z.record(z.string(), z.unknown()).optional() }),
  ),
});

/** What a stack declares, from its reviewed graph. */
function declaredBy(stack: string): Declared[] {
  const file = join(repository, `test/golden/${stack}.json`);
  const { resources } = golden.parse(JSON.parse(readFileSync(file, "utf8")));
  return Object.entries(resources).flatMap(([key, { inputs }]) =>
    inputs === undefined
      ? []
      : [{ type: (key.split("$").at(-1) ?? "").split("::")[0] ?? "", inputs }],
  );
}

const regions = { dev: "us-central1", prod: "europe-west1" } as const;
const costsOf = (stack: keyof typeof regions): CostLine[] =>
  estimate(declaredBy(stack), regions[stack]);
const line = (lines: readonly CostLine[], start: string): CostLine =>
  lines.find(({ what }) => what.startsWith(start)) ?? assert.fail(`no line ${start}`);

describe("docs/costs.md", () => {
  it("is what the stacks and the prices give (`npm run costs` writes it)", async () => {
    const text = readFileSync(join(repository, "docs/costs.md"), "utf8");
    const written = withCosts(
      text,
      new Map([
        ["dev", costsOf("dev")],
        ["prod", costsOf("prod")],
      ]),
    );
    assert.equal(await format(written, { parser: "markdown", printWidth: 100 }), text);
  });

  it("that has lost its marks is an error", () => {
    assert.throws(() => withCosts("# Costs\n", new Map()), /needs the marks/);
  });
});

describe("the estimate", () => {
  it("knows of every resource of every stack whether it costs something", () => {
    for (const stack of stackNames(repository)) {
      assert.doesNotThrow(() => estimate(declaredBy(stack), "us-central1"), stack);
    }
  });

  it("is made of amounts and prices that can be followed", () => {
    const dev = costsOf("dev");
    assert.equal(line(dev, "1 × NATS machine e2-small").usd, 730 * 0.01675);
    assert.equal(line(dev, "m, standard, 2 × B1").usd, 2 * 730 * 0.05);
    assert.equal(line(dev, "add, standard, 0 × F1").usd, 0);
    const prod = costsOf("prod");
    assert.equal(line(prod, "3 × NATS machine").usd, 3 * 730 * 0.07371);
    assert.equal(line(prod, "disks of NATS, 180 GB").usd, 18);
    assert.equal(line(prod, "m, standard, 3 × B2").usd, 3 * 730 * 0.05 * 2);
  });

  it("says what it assumes of each line, and where the price of another region stands in", () => {
    for (const { assumption } of [...costsOf("dev"), ...costsOf("prod")]) assert.ok(assumption);
    assert.match(
      line(costsOf("prod"), "ws, flexible").assumption,
      /that of europe-west1 is unknown/,
    );
    assert.doesNotMatch(line(costsOf("dev"), "ws, flexible").assumption, /unknown/);
  });

  it("calls a price unknown that nobody wrote down, and does not count it", () => {
    const inputs = {
      machineType: "z9-huge",
      bootDisk: { initializeParams: { size: 10, type: "pd-balanced" } },
    };
    const lines = estimate([{ type: "gcp:compute/instance:Instance", inputs }], "us-central1");
    const machine = line(lines, "1 × NATS machine z9-huge");
    assert.equal(machine.usd, undefined);
    assert.match(machine.assumption, /the price of z9-huge is unknown/);
  });

  it("refuses a resource of which nobody has said whether it costs something", () => {
    assert.throws(
      () => estimate([{ type: "gcp:compute/forwardingRule:ForwardingRule", inputs: {} }], "x"),
      /nobody has said what these cost.*ForwardingRule/,
    );
  });

  it("stays within what is free of metrics, for dev and prod in one billing account", () => {
    const mib = [costsOf("dev"), costsOf("prod")].map((lines) =>
      Number(/(\d+) MiB/.exec(line(lines, "metrics of them").what)?.[1]),
    );
    assert.ok(mib.reduce((all, each) => all + each, 0) < 150, mib.join(" + "));
  });
});

describe("a price", () => {
  it("has a source of Google's and the day on which it was written down", () => {
    for (const { source, on } of Object.values(prices)) {
      assert.match(sources[source], /^https:\/\/cloud\.google\.com\//);
      assert.match(on, /^20\d\d-[01]\d-[0-3]\d$/);
    }
  });
});
