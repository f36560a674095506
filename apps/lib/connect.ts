import type { NatsSettings, ServiceSettings } from "./environment.ts";
import type { Log } from "./log.ts";
import { NatsBus } from "./nats-bus.ts";
import { readSecret } from "./secret.ts";

/** The bus of a service, with the key that its settings name. */
export function connectBus(
  settings: ServiceSettings & NatsSettings,
  log: Log,
  { inboxPrefix }: { readonly inboxPrefix?: string } = {},
): NatsBus {
  const { service, version, instance, servers, seedSecret } = settings;
  const name = [service, version, instance?.slice(0, 16)].filter((part) => part !== undefined);
  return new NatsBus({
    name: name.join("/"),
    servers,
    log,
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    ...(seedSecret === undefined
      ? {}
      : { seed: (signal) => readSecret(seedSecret, settings, signal) }),
  });
}
