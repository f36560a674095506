import { z } from "zod";

/** What the page is told of its environment: `CONSOLE`, as the stack declares it. */
const consoleText = z.object({
  /** Whether the gateway takes clients without a token. */
  anonymous: z.boolean(),
  transports: z.array(z.enum(["websocket", "http_stream", "sse"])).min(1),
  pingMethod: z.string().nullable(),
  servicesMethod: z.string().nullable(),
  channels: z.array(z.string()),
  /** A picture of what the program declares; the page draws it, and nothing here reads it. */
  declared: z.looseObject({}),
});

export type DeclaredConsole = z.infer<typeof consoleText>;

/** What the page is told of its environment, but for whether there are demo tokens. */
export interface ConsoleFacts extends DeclaredConsole {
  readonly project: string;
  /** Of this service; empty on a developer's terminal. */
  readonly version: string;
  /** Whether the local cloud's own API answers on this origin. */
  readonly local: boolean;
}

/** What a service knows that was started without the stack: on a developer's terminal, in a test. */
export const bareConsole: ConsoleFacts = {
  ...{ project: "", version: "", local: false },
  anonymous: false,
  transports: ["websocket"],
  pingMethod: null,
  servicesMethod: null,
  channels: [],
  declared: { services: [], rules: [], nats: [], topics: [] },
};

/** @returns undefined for what is no such text */
export function decodeConsole(text: string): DeclaredConsole | undefined {
  try {
    return consoleText.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
