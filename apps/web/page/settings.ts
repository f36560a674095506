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

/** @throws Error in words for people */
export async function readSettings(get: typeof fetch): Promise<ConsoleSettings> {
  const response = await get("/console.json");
  if (!response.ok) throw new Error(`/console.json is answered with ${response.status}`);
  return (await response.json()) as ConsoleSettings;
}
