import { type BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { ProtocolError } from "../codes.ts";
import type {
  ClientInfo,
  ConnectResult,
  DisconnectPush,
  Encoded,
  Expiry,
  HistoryResult,
  PresenceResult,
  PresenceStatsResult,
  Publication,
  Push,
  RefreshResult,
  Reply,
  SubscribePush,
  SubscribeResult,
  Tags,
} from "../messages.ts";
import {
  byName,
  bytes,
  bytesOf,
  fields,
  flag,
  list,
  message,
  text,
  textInMap,
  uint,
  type Write,
} from "./writing.ts";

// What clients get. What is JSON text here is sent as bytes, which are written as text is.

const clientInfo = message(
  fields<ClientInfo>({
    user: [1, text],
    client: [2, text],
    conn_info: [3, text],
    chan_info: [4, text],
  }),
);

const tags: Write<Tags> = (writer, number, value) => {
  tagEntries(writer, number, Object.entries(value));
};
const tagEntries = byName(textInMap);

export const publication = fields<Publication>({
  data: [4, bytes],
  info: [5, clientInfo],
  offset: [6, uint],
  tags: [7, tags],
  delta: [
    8,
    (writer, number, value) => {
      flag(writer, number, value === "delta");
    },
  ],
});

/** A publication as `publication` has written it. */
const written: Write<Encoded> = (writer, number, value) => {
  writer.tag(number, WireType.LengthDelimited).bytes(bytesIn(value));
};

export function bytesIn(encoded: Encoded): Uint8Array {
  if (typeof encoded !== "string") return encoded;
  throw new TypeError("what was encoded as JSON goes to a client of protobuf");
}

const subscribeResult = message(
  fields<SubscribeResult>({
    expires: [1, flag],
    ttl: [2, uint],
    recoverable: [3, flag],
    epoch: [6, text],
    publications: [7, list(written)],
    recovered: [8, flag],
    offset: [9, uint],
    positioned: [10, flag],
    data: [11, text],
    was_recovering: [12, flag],
    delta: [13, flag],
  }),
);

const connectResult = message(
  fields<ConnectResult>({
    client: [1, text],
    version: [2, text],
    expires: [3, flag],
    ttl: [4, uint],
    subs: [6, byName(subscribeResult)],
    ping: [7, uint],
    pong: [8, flag],
    session: [9, text],
    node: [10, text],
    time: [11, uint],
  }),
);

/** What is shared by those who asked together is written once for all of them. */
const presences = new WeakMap<PresenceResult["presence"], Uint8Array>();

const clientsByName = byName(clientInfo);

const presenceOf = (writer: BinaryWriter, presence: PresenceResult["presence"]): void => {
  clientsByName(writer, 1, presence);
};

const presence = message(
  fields<PresenceResult>({
    presence: [
      1,
      (writer, _number, clients) => {
        const known = presences.get(clients) ?? bytesOf(presenceOf, clients);
        presences.set(clients, known);
        writer.raw(known);
      },
    ],
    incomplete: undefined,
  }),
);

const nothing = message(() => undefined);

const expiry = fields<Expiry>({ expires: [1, flag], ttl: [2, uint] });

export const reply = fields<Reply>({
  id: [1, uint],
  error: [
    2,
    message(fields<ProtocolError>({ code: [1, uint], message: [2, text], temporary: [3, flag] })),
  ],
  connect: [5, connectResult],
  subscribe: [6, subscribeResult],
  unsubscribe: [7, nothing],
  publish: [8, nothing],
  presence: [9, presence],
  presence_stats: [
    10,
    message(
      fields<PresenceStatsResult>({
        num_clients: [1, uint],
        num_users: [2, uint],
        incomplete: undefined,
      }),
    ),
  ],
  history: [
    11,
    message(
      fields<HistoryResult>({
        publications: [1, list(written)],
        epoch: [2, text],
        offset: [3, uint],
      }),
    ),
  ],
  rpc: [13, message(fields<{ readonly data: Uint8Array }>({ data: [1, bytes] }))],
  refresh: [
    14,
    message(
      fields<RefreshResult>({
        client: [1, text],
        version: [2, text],
        expires: [3, flag],
        ttl: [4, uint],
      }),
    ),
  ],
  sub_refresh: [15, message(expiry)],
});

const ofInfo = message(fields<{ readonly info: ClientInfo }>({ info: [1, clientInfo] }));

/** All but publications. */
export const push = fields<Push>({
  channel: [2, text],
  join: [5, ofInfo],
  leave: [6, ofInfo],
  unsubscribe: [
    7,
    message(
      fields<{ readonly code: number; readonly reason: string }>({
        code: [2, uint],
        reason: [3, text],
      }),
    ),
  ],
  message: [8, message(fields<{ readonly data: Uint8Array }>({ data: [1, bytes] }))],
  subscribe: [
    9,
    message(
      fields<SubscribePush>({
        recoverable: [1, flag],
        epoch: [4, text],
        offset: [5, uint],
        positioned: [6, flag],
        data: [7, text],
      }),
    ),
  ],
  disconnect: [
    11,
    message(fields<DisconnectPush>({ code: [1, uint], reason: [2, text], reconnect: [3, flag] })),
  ],
  refresh: [12, message(expiry)],
});
