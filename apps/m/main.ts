import { randomUUID } from "node:crypto";
import { connectBus } from "../lib/connect.ts";
import { answerDiscovery } from "../lib/discovery.ts";
import { runService } from "../lib/service.ts";
import { createMApp } from "./app.ts";
import { DatastoreStore } from "./datastore-store.ts";
import { leaseTimes } from "./lease.ts";
import { PubsubPublisher } from "./pubsub-publisher.ts";
import { createPushVerifier } from "./push.ts";
import { Replica } from "./replica.ts";
import { readMSettings } from "./settings.ts";

/** Of one call of Datastore's. */
const callMs = 3_000;

runService({
  name: "m",
  read: readMSettings,
  build: ({ settings, log, signal }) => {
    const { project = "", version, instance, topic, leaseMs } = settings;
    const bus = connectBus(settings, log);
    const replica = new Replica({
      identity: { replica: randomUUID(), instance: instance?.slice(0, 16), version },
      store: new DatastoreStore({
        project,
        namespace: settings.namespace,
        emulator: settings.datastoreEmulator,
        callMs,
        renewMs: leaseTimes(leaseMs).renewMs,
      }),
      bus,
      publisher: new PubsubPublisher({ topic, emulator: settings.pubsubEmulator }),
      ...{ log, signal, leaseMs },
    });
    replica.reportFigures();
    const { membership } = replica;
    answerDiscovery({
      ...{ bus, log, settings },
      serving: () => membership.obstacle() === undefined,
      index: () => membership.index,
    });
    return {
      handler: createMApp({
        replica,
        verifyPush: createPushVerifier({
          account: settings.pushAccount,
          audience: settings.pushAudience,
          keysUrl: settings.keysUrl,
        }),
        topic: topic.split("/").at(-1) ?? "",
        ...{ log, signal, project },
      }),
      stop: () => replica.stop(),
    };
  },
});
