/** Property paths of the option ignoreChanges: `a`, `a.b`, `a[0].c`, `a["b c"]`. */
import { isObject, type Json } from "../wire/values.ts";

/** @throws Error for a path that this engine does not read, wildcards included */
export function parsePath(path: string): (string | number)[] {
  const steps: (string | number)[] = [];
  const pattern = /\.?([^.[\]"*]+)|\[(\d+)\]|\["([^"]+)"\]/gy;
  while (pattern.lastIndex < path.length) {
    const match = pattern.exec(path);
    if (match === null) throw new Error(`the property path "${path}" is not supported`);
    const [, key, index, quoted] = match;
    steps.push(index === undefined ? (key ?? quoted ?? "") : Number(index));
  }
  if (steps.length === 0) throw new Error("a property path is empty");
  return steps;
}

/** The new inputs with the old values at these paths; what the old inputs lack is left out. */
export function keepOld(paths: readonly string[], olds: Json, news: Json): Json {
  let result: unknown = news;
  for (const path of paths) result = withOld(parsePath(path), olds, result);
  return isObject(result) ? result : news;
}

function withOld(steps: readonly (string | number)[], old: unknown, current: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return old;
  if (typeof step === "number") {
    if (!Array.isArray(current) || !Array.isArray(old)) return current;
    return current.map((value: unknown, index) =>
      index === step && index < old.length ? withOld(rest, old[index], value) : value,
    );
  }
  if (!isObject(current) || !isObject(old)) return current;
  const { [step]: value, ...others } = current;
  const kept = withOld(rest, old[step], value);
  return kept === undefined ? others : { ...current, [step]: kept };
}
