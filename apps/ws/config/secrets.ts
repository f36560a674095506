import { ConfigError, mapSecrets, type ReferringConfig } from "./options.ts";
import type { GatewayConfig } from "./types.ts";

/**
 * Reads the secrets that a configuration refers to, each once, whatever refers to it.
 *
 * @param read gives the secret `projects/<project>/secrets/<id>`; what it throws ends this, too
 * @throws ConfigError when a secret is empty: as a key, it would switch off what it is the key of
 */
export async function resolveSecrets(
  config: ReferringConfig,
  read: (name: string) => Promise<Uint8Array>,
): Promise<GatewayConfig> {
  const names = new Set<string>();
  mapSecrets(config, (secret) => {
    if (typeof secret !== "string") names.add(secret.secret);
  });
  const texts = new Map(
    await Promise.all(
      [...names].map(
        async (name) => [name, Buffer.from(await read(name)).toString("utf8")] as const,
      ),
    ),
  );
  const problems: string[] = [];
  const resolved = mapSecrets(config, (secret, path) => {
    if (typeof secret === "string") return secret;
    const value = texts.get(secret.secret) ?? "";
    if (value === "") problems.push(`${path}: the secret ${secret.secret} is empty`);
    return value;
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return resolved;
}
