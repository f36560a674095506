import { connectBus } from "../lib/connect.ts";
import { readNatsSettings } from "../lib/environment.ts";
import { runService } from "../lib/service.ts";
import { createAddApp } from "./app.ts";

runService({
  name: "add",
  read: readNatsSettings,
  build: ({ settings, log, signal }) => {
    const bus = connectBus(settings, log);
    return {
      handler: createAddApp({ bus, log, signal, project: settings.project }),
      stop: () => bus.close(),
    };
  },
});
