import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { typePermissions } from "../../components/lib/permissions.ts";
import { evaluate } from "../../policies/evaluate.ts";
import type { Resource } from "../../policies/lib/rule.ts";
import { knownTypes } from "../../policies/rules/known-types.ts";
import { labelInputs } from "../../policies/rules/labels.ts";
import { rules } from "../../policies/rules.ts";
import { repository } from "../support/checkout.ts";
import { examples } from "./examples.ts";

/** What one rule says of resources. */
function problems(rule: string, resources: readonly Resource[]): string[] {
  const { options } = examples[rule] ?? {};
  return evaluate(resources, options === undefined ? {} : { [rule]: options })
    .filter((violation) => violation.rule === rule)
    .map(({ problem }) => problem);
}

describe("the rules", () => {
  it("are all in the pack, each in a module of its name, and each with examples of both kinds", () => {
    const modules = readdirSync(join(repository, "policies", "rules")).map((file) =>
      file.replace(".ts", ""),
    );
    const names = rules.map(({ name }) => name).sort();
    assert.deepEqual(names, modules.sort());
    assert.deepEqual(names, Object.keys(examples).sort());
    for (const [name, { hold, breaks }] of Object.entries(examples)) {
      assert(Object.keys(hold).length > 0 && Object.keys(breaks).length > 0, name);
    }
  });

  it("have a line each in docs/policies.md", () => {
    const text = readFileSync(join(repository, "docs", "policies.md"), "utf8");
    const lines = [...text.matchAll(/^\| `([a-z-]+)` +\|/gm)].map(([, name]) => name);
    assert.deepEqual(
      lines,
      rules.map(({ name }) => name),
    );
  });

  it("know the types that there are permissions for", () => {
    assert.deepEqual([...knownTypes].sort(), Object.keys(typePermissions).sort());
  });

  it("say what must hold and what to do, in sentences", () => {
    for (const { name, description, remedy } of rules) {
      assert.match(name, /^[a-z]+(-[a-z]+)*$/);
      for (const text of [description, remedy]) assert.match(text, /^[A-Z].*\S\.$/, name);
    }
  });

  for (const [rule, { hold, breaks }] of Object.entries(examples)) {
    describe(rule, () => {
      for (const [what, resources] of Object.entries(hold)) {
        it(`allows ${what}`, () => {
          assert.deepEqual(problems(rule, resources), []);
        });
      }
      for (const [what, broken] of Object.entries(breaks)) {
        it(`refuses ${what}`, () => {
          assert.deepEqual(problems(rule, broken.resources), broken.problems);
        });
      }
    });
  }
});

describe("labels", () => {
  it("are asked of every type that a stack declares and that can have some", () => {
    const declared = new Set(
      ["dev", "local", "prod"].flatMap((stack) => {
        const file = join(repository, "test", "golden", `${stack}.json`);
        const golden = JSON.parse(readFileSync(file, "utf8")) as {
          resources: Record<string, unknown>;
        };
        return Object.keys(golden.resources).map(
          (urn) => urn.split("::")[0]?.split("$").at(-1) ?? "",
        );
      }),
    );
    const labelled = [...declared].filter((type) => {
      const [, folder = "", file = "", name = ""] = /^gcp:(\w+)\/(\w+):(\w+)$/.exec(type) ?? [];
      if (folder === "") return false;
      const module = join(repository, "node_modules/@pulumi/gcp", folder);
      // The files of types that begin with an abbreviation are in lower case.
      const found = readdirSync(module).find(
        (other) => other.toLowerCase() === `${file}.d.ts`.toLowerCase(),
      );
      const types = readFileSync(join(module, found ?? `${file}.d.ts`), "utf8");
      const args = types.slice(types.indexOf(`export interface ${name}Args {`));
      return /^ {4}(?:user)?labels\?:/im.test(args);
    });
    assert(labelled.includes("gcp:compute/instance:Instance"), [...declared].join(" "));
    for (const type of labelled)
      assert(Object.hasOwn(labelInputs, type), `${type} can have labels`);
  });
});
