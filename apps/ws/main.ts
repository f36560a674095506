import { connectBus } from "../lib/connect.ts";
import { readNatsSettings } from "../lib/environment.ts";
import { runService } from "../lib/service.ts";
import { defaultGatewayLimits, Gateway, totalBacklogBytes } from "./gateway.ts";

/** What clients get to answer the close frame; the whole stop must fit into two seconds. */
const closeGraceMs = 1_000;

runService({
  name: "ws",
  read: (reader) => ({
    ...readNatsSettings(reader),
    maxTotalBacklogBytes: totalBacklogBytes(reader.optional("GAE_MEMORY_MB")),
    maxWebsockets: reader.integer("MAX_WEBSOCKETS", "how many websockets one instance holds", {
      min: 1,
      max: 1_000_000,
      fallback: defaultGatewayLimits.maxWebsockets,
    }),
  }),
  build: ({ settings, log, signal }) => {
    const bus = connectBus(settings, log);
    const gateway = new Gateway({
      bus,
      log,
      signal,
      project: settings.project,
      limits: {
        maxTotalBacklogBytes: settings.maxTotalBacklogBytes,
        maxWebsockets: settings.maxWebsockets,
      },
    });
    return {
      handler: gateway.handler,
      attach: (server) => {
        gateway.attach(server);
      },
      stop: async () => {
        await gateway.stop(closeGraceMs);
        await bus.close();
      },
    };
  },
});
