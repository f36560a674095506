import type { Closing } from "../transport/link.ts";

/** Why the raw endpoint closes a websocket: the code that the peer sees and the words that go with it. */
export const closings = {
  shutdown: { code: 1001, reason: "the server is stopping, reconnect" },
  old: { code: 1001, reason: "the connection has lasted long enough, reconnect" },
  binary: { code: 1003, reason: "only text frames are taken" },
  listenOnly: { code: 1008, reason: "publishing to this topic is not allowed" },
  expired: { code: 1008, reason: "the token has expired" },
  slow: { code: 1008, reason: "too slow: more than 1 MiB was waiting" },
  crowded: { code: 1008, reason: "too slow: too much was waiting for all websockets together" },
  tooLarge: { code: 1009, reason: "the message is larger than NATS takes" },
  lost: { code: 1013, reason: "a message may not have been published, reconnect" },
  noBroker: { code: 1013, reason: "no connection to NATS, reconnect later" },
} as const satisfies Record<string, Closing>;
