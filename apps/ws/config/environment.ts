import { readFileSync } from "node:fs";
import type { EnvironmentReader } from "../../lib/environment.ts";
import { ConfigError, decodeReferringConfig, type ReferringConfig } from "./options.ts";

/**
 * The gateway's options from the environment: JSON in `WS_CONFIG`, or in the file that `WS_CONFIG_FILE`
 * names; neither: the defaults. What is wrong becomes problems of the environment.
 *
 * `GAE_MEMORY_MB`, which App Engine sets, bounds what all connections together may take.
 */
export function readConfigFrom(reader: EnvironmentReader): ReferringConfig {
  const file = reader.optional("WS_CONFIG_FILE");
  const inline = reader.optional("WS_CONFIG");
  if (file !== undefined && inline !== undefined) {
    reader.problems.push("WS_CONFIG and WS_CONFIG_FILE are both set: one holds all options");
  }
  const memoryBytes = Number(reader.optional("GAE_MEMORY_MB")) * 1_048_576;
  const decode = (value: unknown): ReferringConfig =>
    decodeReferringConfig(value, memoryBytes > 0 ? memoryBytes : undefined);
  const source = file === undefined ? "WS_CONFIG" : `WS_CONFIG_FILE ${file}`;
  try {
    const text = file === undefined ? inline : readFileSync(file, "utf8");
    return decode(text === undefined ? {} : parse(text));
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : [reasonOf(error)];
    reader.problems.push(...problems.map((problem) => `${source}: ${problem}`));
    return decode({});
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    // What Node says quotes the text, which may hold secrets; where it says a place, that is enough.
    const place = error instanceof SyntaxError ? /line \d+ column \d+/.exec(error.message) : null;
    throw new ConfigError([place === null ? "is not JSON" : `is not JSON (${place[0]})`]);
  }
}

/** Why a file cannot be read; anything else is a bug and goes on its way. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && "code" in error) return `cannot be read (${String(error.code)})`;
  throw error;
}
