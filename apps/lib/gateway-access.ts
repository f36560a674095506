import type { EnvironmentReader, NatsSettings } from "./environment.ts";
import { GatewayClient, type GatewayClientOptions } from "./gateway-client.ts";
import { readSecret } from "./secret.ts";

/** Where the gateway's server API is, and where its key is kept. */
export interface GatewaySettings {
  readonly gatewayUrl: string;
  /** `projects/<project>/secrets/<id>`. */
  readonly gatewayKeySecret: string | undefined;
}

/** For a service that calls the server API: docs/server-api.md. */
export function readGatewaySettings(reader: EnvironmentReader): GatewaySettings {
  return {
    gatewayUrl: reader.httpUrl(
      "GATEWAY_URL",
      "where the gateway's server API answers",
      "http://127.0.0.1:8081/api",
    ),
    gatewayKeySecret: reader.optionalMatch(
      "GATEWAY_KEY_SECRET",
      /^projects\/[^/\s]+\/secrets\/[\w-]+$/,
      "the secret that holds the key of the gateway's server API, projects/<project>/secrets/<id>",
    ),
  };
}

/** How long a key is used before it is read again: it may have been replaced. */
const keyMs = 300_000;

/**
 * A client of the gateway with the key that the settings name; without one, for a gateway that needs none.
 *
 * @param read reads a secret; Secret Manager's by default
 */
export function connectGateway(
  settings: GatewaySettings & Pick<NatsSettings, "secretManagerEndpoint" | "metadataHost">,
  signal: AbortSignal,
  options: Omit<GatewayClientOptions, "url" | "key"> = {},
  read: (name: string) => Promise<Uint8Array> = (name) => readSecret(name, settings, signal),
): GatewayClient {
  const { gatewayUrl: url, gatewayKeySecret: secret } = settings;
  let known: { readonly key: Promise<string>; readonly until: number } | undefined;
  const key = async (): Promise<string> => {
    if (secret === undefined) return "";
    if (known === undefined || known.until < performance.now()) {
      const fresh = read(secret).then((bytes) => Buffer.from(bytes).toString("utf8"));
      const entry = { key: fresh, until: performance.now() + keyMs };
      known = entry;
      // What could not be read is tried again by the next call.
      fresh.catch(() => {
        if (known === entry) known = undefined;
      });
    }
    return known.key;
  };
  return new GatewayClient({ ...options, url, key });
}
