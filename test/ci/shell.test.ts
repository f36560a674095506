/** The shell parts of all pipelines, as a reader of shell sees them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { repository } from "../support/checkout.ts";
import { readBuild } from "./cloud-build.ts";
import { textOf, type Workflow, workflowFiles } from "./workflows.ts";

/** Every script with a name for it. */
const scripts: readonly (readonly [name: string, text: string])[] = [
  ...["cloudbuild.yaml", "cloudbuild-preview.yaml"].flatMap((file) =>
    readBuild(file).steps.flatMap(({ id, script }) =>
      script === undefined ? [] : [[`${file}: ${id}`, script] as const],
    ),
  ),
  ...workflowFiles.flatMap((file) =>
    Object.values((parse(textOf(file)) as Workflow).jobs).flatMap(({ steps }) =>
      steps.flatMap(({ name = "a step", run }) =>
        run === undefined ? [] : [[`${file}: ${name}`, `#!/usr/bin/env bash\n${run}\n`] as const],
      ),
    ),
  ),
  ...readdirSync(join(repository, "scripts"))
    .filter((file) => file.endsWith(".sh"))
    .map((file) => [`scripts/${file}`, textOf(`scripts/${file}`)] as const),
];

const shellcheck = (text: string) =>
  spawnSync("shellcheck", ["--shell=bash", "--severity=style", "-"], {
    input: text,
    encoding: "utf8",
  });
// GitHub's machines have it.
const missing = shellcheck("").error !== undefined && "there is no shellcheck on this machine";

describe("shell", () => {
  it("is parsed by bash, every part of it", () => {
    assert(scripts.length > 10);
    for (const [name, text] of scripts) {
      const { status, stderr } = spawnSync("bash", ["-n"], { input: text, encoding: "utf8" });
      assert.equal(status, 0, `${name}: ${stderr}`);
    }
  });

  it("has nothing in it that shellcheck warns of", { skip: missing }, () => {
    assert.notEqual(shellcheck("#!/usr/bin/env bash\nrm -r $1\n").status, 0);
    for (const [name, text] of scripts) {
      const { status, stdout } = shellcheck(text);
      assert.equal(status, 0, `${name}: ${stdout}`);
    }
  });

  it("is strict in every script of its own", () => {
    for (const [name, text] of scripts) {
      if (name.startsWith("scripts/")) assert.match(text, /^set -euo pipefail$/m, name);
    }
  });
});
