/**
 * The gateway's options. Names and defaults are those of the Centrifuge family's server, so that its
 * documentation and people's configurations carry over.
 */
import type * as z from "zod";
import { nearest } from "./nearest.ts";
import { schema, usualMemoryBytes } from "./schema.ts";
import type { GatewayConfig, SecretReference } from "./types.ts";
import { whyUnsupported } from "./unsupported.ts";

export type * from "./types.ts";

/** Everything that is wrong with a configuration, each `path: what is wrong; allowed: …`. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the configuration is wrong:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}

/** A configuration in which secrets may still be references; `resolveSecrets` reads them. */
export type ReferringConfig = GatewayConfig<string | SecretReference>;

/**
 * Decodes options that hold their secrets as text.
 *
 * @throws ConfigError with all problems at once
 */
export function decodeConfig(value: unknown, memoryBytes?: number): GatewayConfig {
  const config = decodeReferringConfig(value, memoryBytes);
  const problems: string[] = [];
  const decoded = mapSecrets(config, (secret, path) => {
    if (typeof secret === "string") return secret;
    problems.push(`${path}: is a reference to a secret, which nobody reads here`);
    return "";
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze(decoded);
}

/**
 * Decodes options as a person writes them: JSON with durations as text and secrets as text or
 * references. Every default is filled in.
 *
 * @param memoryBytes of the instance, from which the limits for all connections together follow
 * @throws ConfigError with all problems at once, none of which repeats a secret
 */
export function decodeReferringConfig(
  value: unknown,
  memoryBytes: number = usualMemoryBytes,
): ReferringConfig {
  const result = schema.safeParse(value);
  if (!result.success) {
    throw new ConfigError(result.error.issues.flatMap((issue) => explain(value, issue)));
  }
  const { client, ...rest } = result.data;
  return deepFreeze({
    ...rest,
    client: {
      ...client,
      // Half of the memory, at a generous 24 KiB for each connection.
      connection_limit: client.connection_limit ?? Math.floor(memoryBytes / 2 / 24_576),
      total_queue_max_size:
        client.total_queue_max_size ?? Math.max(client.queue_max_size, Math.floor(memoryBytes / 4)),
    },
  });
}

/** The same configuration with other secrets. */
export function mapSecrets<From, To>(
  config: GatewayConfig<From>,
  map: (secret: From, path: string) => To,
): GatewayConfig<To> {
  const keys = (
    block: "token" | "subscription_token",
  ): Record<"hmac_secret_key" | "hmac_previous_secret_key", To> => ({
    hmac_secret_key: map(config.client[block].hmac_secret_key, `client.${block}.hmac_secret_key`),
    hmac_previous_secret_key: map(
      config.client[block].hmac_previous_secret_key,
      `client.${block}.hmac_previous_secret_key`,
    ),
  });
  const { client, http_api } = config;
  return {
    ...config,
    client: {
      ...client,
      token: { ...client.token, ...keys("token") },
      subscription_token: { ...client.subscription_token, ...keys("subscription_token") },
    },
    http_api: { ...http_api, key: map(http_api.key, "http_api.key") },
  };
}

/** What holds when nothing is configured. */
export const defaultConfig: GatewayConfig = decodeConfig({});

function explain(config: unknown, issue: z.core.$ZodIssue): string[] {
  const path = pathText(issue.path);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((name) => {
      const full = pathText([...issue.path, name]);
      const reason = whyUnsupported(issue.path, name);
      if (reason !== undefined) return `${full}: is not supported by this gateway: ${reason}`;
      const meant = nearest(name, issue.message.split(", "));
      const guess = meant === undefined ? "" : `, perhaps ${meant} is meant`;
      return `${full}: is not known${guess}; allowed: ${issue.message}`;
    });
  }
  if (issue.code === "custom" && issue.params?.["refused"] === true) {
    return [`${path}: ${issue.message}`];
  }
  const value = issue.path.reduce<unknown>(
    (inner, part) =>
      typeof inner === "object" && inner !== null ? Reflect.get(inner, part) : undefined,
    config,
  );
  const wantsBlock =
    issue.code === "invalid_type" && (issue.expected === "object" || issue.expected === "array");
  const shown = wantsBlock || maySecret(issue.path) ? kindOf(value) : valueText(value);
  return [`${path}: ${shown}; allowed: ${issue.message}`];
}

/** Whether what is there by mistake could be a secret. */
function maySecret([block, name]: readonly PropertyKey[]): boolean {
  return (
    (block === "client" && (name === "token" || name === "subscription_token")) ||
    (block === "http_api" && name === "key")
  );
}

function pathText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "the configuration";
  return path
    .map((part) => {
      if (typeof part === "number") return `[${part}]`;
      const name = String(part);
      return /^[\w$-]{1,80}$/.test(name) ? `.${name}` : `[${JSON.stringify(name.slice(0, 80))}]`;
    })
    .join("")
    .replace(/^\./, "");
}

function valueText(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (typeof value !== "string") return kindOf(value);
  return value.length > 80 ? `${JSON.stringify(value.slice(0, 80))}…` : JSON.stringify(value);
}

function kindOf(value: unknown): string {
  if (value === undefined) return "is missing";
  if (value === null || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  return typeof value === "string" ? "text" : "a number";
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
