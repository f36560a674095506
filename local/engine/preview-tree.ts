/** The steps of a preview as people and programs read them. */
import { readable } from "../wire/values.ts";
import { type RunResult, type StepEvent, type StepKind, stepKinds } from "./types.ts";

const signs: Readonly<Record<StepKind, string>> = {
  same: " ",
  import: "=",
  create: "+",
  update: "~",
  replace: "+-",
  delete: "-",
};

export class PreviewTree {
  readonly #steps = new Map<string, StepEvent>();
  readonly #notes: string[] = [];

  add(event: StepEvent): void {
    if (event.phase !== "start") this.#steps.set(event.urn, event);
  }

  /** Something that the program said. */
  note(text: string): void {
    this.#notes.push(text);
  }

  toText(stack: string, result: RunResult): string {
    const rows = this.#rows();
    const width = (pick: (row: Row) => string, least: number): number =>
      Math.max(least, ...rows.map((row) => pick(row).length));
    const types = width((row) => row.tree, "Type".length);
    const names = width((row) => row.step.name, "Name".length);
    const plan = rows.some(({ step }) => step.diffs.length > 0);
    const lines = rows.map(({ tree, step }) =>
      [
        ` ${signs[step.kind].padEnd(2)} ${tree.padEnd(types)}`,
        step.name.padEnd(names),
        plan ? `${step.kind.padEnd(8)} ${step.diffs.join(",")}` : step.kind,
      ]
        .join("  ")
        .trimEnd(),
    );
    return [
      `Previewing update (${stack}):`,
      `    ${"Type".padEnd(types)}  ${"Name".padEnd(names)}  Plan`,
      ...lines,
      ...section("Diagnostics", this.#notes),
      ...section("Outputs", outputLines(result.outputs)),
      ...section("Resources", countLines(result.counts)),
      ...section(
        result.problems.length === 1 ? "1 problem" : `${result.problems.length} problems`,
        result.problems.map((problem) => `- ${problem.replaceAll("\n", "\n      ")}`),
      ),
    ].join("\n");
  }

  /** Steps sorted by URN, so that two documents can be compared. */
  toJson(stack: string, result: RunResult): string {
    const steps = [...this.#steps.values()]
      .sort((a, b) => (a.urn < b.urn ? -1 : 1))
      .map(({ kind, urn, type, name, diffs, replaces }) => ({
        ...{ kind, urn, type, name, diffs, replaces },
      }));
    const { ok, counts, problems } = result;
    const outputs = shown(result.outputs);
    return JSON.stringify(
      { stack, ok, counts, steps, outputs, problems, diagnostics: this.#notes },
      null,
      2,
    );
  }

  #rows(): Row[] {
    const all = [...this.#steps.values()];
    const children = (parent: string | undefined): StepEvent[] =>
      all.filter((step) => {
        const known = step.parent !== undefined && this.#steps.has(step.parent);
        return parent === undefined ? !known : known && step.parent === parent;
      });
    const walk = (steps: readonly StepEvent[], indent: string, root: boolean): Row[] =>
      steps.flatMap((step, index) => {
        const last = index === steps.length - 1;
        const type = shortType(step.type);
        const tree = root ? type : `${indent}${last ? "└─ " : "├─ "}${type}`;
        const below = root ? "" : `${indent}${last ? "   " : "│  "}`;
        return [{ tree, step }, ...walk(children(step.urn), below, false)];
      });
    return walk(children(undefined), "", true);
  }
}

/** As the pulumi CLI shows it: `gcp:storage/bucket:Bucket` is `gcp:storage:Bucket`. */
function shortType(type: string): string {
  return type.replace(/^([^:]+):([^:/]+)\/[^:]+:/, "$1:$2:");
}

interface Row {
  readonly tree: string;
  readonly step: StepEvent;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `    ${line}`)];
}

function outputLines(outputs: RunResult["outputs"]): string[] {
  return Object.entries(shown(outputs)).map(([key, value]) =>
    typeof value === "string" ? `${key}: ${value}` : `${key}: ${JSON.stringify(value)}`,
  );
}

function shown(outputs: RunResult["outputs"]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(outputs).map(([key, value]) => [key, readable(value, (path) => path)]),
  );
}

function countLines(counts: RunResult["counts"]): string[] {
  return stepKinds
    .filter((kind) => counts[kind] > 0)
    .map((kind) =>
      kind === "same" ? `${counts.same} unchanged` : `${signs[kind]} ${counts[kind]} to ${kind}`,
    );
}
