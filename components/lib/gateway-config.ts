/**
 * The options of the websocket gateway as a stack file has them. What they mean is the app's business,
 * which no component may import: apps/ws/config refuses a wrong option when it starts, and a test holds
 * every stack file against that. Here is only what must not get as far as that: secrets in plain text,
 * which would be in the state, and what opens a protected environment to everybody.
 */

/** Options by the gateway's own names: docs/realtime.md. */
export type GatewayOptions = Readonly<Record<string, unknown>>;

/** The secrets of the gateway have ids of their own, so that no other service's can be asked for. */
const secretId = /^ws-[A-Za-z0-9_-]{1,200}$/;
const secretRule = "{secret: ws-…}, the id of a secret in Secret Manager";

/**
 * What is wrong, each as `path: what is wrong; what is allowed`. No message repeats a value, which may be
 * a secret.
 *
 * @param where the path of the options themselves
 * @param strict whether the stack is one in which nothing may be open to everybody
 */
export function gatewayProblems(
  options: unknown,
  { where, strict }: { readonly where: string; readonly strict: boolean },
): string[] {
  if (!isObject(options)) return [`${where}: is no object; allowed: the gateway's options by name`];
  const problems: string[] = [];
  visit(options, where, (path, name, value) => {
    if (holdsSecret(name)) {
      if (typeof value === "string" && value !== "") {
        problems.push(`${path}: is in plain text; allowed: ${secretRule}`);
      } else if (value !== "" && referenceId(value) === undefined) {
        problems.push(`${path}: is no reference; allowed: ${secretRule}`);
      }
      return false;
    }
    // By the name alone, so that the next such option is refused before anybody thinks of it here.
    if (strict && name.startsWith("insecure") && value !== false) {
      problems.push(
        `${path}: is refused where \`protect\` is true and in stack prod; allowed: false`,
      );
    }
    return true;
  });
  return problems;
}

/** The ids of all secrets that the options refer to, each once, sorted. */
export function gatewaySecretIds(options: GatewayOptions): string[] {
  const ids = new Set<string>();
  visit(options, "", (_path, name, value) => {
    const id = holdsSecret(name) ? referenceId(value) : undefined;
    if (id !== undefined) ids.add(id);
    return true;
  });
  return [...ids].sort();
}

/**
 * The options as JSON for the app's environment, with the full names of secrets. The same text for the
 * same options, whatever their order: it is part of what names the service's version.
 */
export function gatewayConfigText(options: GatewayOptions, project: string): string {
  return JSON.stringify(options, (name, value: unknown) => {
    const id = holdsSecret(name) ? referenceId(value) : undefined;
    if (id !== undefined) return { secret: `projects/${project}/secrets/${id}` };
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** By the name alone: a misspelt option must not put a secret into the state either. */
function holdsSecret(name: string): boolean {
  return /secret|password|key$/.test(name) && !/public_key$|_until$/.test(name);
}

function referenceId(value: unknown): string | undefined {
  if (!isObject(value) || Object.keys(value).length !== 1) return undefined;
  const id = value["secret"];
  return typeof id === "string" && secretId.test(id) ? id : undefined;
}

/** Goes through all named values; `see` answers whether to go on into the value. */
function visit(
  value: unknown,
  path: string,
  see: (path: string, name: string, value: unknown) => boolean,
): void {
  if (Array.isArray(value)) {
    for (const [index, inner] of value.entries()) visit(inner, `${path}[${index}]`, see);
  } else if (isObject(value)) {
    for (const [name, inner] of Object.entries(value)) {
      const at = path === "" ? name : `${path}.${name}`;
      if (see(at, name, inner)) visit(inner, at, see);
    }
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
