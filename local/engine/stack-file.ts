/** Reads `Pulumi.yaml` and `Pulumi.<stack>.yaml` as the pulumi CLI does. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { isObject, type Json } from "../wire/values.ts";

/** A project and one of its stacks. */
export interface StackFile {
  readonly project: string;
  readonly stack: string;
  /** The folder with Pulumi.yaml. */
  readonly root: string;
  /** The program's entry, relative to `root`; undefined leaves it to package.json. */
  readonly main: string | undefined;
  /** `runtime.options` of Pulumi.yaml. */
  readonly runtimeOptions: Json;
  /** `namespace:key` → text, JSON for anything that is not a string. Defaults included. */
  readonly config: Readonly<Record<string, string>>;
}

/**
 * @throws Error that lists every problem: no such stack (with those there are), an encrypted value,
 *   a key without namespace that Pulumi.yaml does not declare, a declared key without any value
 */
export function readStackFile(root: string, stack: string): StackFile {
  const project = readYaml(join(root, "Pulumi.yaml"));
  const name = project["name"];
  if (typeof name !== "string" || name === "") {
    throw new Error(`${join(root, "Pulumi.yaml")}: name is missing`);
  }
  const known = stackNames(root);
  if (!known.includes(stack)) {
    throw new Error(
      `no stack "${stack}": ${join(root, `Pulumi.${stack}.yaml`)} does not exist; ` +
        (known.length === 0 ? "there are no stacks" : `known stacks: ${known.join(", ")}`),
    );
  }
  const file = `Pulumi.${stack}.yaml`;
  const declared = object(project["config"]);
  const given = object(readYaml(join(root, file))["config"]);
  const problems: string[] = [];
  const config: Record<string, string> = {};
  const take = (from: string, key: string, value: unknown): void => {
    if (holdsSecure(value)) {
      problems.push(
        `${from}: ${key} is encrypted (secure:); only the pulumi CLI can read it. ` +
          `Keep secrets in Secret Manager and refer to them`,
      );
    } else if (value !== undefined && value !== null) {
      config[qualify(name, key)] = text(value);
    }
  };
  for (const [key, declaration] of Object.entries(declared)) {
    take("Pulumi.yaml", key, defaultOf(declaration));
  }
  const missing = Object.entries(declared)
    .filter(([key, declaration]) => isRequired(key, declaration))
    .map(([key]) => key)
    .filter((key) => !Object.keys(given).some((k) => qualify(name, k) === qualify(name, key)));
  for (const [key, value] of Object.entries(given)) take(file, key, value);
  // The CLI takes keys that nobody declared; but where one is missing, another may be misspelt. What other
  // stacks have, too, is not: it is a key that may be left out.
  if (missing.length > 0) {
    const own = (key: string): string => qualify(name, key);
    const others = stackNames(root).filter((other) => other !== stack);
    const known = [
      ...Object.keys(declared),
      ...others.flatMap((other) => configKeys(join(root, `Pulumi.${other}.yaml`))),
    ].map(own);
    for (const key of Object.keys(given)) {
      if (own(key).startsWith(`${name}:`) && !known.includes(own(key))) {
        problems.push(
          `${file}: ${key} is not declared in Pulumi.yaml; is it one of the missing keys, misspelt?`,
        );
      }
    }
  }
  for (const key of missing) problems.push(`${file}: ${key} is missing and has no default`);
  if (problems.length > 0) throw new Error(problems.join("\n"));

  const main = project["main"];
  const runtime = project["runtime"];
  return {
    project: name,
    stack,
    root,
    main: typeof main === "string" ? main : undefined,
    runtimeOptions: isObject(runtime) ? object(runtime["options"]) : {},
    config,
  };
}

/** The stacks that have a file in the folder, sorted. */
export function stackNames(root: string): string[] {
  return readdirSync(root)
    .map((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1])
    .filter((name) => name !== undefined)
    .sort();
}

/** The keys that a stack file sets; none where it cannot be read, which is not this stack's mistake. */
function configKeys(path: string): string[] {
  try {
    return Object.keys(object(readYaml(path)["config"]));
  } catch {
    return [];
  }
}

function readYaml(path: string): Json {
  let source: string;
  try {
    source = readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`cannot read ${path}`, { cause: error });
  }
  let value: unknown;
  try {
    value = parse(source);
  } catch (error) {
    throw new Error(`${path} is not valid YAML: ${String(error)}`, { cause: error });
  }
  // An empty stack file is a stack without settings of its own.
  if (value === null || value === undefined) return {};
  if (!isObject(value)) throw new Error(`${path} must hold a mapping`);
  return value;
}

function object(value: unknown): Json {
  return isObject(value) ? value : {};
}

function qualify(project: string, key: string): string {
  return key.includes(":") ? key : `${project}:${key}`;
}

/** A declaration is a bare default, or an object with `default`, or `value` for other namespaces. */
function defaultOf(declaration: unknown): unknown {
  if (!isObject(declaration)) return declaration;
  return "default" in declaration ? declaration["default"] : declaration["value"];
}

/** As in the CLI, only a key of the project itself that is declared with a type can be required. */
function isRequired(key: string, declaration: unknown): boolean {
  return (
    !key.includes(":") &&
    isObject(declaration) &&
    "type" in declaration &&
    defaultOf(declaration) === undefined
  );
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  // JSON has no infinity and no NaN; their names are what a reader of the message can find again.
  return JSON.stringify(value, (_, inner: unknown): unknown =>
    typeof inner === "number" && !Number.isFinite(inner) ? String(inner) : inner,
  );
}

function holdsSecure(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(holdsSecure);
  if (!isObject(value)) return false;
  const keys = Object.keys(value);
  return (keys.length === 1 && keys[0] === "secure") || Object.values(value).some(holdsSecure);
}
