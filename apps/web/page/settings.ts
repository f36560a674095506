import type { Picture } from "./system/picture.ts";

/** What the default service knows of its environment, as `GET /console.json` answers it. */
export interface ConsoleSettings {
  readonly project: string;
  /** Of the default service. */
  readonly version: string;
  /** Whether this is the local cloud, whose own API is below `/_local/`. */
  readonly local: boolean;
  /** Whether `POST /console/token` gives a token to whoever asks. */
  readonly demoTokens: boolean;
  /** Whether the gateway takes clients without a token. */
  readonly anonymous: boolean;
  readonly transports: readonly ("websocket" | "http_stream" | "sse")[];
  /** A method that the gateway itself answers at once. */
  readonly pingMethod: string | null;
  /** The method that says which instances of services are connected. */
  readonly servicesMethod: string | null;
  /** Channels that are worth a look. */
  readonly channels: readonly string[];
  /** What the program declares. */
  readonly declared: Picture;
}

/**
 * What holds of a setting that the answer leaves out: while traffic moves between two versions, the
 * page and its settings may come from different ones.
 */
const unknown: ConsoleSettings = {
  project: "unknown",
  version: "unknown",
  local: false,
  demoTokens: false,
  anonymous: false,
  transports: ["websocket"],
  pingMethod: null,
  servicesMethod: null,
  channels: [],
  declared: { services: [], rules: [], nats: [], topics: [] },
};

const patienceMs = 10_000;

/** @throws Error in words for people */
export async function readSettings(get: typeof fetch): Promise<ConsoleSettings> {
  const answered = await get("/console.json", { signal: AbortSignal.timeout(patienceMs) }).catch(
    (cause: unknown) => {
      throw new Error("The service that serves this page cannot be reached.", { cause });
    },
  );
  if (!answered.ok) throw new Error(`/console.json is answered with ${answered.status}.`);
  const settings: unknown = await answered.json().catch(() => undefined);
  if (typeof settings !== "object" || settings === null) {
    throw new Error("/console.json is answered with something else than settings.");
  }
  return { ...unknown, ...settings };
}
