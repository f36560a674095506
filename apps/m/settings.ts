import { type EnvironmentReader, type NatsSettings, readNatsSettings } from "../lib/environment.ts";

export interface MSettings extends NatsSettings {
  /** `projects/<project>/topics/<topic>`: where the news of a revision is published. */
  readonly topic: string;
  readonly pushAccount: string;
  readonly pushAudience: string;
  readonly keysUrl: string;
  readonly datastoreEmulator: string | undefined;
  readonly pubsubEmulator: string | undefined;
  readonly namespace: string;
  readonly leaseMs: number;
}

/** The lease ends before a POST's wait of 5 s does: a killed replica costs it the lease and no more. */
const usualLeaseMs = 4_000;

const hostAndPort = /^[\w.-]+:\d{1,5}$/;

export function readMSettings(reader: EnvironmentReader): MSettings {
  reader.text("GOOGLE_CLOUD_PROJECT", "the project whose Datastore holds M");
  const topic = reader.text(
    "PUBSUB_TOPIC",
    "the topic of new revisions, projects/<project>/topics/<topic>",
  );
  if (topic !== "" && !/^projects\/[^/\s]+\/topics\/[\w.-]{3,255}$/.test(topic)) {
    reader.problems.push(
      `PUBSUB_TOPIC is ${JSON.stringify(topic)}: a topic is projects/<project>/topics/<topic>`,
    );
  }
  const emulator = (name: string): string | undefined =>
    reader.optionalMatch(name, hostAndPort, "the emulator's address, host:port");
  return {
    ...readNatsSettings(reader),
    topic,
    pushAccount: reader.text("PUSH_ACCOUNT", "the service account that Pub/Sub pushes as"),
    pushAudience: reader.text("PUSH_AUDIENCE", "the audience of Pub/Sub's tokens"),
    keysUrl: reader.httpUrl(
      "GOOGLE_JWKS_URL",
      "where Google publishes the keys of its tokens",
      "https://www.googleapis.com/oauth2/v3/certs",
    ),
    datastoreEmulator: emulator("DATASTORE_EMULATOR_HOST"),
    pubsubEmulator: emulator("PUBSUB_EMULATOR_HOST"),
    namespace: reader.optionalMatch("DATASTORE_NAMESPACE", /^[\w.-]{1,100}$/, "a namespace") ?? "",
    leaseMs: reader.integer("M_LEASE_MS", "how long a lease lasts, in milliseconds", {
      min: 400,
      max: 60_000,
      fallback: usualLeaseMs,
    }),
  };
}
