/** What an update did, in a form that two engines can be compared in. */
import type { Operation, State } from "../../local/engine/types.ts";

/**
 * One line for each operation on something of the cloud's, `op type name`, in the order in which they
 * ended. Where nothing says which of two comes first, the order of the lines' texts does, so that the
 * lines are the same in every run.
 *
 * @param states that the operations led from and to
 * @param shown how a logical name is written
 * @throws Error when something was done before what it needs, or undone after
 */
export function operationLines(
  operations: readonly Operation[],
  states: { readonly before: State; readonly after: State },
  shown: (name: string) => string = (name) => name,
): string[] {
  const needs = { made: closure(states.after), unmade: closure(states.before) };
  const lines: string[] = [];
  for (const run of runs(operations.filter(isOfTheCloud))) {
    const [first] = run;
    const unmakes = first !== undefined && isEnd(first);
    const mustFollow = (a: Operation, b: Operation): boolean =>
      unmakes
        ? needs.unmade.get(b.urn)?.has(a.urn) === true
        : needs.made.get(a.urn)?.has(b.urn) === true;
    const left = run.map((operation) => ({ operation, line: lineOf(operation, shown) }));
    for (const [index, a] of left.entries()) {
      const late = left.slice(index + 1).find((b) => mustFollow(a.operation, b.operation));
      if (late !== undefined) throw new Error(`"${a.line}" came before "${late.line}"`);
    }
    left.sort((a, b) => a.line.localeCompare(b.line));
    while (left.length > 0) {
      const next = left.findIndex((a) => !left.some((b) => mustFollow(a.operation, b.operation)));
      lines.push(...left.splice(next, 1).map(({ line }) => line));
    }
  }
  return lines;
}

function isOfTheCloud({ op, type }: Operation): boolean {
  return op !== "same" && type.startsWith("gcp:");
}

function isEnd({ op }: Operation): boolean {
  return op === "delete" || op === "delete-replaced";
}

/** Operations that follow each other and all make something, or all end something. */
function runs(operations: readonly Operation[]): Operation[][] {
  const found: Operation[][] = [];
  for (const operation of operations) {
    const run = found.at(-1);
    const [first] = run ?? [];
    if (run !== undefined && first !== undefined && isEnd(first) === isEnd(operation)) {
      run.push(operation);
    } else found.push([operation]);
  }
  return found;
}

/** URN → everything that it needs, also through others. */
function closure({ resources }: State): Map<string, Set<string>> {
  const all = new Map<string, Set<string>>();
  // Dependencies come first in a state.
  for (const { urn, dependencies } of resources) {
    const own = all.get(urn) ?? new Set<string>();
    for (const needed of dependencies) {
      own.add(needed);
      for (const further of all.get(needed) ?? []) own.add(further);
    }
    all.set(urn, own);
  }
  return all;
}

function lineOf(operation: Operation, shown: (name: string) => string): string {
  const { op, type, name, failed } = operation;
  return `${failed ? "failed " : ""}${op} ${type.slice(type.lastIndexOf(":") + 1)} ${shown(name)}`;
}
