import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { readStackFile, stackNames } from "../../../local/engine/stack-file.ts";

describe("reading the stack files", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "stack-file-"));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });
  const write = (file: string, text: string): void => {
    writeFileSync(join(root, file), text);
  };

  it("gives every key its namespace and every value as text, defaults included", () => {
    write(
      "Pulumi.yaml",
      `
name: demo
main: index.ts
runtime: { name: nodejs, options: { typescript: false } }
config:
  bare: 3
  size: { type: integer, default: 5 }
  shape: { type: object, default: { sides: 4 } }
  gcp:region: { value: us-central1 }
  needed: { type: string }
`,
    );
    write(
      "Pulumi.dev.yaml",
      `
config:
  gcp:project: demo-project
  demo:needed: "yes"
  size: 7
  list: [1, "two"]
  off: false
`,
    );
    assert.deepEqual(readStackFile(root, "dev"), {
      project: "demo",
      stack: "dev",
      root,
      main: "index.ts",
      runtimeOptions: { typescript: false },
      config: {
        "demo:bare": "3",
        "demo:size": "7",
        "demo:shape": '{"sides":4}',
        "gcp:region": "us-central1",
        "gcp:project": "demo-project",
        "demo:needed": "yes",
        "demo:list": '[1,"two"]',
        "demo:off": "false",
      },
    });
  });

  it("names the stacks there are when one is unknown", () => {
    write("Pulumi.yaml", "name: demo");
    write("Pulumi.prod.yaml", "");
    write("Pulumi.dev.yaml", "");
    assert.deepEqual(stackNames(root), ["dev", "prod"]);
    assert.throws(() => readStackFile(root, "stage"), /no stack "stage".*known stacks: dev, prod/);
    assert.deepEqual(readStackFile(root, "dev").config, {});
  });

  it("shows numbers that JSON does not have by name", () => {
    write("Pulumi.yaml", "name: demo\nconfig: { size: { type: object } }");
    write("Pulumi.dev.yaml", "config: { size: { gb: .nan, mb: -.inf } }");
    assert.equal(readStackFile(root, "dev").config["demo:size"], '{"gb":"NaN","mb":"-Infinity"}');
  });

  it("reports encrypted values and missing keys together", () => {
    write("Pulumi.yaml", "name: demo\nconfig: { needed: { type: string } }");
    write(
      "Pulumi.dev.yaml",
      "config: { token: { secure: AAAB }, deep: { a: [{ secure: AAAB }] } }",
    );
    assert.throws(
      () => readStackFile(root, "dev"),
      (error: Error) => {
        const lines = error.message.split("\n");
        assert.match(lines[0] ?? "", /Pulumi\.dev\.yaml: token is encrypted \(secure:\)/);
        assert.match(lines[1] ?? "", /deep is encrypted/);
        assert.deepEqual(lines.slice(2), [
          "Pulumi.dev.yaml: token is not declared in Pulumi.yaml; is it one of the missing keys, misspelt?",
          "Pulumi.dev.yaml: deep is not declared in Pulumi.yaml; is it one of the missing keys, misspelt?",
          "Pulumi.dev.yaml: needed is missing and has no default",
        ]);
        return true;
      },
    );
  });

  it("takes no key for misspelt that another stack has, too", () => {
    write("Pulumi.yaml", "name: demo\nconfig: { adopt: { type: object } }");
    write("Pulumi.dev.yaml", "config: { demo:adpot: {}, demo:m: {} }");
    write("Pulumi.prod.yaml", "config: { demo:adopt: {}, demo:m: {} }");
    write("Pulumi.broken.yaml", "config: [");
    assert.throws(
      () => readStackFile(root, "dev"),
      new Error(
        "Pulumi.dev.yaml: demo:adpot is not declared in Pulumi.yaml; is it one of the missing keys, misspelt?\n" +
          "Pulumi.dev.yaml: adopt is missing and has no default",
      ),
    );
  });

  it("says which file is not YAML or is not there", () => {
    assert.throws(() => readStackFile(root, "dev"), /cannot read .*Pulumi\.yaml/);
    write("Pulumi.yaml", "name: demo");
    write("Pulumi.dev.yaml", "config: [");
    assert.throws(() => readStackFile(root, "dev"), /Pulumi\.dev\.yaml is not valid YAML/);
    write("Pulumi.dev.yaml", "- a list");
    assert.throws(() => readStackFile(root, "dev"), /must hold a mapping/);
  });
});
