import { collectDefaultMetrics, Registry } from "prom-client";
import { connectBus } from "../lib/connect.ts";
import { answerDiscovery } from "../lib/discovery.ts";
import { readNatsSettings } from "../lib/environment.ts";
import { readSecret } from "../lib/secret.ts";
import { runService } from "../lib/service.ts";
import { DeferredTokens } from "./auth/deferred-tokens.ts";
import { TokenVerifier } from "./auth/tokens.ts";
import { readConfigFrom } from "./config/environment.ts";
import { mapSecrets } from "./config/options.ts";
import { resolveSecrets } from "./config/secrets.ts";
import { Gateway, inboxPrefix } from "./gateway.ts";
import { serveServices, servicesMethod } from "./services.ts";

/** Calls that are under way when the service stops may take so long. */
const finishMs = 300;
/** What remains for the end after the websockets were closed: positions are written down. */
const endMs = 2_000;

runService({
  name: "ws",
  read: (reader) => ({
    ...readNatsSettings(reader),
    config: readConfigFrom(reader),
    replicas: reader.integer("NATS_REPLICAS", "how many NATS servers keep each message", {
      min: 1,
      max: 5,
      fallback: 1,
    }),
  }),
  build: ({ settings, log, signal }) => {
    const bus = connectBus(settings, log, { inboxPrefix });
    const metrics = new Registry();
    // Ten times a second instead of a hundred: an idle process is to sleep.
    collectDefaultMetrics({ register: metrics, eventLoopMonitoringPrecision: 100 });
    const { config: referring } = settings;
    let apiKey: string | undefined;
    const read = async (until: AbortSignal): Promise<TokenVerifier> => {
      const config = await resolveSecrets(referring, (name) => readSecret(name, settings, until));
      apiKey = config.http_api.key;
      return new TokenVerifier(config.client);
    };
    const gateway = new Gateway({
      bus,
      log,
      signal,
      // The keys are read when the process has started, and stay where they are used.
      config: mapSecrets(referring, () => ""),
      tokens: new DeferredTokens(read, log, signal),
      apiKey: () => apiKey,
      name: settings.instance,
      project: settings.project,
      version: settings.version,
      replicas: settings.replicas,
      metrics,
    });
    gateway.reportFigures();
    const services = serveServices({ bus, log, inboxPrefix, rpc: referring.rpc, signal });
    answerDiscovery({
      ...{ bus, log, settings },
      serving: () => !signal.aborted && gateway.obstacle === undefined,
      methods: services === undefined ? [] : [servicesMethod],
    });
    return {
      handler: gateway.handler,
      attach: (server) => {
        gateway.attach(server);
      },
      stop: async () => {
        await Promise.all([gateway.stop(), services?.whenDone(finishMs)]);
        await bus.close();
      },
      stopWithinMs: referring.shutdown.timeout + endMs,
    };
  },
});
