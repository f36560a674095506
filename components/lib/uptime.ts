/** What probes from outside ask, and what they are to hear: pure data. */

/** A request through the front door that tells whether a service answers. */
export interface UptimePath {
  readonly service: UptimeService;
  readonly path: string;
  readonly status: number;
  /** What the answer's body has in it, so that no other service can answer in its place. */
  readonly contains: string;
}

const paths = {
  web: { path: "/", status: 200, contains: "<title>App Engine realtime</title>" },
  // Only POST computes; who says that is add, which the dispatch rules lead to.
  add: { path: "/api/add/sum", status: 405, contains: "GET is not one of POST" },
  ws: { path: "/ws/probe", status: 426, contains: "this path speaks websocket only" },
  // A key that nobody has: a replica that may serve says so from its memory, another one answers 503.
  m: { path: "/m/--probe--", status: 404, contains: "there is no such key" },
} as const;

export type UptimeService = keyof typeof paths;

export function uptimePaths(services: readonly UptimeService[]): readonly UptimePath[] {
  return services.map((service) => ({ service, ...paths[service] }));
}
