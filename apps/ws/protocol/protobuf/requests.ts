import { WireType } from "@bufbuild/protobuf/wire";
import { filterLimits, nodeBeyond } from "../filter-limits.ts";
import type {
  ChannelCommand,
  Command,
  ConnectCommand,
  FilterNode,
  HistoryCommand,
  PingCommand,
  PublishCommand,
  Recover,
  RefreshCommand,
  RpcCommand,
  SendCommand,
  StreamPosition,
  SubRefreshCommand,
  SubscribeCommand,
} from "../messages.ts";
import {
  byName,
  bytes,
  flag,
  int32,
  list,
  type Message,
  message,
  nested,
  optional,
  type Reader,
  text,
  uint32,
  uint64,
} from "./reading.ts";

// What clients send. Fields that mean nothing here are left out: they are skipped, as unknown ones are.

/** A command without what it has in common with the others. */
export type Request<C extends Command = Command> = C extends unknown ? Omit<C, "id"> : never;

/** The body of a request to `/emulation`: what a client without a websocket sends, and to whom. */
export interface EmulationRequest {
  readonly node: string;
  readonly session: string;
  /** As it would be in a frame of a websocket. */
  readonly data: Uint8Array;
}

const noBytes = new Uint8Array();

export const emulationRequest = message<EmulationRequest>(
  () => ({ node: "", session: "", data: noBytes }),
  { node: [1, text], session: [2, text], data: [3, bytes] },
);

const recover = message<Recover>(() => ({ recover: false, offset: 0, epoch: "" }), {
  recover: [3, flag],
  epoch: [6, text],
  offset: [7, uint64],
});

const connect = message<Request<ConnectCommand>>(
  () => ({ method: "connect", token: "", subs: new Map(), name: "", version: "" }),
  { token: [1, text], subs: [3, byName(recover)], name: [4, text], version: [5, text] },
);

const filterNode = message<FilterNode>(
  () => ({ op: "", key: "", cmp: "", val: "", vals: [], nodes: [] }),
  {
    op: [1, text],
    key: [2, text],
    cmp: [3, text],
    val: [4, text],
    vals: [5, list(WireType.LengthDelimited, readFilterValue)],
    nodes: [6, list(WireType.LengthDelimited, (reader) => readFilter(reader))],
  },
);

function readFilterValue(reader: Reader): string {
  reader.filterValues += 1;
  if (reader.filterValues <= filterLimits.values) return text.read(reader, "");
  reader.skip(WireType.LengthDelimited);
  return "";
}

function readFilter(reader: Reader, before?: FilterNode): FilterNode {
  reader.filterNodes += 1;
  if (reader.filterDepth >= filterLimits.depth || reader.filterNodes > filterLimits.nodes) {
    reader.skip(WireType.LengthDelimited);
    return nodeBeyond;
  }
  reader.filterDepth += 1;
  const node = nested(filterNode, reader, before);
  reader.filterDepth -= 1;
  return node;
}

const subscribe = message<Request<SubscribeCommand>>(
  () => ({
    ...{ method: "subscribe", channel: "", token: "", recover: false, offset: 0, epoch: "" },
    ...{ positioned: false, recoverable: false, joinLeave: false, delta: "" },
    ...{ tf: undefined, flag: 0, type: 0 },
  }),
  {
    channel: [1, text],
    token: [2, text],
    recover: [3, flag],
    epoch: [6, text],
    offset: [7, uint64],
    positioned: [9, flag],
    recoverable: [10, flag],
    joinLeave: [11, flag],
    delta: [12, text],
    tf: [13, { wire: WireType.LengthDelimited, read: readFilter }],
    // Has 64 bits, of which only some of the lowest mean anything.
    flag: [14, uint32],
    type: [15, int32],
  },
);

const publish = message<Request<PublishCommand>>(
  () => ({ method: "publish", channel: "", data: noBytes, type: 0 }),
  { channel: [1, text], data: [2, bytes], type: [3, int32] },
);

function ofChannel(method: ChannelCommand["method"]): Message<Request<ChannelCommand>> {
  return message<Request<ChannelCommand>>(() => ({ method, channel: "" }), { channel: [1, text] });
}

const position = message<StreamPosition>(() => ({ offset: 0, epoch: "" }), {
  offset: [1, uint64],
  epoch: [2, text],
});

const history = message<Request<HistoryCommand>>(
  () => ({ method: "history", channel: "", limit: 0, since: undefined, reverse: false }),
  { channel: [1, text], limit: [7, int32], since: [8, optional(position)], reverse: [9, flag] },
);

const rpc = message<Request<RpcCommand>>(() => ({ method: "rpc", name: "", data: noBytes }), {
  data: [1, bytes],
  name: [2, text],
});

const refresh = message<Request<RefreshCommand>>(() => ({ method: "refresh", token: "" }), {
  token: [1, text],
});

const subRefresh = message<Request<SubRefreshCommand>>(
  () => ({ method: "sub_refresh", channel: "", token: "" }),
  { channel: [1, text], token: [2, text] },
);

/** A command as it comes: one of the requests should be there. */
export interface CommandDraft {
  readonly id: number;
  readonly connect: Request<ConnectCommand> | undefined;
  readonly subscribe: Request<SubscribeCommand> | undefined;
  readonly unsubscribe: Request<ChannelCommand> | undefined;
  readonly publish: Request<PublishCommand> | undefined;
  readonly presence: Request<ChannelCommand> | undefined;
  readonly presence_stats: Request<ChannelCommand> | undefined;
  readonly history: Request<HistoryCommand> | undefined;
  readonly ping: Request<PingCommand> | undefined;
  readonly send: Request<SendCommand> | undefined;
  readonly rpc: Request<RpcCommand> | undefined;
  readonly refresh: Request<RefreshCommand> | undefined;
  readonly sub_refresh: Request<SubRefreshCommand> | undefined;
}

const noRequest: Omit<CommandDraft, "id"> = {
  ...{ connect: undefined, subscribe: undefined, unsubscribe: undefined, publish: undefined },
  ...{ presence: undefined, presence_stats: undefined, history: undefined, ping: undefined },
  ...{ send: undefined, rpc: undefined, refresh: undefined, sub_refresh: undefined },
};

export const requestNames = Object.keys(noRequest) as (keyof typeof noRequest)[];

export const command = message<CommandDraft>(() => ({ id: 0, ...noRequest }), {
  id: [1, uint32],
  connect: [4, optional(connect)],
  subscribe: [5, optional(subscribe)],
  unsubscribe: [6, optional(ofChannel("unsubscribe"))],
  publish: [7, optional(publish)],
  presence: [8, optional(ofChannel("presence"))],
  presence_stats: [9, optional(ofChannel("presence_stats"))],
  history: [10, optional(history)],
  ping: [11, optional(message<Request<PingCommand>>(() => ({ method: "ping" }), {}))],
  send: [12, optional(message<Request<SendCommand>>(() => ({ method: "send" }), {}))],
  rpc: [13, optional(rpc)],
  refresh: [14, optional(refresh)],
  sub_refresh: [15, optional(subRefresh)],
});
