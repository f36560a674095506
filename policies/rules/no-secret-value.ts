import type { ResourceRule } from "../lib/rule.ts";
import { isSecretName, isSecretReference, secretIn } from "../lib/secrets.ts";
import { stack } from "../lib/types.ts";
import { isObject, visitValues } from "../lib/values.ts";

/** Types that make a secret, or take one, and keep it in the state. */
const secretTypes: ReadonlySet<string> = new Set([
  "gcp:serviceaccount/key:Key",
  "gcp:storage/hmacKey:HmacKey",
  "gcp:secretmanager/secretVersion:SecretVersion",
  "gcp:secretmanager/regionalSecretVersion:RegionalSecretVersion",
]);

/** Inputs that are secret, whatever is in them, in any type. */
const secretInputs =
  /^(?:secretData(?:Wo)?|privateKey|auth_?token|service_?key|authorization|(?:\w*[a-z])?password)$/i;

/** Inputs that hold variables of somebody's environment: a map, or a list of `NAME=value`. */
const environments =
  /^(?:env|envs|envVariables|environmentVariables|buildEnvVariables|metadata|substitutions|betaSettings)$/;

/**
 * What passes through the program is in its state, and in the inputs of the state even where Pulumi encrypts it or the
 * input is write-only; whoever may preview can read the state. So the program declares secrets, a person adds what
 * is in them, and services read them by their names.
 */
export const noSecretValue: ResourceRule = {
  name: "no-secret-value",
  description: "No secret passes through the program.",
  remedy:
    "Declare a Secret, add its version with gcloud secrets versions add, and give the service projects/<project>/secrets/<id>.",
  severity: "critical",
  check({ type, inputs }) {
    if (secretTypes.has(type))
      return [`${type.split(":").at(-1) ?? ""} keeps a secret in the state`];
    const problems: string[] = [];
    // Its outputs are the business of no-secret-output.
    if (type === stack) return problems;
    visitValues(inputs, (path, value) => {
      const name = path.join(".");
      if (typeof value !== "string" || value === "") return;
      const what = secretIn(value) ?? secretIn(name);
      if (what !== undefined) {
        problems.push(
          `${secretIn(name) === undefined ? name : "the name of an input"} holds ${what}`,
        );
      } else if (secretInputs.test(path.findLast((part) => !/^\d+$/.test(part)) ?? "")) {
        problems.push(`${name} is secret and goes into the state`);
      } else if (path.some((part) => environments.test(part))) {
        problems.push(...variableProblems(path, value));
      }
    });
    return problems;
  },
};

function variableProblems(path: readonly string[], text: string): string[] {
  const [, listed, listedValue] = /^([A-Za-z_]\w*)=([^]*)$/.exec(text) ?? [];
  const inList = /^\d+$/.test(path.at(-1) ?? "") && listed !== undefined;
  const name = inList ? listed : (path.at(-1) ?? "");
  const value = inList ? (listedValue ?? "") : text;
  const where = inList ? `${path.join(".")} (${name})` : path.join(".");
  const inner = parsedObject(value);
  if (inner !== undefined) {
    const problems: string[] = [];
    visitValues(inner, (innerPath, innerValue) => {
      const field = innerPath.at(-1) ?? "";
      if (typeof innerValue === "string" && isBareSecret(field, innerValue)) {
        problems.push(
          `${where}: ${innerPath.join(".")} is called a secret and is no reference to one`,
        );
      }
    });
    return problems;
  }
  return isBareSecret(name, value)
    ? [`${where} is called a secret and is no reference to one`]
    : [];
}

function isBareSecret(name: string, value: string): boolean {
  // A switch or a number about secrets is none.
  const isPlain = /^(?:|true|false|\d{1,6}|\d+(?:ms|s|m|h|d))$/i.test(value);
  return !isPlain && isSecretName(name) && !isSecretReference(value);
}

/** A text's JSON, if it is that of an object: options are handed to services in this way. */
function parsedObject(text: string): object | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
