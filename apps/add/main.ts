import { connectBus } from "../lib/connect.ts";
import { answerDiscovery } from "../lib/discovery.ts";
import { readNatsSettings } from "../lib/environment.ts";
import { serveRpc } from "../lib/rpc.ts";
import { runService } from "../lib/service.ts";
import { createAddApp } from "./app.ts";
import { createCalculator } from "./calculator.ts";
import { calculatorMethods } from "./rpc.ts";

/** Calls that are under way when the service stops may take so long; requests have had their time then. */
const finishMs = 300;

runService({
  name: "add",
  read: readNatsSettings,
  build: ({ settings, log, signal }) => {
    const bus = connectBus(settings, log);
    const calculator = createCalculator(bus);
    const methods = calculatorMethods(calculator);
    const rpc = serveRpc({ bus, log, service: "add", methods, signal });
    answerDiscovery({
      ...{ bus, log, settings, methods: Object.keys(methods) },
      serving: () => !signal.aborted,
    });
    return {
      handler: createAddApp({ bus, calculator, log, signal, project: settings.project }),
      stop: async () => {
        await rpc.whenDone(finishMs);
        await bus.close();
      },
    };
  },
});
