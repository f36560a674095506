import type { Codec } from "../../../../apps/ws/protocol/codec.ts";
import type {
  ClientInfo,
  Command,
  Encoded,
  Publication,
} from "../../../../apps/ws/protocol/messages.ts";

/** What a client sends, in both encodings; protobuf in hexadecimal digits, without its length. */
export interface CommandVector {
  readonly what: string;
  readonly json: string;
  readonly protobuf: string;
  /** Undefined: a pong. */
  readonly command: Command | undefined;
}

/** What a client gets, in both encodings. */
export interface ReplyVector {
  readonly what: string;
  readonly encode: (codec: Codec) => Encoded;
  readonly json: string;
  readonly protobuf: string;
}

const payload = (json: string): Uint8Array => new TextEncoder().encode(json);
const filterNode = { op: "", key: "", cmp: "", val: "", vals: [], nodes: [] };
const wish = {
  ...{ token: "", recover: false, offset: 0, epoch: "", positioned: false, recoverable: false },
  ...{ joinLeave: false, delta: "", tf: undefined, flag: 0, type: 0 },
};

export const commandVectors: readonly CommandVector[] = [
  { what: "a pong", json: "{}", protobuf: "", command: undefined },
  {
    what: "connect with nothing",
    json: '{"id":1,"connect":{}}',
    protobuf: "08012200",
    command: { method: "connect", id: 1, token: "", subs: new Map(), name: "", version: "" },
  },
  {
    what: "connect with everything",
    json:
      '{"id":2,"connect":{"token":"aaa.bbb.ccc","data":{"é":[1.0]},"subs":{"a":{"recover":true,"epoch":"xyz","offset":7},"":{}},' +
      '"name":"js","version":"5.8.0","headers":{"Authorization":"x"},"flag":3}}',
    protobuf:
      "080222500a0b6161612e6262622e636363120a7b22c3a9223a5b315d7d1a0e0a016112091801320378797a38071a040a00120022026a732a05352e382e3032120a0d417574686f72697a6174696f6e1201783803",
    command: {
      ...{ method: "connect", id: 2, token: "aaa.bbb.ccc", name: "js", version: "5.8.0" },
      subs: new Map([
        ["a", { recover: true, offset: 7, epoch: "xyz" }],
        ["", { recover: false, offset: 0, epoch: "" }],
      ]),
    },
  },
  {
    what: "subscribe with nothing",
    json: '{"id":3,"subscribe":{"channel":"news"}}',
    protobuf: "08032a060a046e657773",
    command: { method: "subscribe", id: 3, channel: "news", ...wish },
  },
  {
    what: "subscribe with everything",
    json:
      '{"id":4,"subscribe":{"channel":"ns:é","token":"t","recover":true,"epoch":"xyz","offset":4294967296,"data":null,"positioned":true,' +
      '"recoverable":true,"join_leave":true,"delta":"fossil","flag":3,"type":4,"phase":1,"cursor":"c","limit":10,"asc":true}}',
    protobuf:
      "08042a3c0a056e733ac3a91201741801320378797a38808080801042046e756c6c4801500158016206666f7373696c700378048001018a01016390010a980101",
    command: {
      ...{ method: "subscribe", id: 4, channel: "ns:é", token: "t", recover: true, epoch: "xyz" },
      ...{ offset: 2 ** 32, positioned: true, recoverable: true, joinLeave: true, delta: "fossil" },
      ...{ tf: undefined, flag: 3, type: 4 },
    },
  },
  {
    what: "subscribe with the largest offset that is exact",
    json: '{"id":5,"subscribe":{"channel":"c","recover":true,"offset":9007199254740991}}',
    protobuf: "08052a0e0a0163180138ffffffffffffff0f",
    command: {
      ...{ method: "subscribe", id: 5, channel: "c", ...wish },
      ...{ recover: true, offset: Number.MAX_SAFE_INTEGER },
    },
  },
  {
    what: "subscribe with a filter",
    json:
      '{"id":6,"subscribe":{"channel":"c","tf":{"op":"and","nodes":[{"key":"kind","cmp":"in","vals":["a",""]},' +
      '{"op":"not","nodes":[{"key":"n","cmp":"gte","val":"1.5"}]}]}}}',
    protobuf:
      "08062a310a01636a2c0a03616e64320f12046b696e641a02696e2a01612a0032140a036e6f74320d12016e1a036774652203312e35",
    command: {
      ...{ method: "subscribe", id: 6, channel: "c", ...wish },
      tf: {
        ...filterNode,
        op: "and",
        nodes: [
          { ...filterNode, key: "kind", cmp: "in", vals: ["a", ""] },
          {
            ...filterNode,
            op: "not",
            nodes: [{ ...filterNode, key: "n", cmp: "gte", val: "1.5" }],
          },
        ],
      },
    },
  },
  {
    what: "unsubscribe",
    json: '{"id":7,"unsubscribe":{"channel":"c"}}',
    protobuf: "080732030a0163",
    command: { method: "unsubscribe", id: 7, channel: "c" },
  },
  {
    what: "publish",
    json: '{"id":8,"publish":{"channel":"c","data":{"text":"ä","n":-1.5e-7}}}',
    protobuf: "08083a1e0a016312197b2274657874223a22c3a4222c226e223a2d312e35652d377d",
    command: {
      ...{ method: "publish", id: 8, channel: "c", type: 0 },
      data: payload('{"text":"ä","n":-1.5e-7}'),
    },
  },
  {
    what: "publish without data, of another type",
    json: '{"id":9,"publish":{"channel":"c","type":1,"key":"k","removed":true}}',
    protobuf: "08093a0a0a0163180122016b2801",
    command: { method: "publish", id: 9, channel: "c", type: 1, data: payload("") },
  },
  {
    what: "presence",
    json: '{"id":10,"presence":{"channel":"c"}}',
    protobuf: "080a42030a0163",
    command: { method: "presence", id: 10, channel: "c" },
  },
  {
    what: "presence_stats",
    json: '{"id":11,"presence_stats":{"channel":"c"}}',
    protobuf: "080b4a030a0163",
    command: { method: "presence_stats", id: 11, channel: "c" },
  },
  {
    what: "history of everything",
    json: '{"id":12,"history":{"channel":"c","limit":-1}}',
    protobuf: "080c520e0a016338ffffffffffffffffff01",
    command: {
      ...{ method: "history", id: 12, channel: "c", limit: -1, since: undefined, reverse: false },
    },
  },
  {
    what: "history since a position, backwards",
    json: '{"id":13,"history":{"channel":"c","limit":300,"since":{"offset":5,"epoch":"xyz"},"reverse":true}}',
    protobuf: "080d52110a016338ac0242070805120378797a4801",
    command: {
      ...{ method: "history", id: 13, channel: "c", limit: 300, reverse: true },
      since: { offset: 5, epoch: "xyz" },
    },
  },
  {
    what: "history since the beginning",
    json: '{"id":14,"history":{"channel":"c","since":{}}}',
    protobuf: "080e52050a01634200",
    command: {
      ...{ method: "history", id: 14, channel: "c", limit: 0, reverse: false },
      since: { offset: 0, epoch: "" },
    },
  },
  {
    what: "rpc",
    json: '{"id":15,"rpc":{"data":[1,2],"method":"sum"}}',
    protobuf: "080f6a0c0a055b312c325d120373756d",
    command: { method: "rpc", id: 15, name: "sum", data: payload("[1,2]") },
  },
  {
    what: "send",
    json: '{"send":{"data":{}}}',
    protobuf: "62040a027b7d",
    command: { method: "send", id: undefined },
  },
  {
    what: "refresh",
    json: '{"id":16,"refresh":{"token":"aaa.bbb.ccc"}}',
    protobuf: "0810720d0a0b6161612e6262622e636363",
    command: { method: "refresh", id: 16, token: "aaa.bbb.ccc" },
  },
  {
    what: "sub_refresh",
    json: '{"id":4294967295,"sub_refresh":{"channel":"c","token":"t"}}',
    protobuf: "08ffffffff0f7a060a0163120174",
    command: { method: "sub_refresh", id: 4_294_967_295, channel: "c", token: "t" },
  },
  {
    what: "ping",
    json: '{"id":17,"ping":{}}',
    protobuf: "08115a00",
    command: { method: "ping", id: 17 },
  },
];

const info = { user: "42", client: "c1", conn_info: '{"name":"Jürgen"}', chan_info: "[1]" };
const infoJson = '{"user":"42","client":"c1","conn_info":{"name":"Jürgen"},"chan_info":[1]}';
const publication: Publication = {
  ...{ data: payload('{"n":1.0}'), info, offset: 2 ** 32, tags: { kind: "a", "": "" } },
};
const publicationJson = `{"data":{"n":1.0},"info":${infoJson},"offset":4294967296,"tags":{"kind":"a","":""}}`;
const plain: Publication = { data: payload("1") };

/** In a push to the subscribers of a channel. */
function pushed(value: Publication): ReplyVector["encode"] {
  return (codec) => codec.publicationPush("news")(codec.publication(value));
}

export const replyVectors: readonly ReplyVector[] = [
  { what: "a ping", encode: ({ ping }) => ping, json: "{}", protobuf: "" },
  {
    what: "an error",
    encode: (codec) => codec.reply({ id: 1, error: { code: 103, message: "permission denied" } }),
    json: '{"id":1,"error":{"code":103,"message":"permission denied"}}',
    protobuf: "08011215086712117065726d697373696f6e2064656e696564",
  },
  {
    what: "an error that may pass",
    encode: (codec) =>
      codec.reply({ id: 300, error: { code: 100, message: "internal", temporary: true } }),
    json: '{"id":300,"error":{"code":100,"message":"internal","temporary":true}}',
    protobuf: "08ac02120e08641208696e7465726e616c1801",
  },
  {
    what: "the least result of connect",
    encode: (codec) => codec.reply({ id: 2, connect: { client: "c1", version: "v" } }),
    json: '{"id":2,"connect":{"client":"c1","version":"v"}}',
    protobuf: "08022a070a026331120176",
  },
  {
    what: "the most of connect",
    encode: (codec) =>
      codec.reply({
        id: 3,
        connect: {
          ...{ client: "c1", version: "v", expires: true, ttl: 3_600, ping: 25, pong: true },
          ...{ time: 1_700_000_000_123, session: "s", node: "n" },
          subs: new Map([
            ["#42", { recoverable: true, positioned: true, epoch: "xyz", offset: 9 }],
            ["toString", {}],
          ]),
        },
      }),
    json:
      '{"id":3,"connect":{"client":"c1","version":"v","expires":true,"ttl":3600,"subs":{"#42":{"recoverable":true,"positioned":true,"epoch":"xyz","offset":9},' +
      '"toString":{}},"ping":25,"pong":true,"session":"s","node":"n","time":1700000000123}}',
    protobuf:
      "08032a3f0a026331120176180120901c32120a03233432120b1801320378797a48095001320c0a08746f537472696e671200381940014a017352016e58fbd095ffbc31",
  },
  {
    what: "the least result of subscribe",
    encode: (codec) => codec.reply({ id: 4, subscribe: {} }),
    json: '{"id":4,"subscribe":{}}',
    protobuf: "08043200",
  },
  {
    what: "the most of subscribe",
    encode: (codec) =>
      codec.reply({
        id: 5,
        subscribe: {
          ...{ expires: true, ttl: 60, recoverable: true, positioned: true, epoch: "xyz" },
          ...{ offset: Number.MAX_SAFE_INTEGER, recovered: true, was_recovering: true },
          ...{ data: '{"a":"ö"}', delta: true },
          publications: [codec.publication(publication), codec.publication(plain)],
        },
      }),
    json:
      '{"id":5,"subscribe":{"expires":true,"ttl":60,"recoverable":true,"positioned":true,"epoch":"xyz","offset":9007199254740991,"data":{"a":"ö"},' +
      `"publications":[${publicationJson},{"data":1}],"recovered":true,"was_recovering":true,"delta":true}}`,
    protobuf:
      "080532740801103c1801320378797a3a4522097b226e223a312e307d2a210a023432120263311a127b226e616d65223a224ac3bc7267656e227d22035b315d3080808080103a090a046b696e641201613a040a0012003a03220131400148ffffffffffffff0f50015a0a7b2261223a22c3b6227d60016801",
  },
  {
    what: "the result of unsubscribe",
    encode: (codec) => codec.reply({ id: 6, unsubscribe: {} }),
    json: '{"id":6,"unsubscribe":{}}',
    protobuf: "08063a00",
  },
  {
    what: "the result of publish",
    encode: (codec) => codec.reply({ id: 7, publish: {} }),
    json: '{"id":7,"publish":{}}',
    protobuf: "08074200",
  },
  {
    what: "presence of nobody",
    encode: (codec) => codec.reply({ id: 8, presence: { presence: new Map() } }),
    json: '{"id":8,"presence":{"presence":{}}}',
    protobuf: "08084a00",
  },
  {
    what: "presence",
    encode: (codec) =>
      codec.reply({
        id: 9,
        presence: {
          presence: new Map<string, ClientInfo>([
            ["c1", info],
            ["c2", { user: "", client: "c2" }],
          ]),
        },
      }),
    json: `{"id":9,"presence":{"presence":{"c1":${infoJson},"c2":{"user":"","client":"c2"}}}}`,
    protobuf:
      "08094a350a270a02633112210a023432120263311a127b226e616d65223a224ac3bc7267656e227d22035b315d0a0a0a026332120412026332",
  },
  {
    what: "presence_stats",
    encode: (codec) => codec.reply({ id: 10, presence_stats: { num_clients: 300, num_users: 0 } }),
    json: '{"id":10,"presence_stats":{"num_clients":300,"num_users":0}}',
    protobuf: "080a520308ac02",
  },
  {
    what: "an empty history",
    encode: (codec) =>
      codec.reply({ id: 11, history: { publications: [], epoch: "xyz", offset: 0 } }),
    json: '{"id":11,"history":{"publications":[],"epoch":"xyz","offset":0}}',
    protobuf: "080b5a05120378797a",
  },
  {
    what: "a history",
    encode: (codec) =>
      codec.reply({
        id: 12,
        history: {
          publications: [codec.publication(plain), codec.publication(publication)],
          ...{ epoch: "xyz", offset: 2 ** 32 },
        },
      }),
    json: `{"id":12,"history":{"publications":[{"data":1},${publicationJson}],"epoch":"xyz","offset":4294967296}}`,
    protobuf:
      "080c5a570a032201310a4522097b226e223a312e307d2a210a023432120263311a127b226e616d65223a224ac3bc7267656e227d22035b315d3080808080103a090a046b696e641201613a040a001200120378797a188080808010",
  },
  {
    what: "the result of rpc",
    encode: (codec) => codec.reply({ id: 13, rpc: { data: payload('{"sum":3}') } }),
    json: '{"id":13,"rpc":{"data":{"sum":3}}}',
    protobuf: "080d6a0b0a097b2273756d223a337d",
  },
  {
    what: "the result of refresh",
    encode: (codec) =>
      codec.reply({ id: 14, refresh: { client: "c1", version: "v", expires: true, ttl: 60 } }),
    json: '{"id":14,"refresh":{"client":"c1","version":"v","expires":true,"ttl":60}}',
    protobuf: "080e720b0a0263311201761801203c",
  },
  {
    what: "the result of sub_refresh",
    encode: (codec) => codec.reply({ id: 15, sub_refresh: { expires: true, ttl: 60 } }),
    json: '{"id":15,"sub_refresh":{"expires":true,"ttl":60}}',
    protobuf: "080f7a040801103c",
  },
  {
    what: "the result of sub_refresh that has no end",
    encode: (codec) => codec.reply({ id: 4_294_967_295, sub_refresh: {} }),
    json: '{"id":4294967295,"sub_refresh":{}}',
    protobuf: "08ffffffff0f7a00",
  },
  {
    what: "the least publication",
    encode: pushed(plain),
    json: '{"push":{"channel":"news","pub":{"data":1}}}',
    protobuf: "220b12046e6577732203220131",
  },
  {
    what: "a publication",
    encode: pushed(publication),
    json: `{"push":{"channel":"news","pub":${publicationJson}}}`,
    protobuf:
      "224d12046e657773224522097b226e223a312e307d2a210a023432120263311a127b226e616d65223a224ac3bc7267656e227d22035b315d3080808080103a090a046b696e641201613a040a001200",
  },
  {
    what: "a publication that is no JSON",
    encode: pushed({ data: payload("bare text"), offset: 1 }),
    json: '{"push":{"channel":"news","pub":{"data":"bare text","offset":1}}}',
    protobuf: "221512046e657773220d22096261726520746578743001",
  },
  {
    what: "a publication that is no text",
    encode: pushed({ data: Uint8Array.of(0, 0xff, 0x0a) }),
    json: '{"push":{"channel":"news","pub":{"data":"\\u0000\ufffd\\n"}}}',
    protobuf: "220d12046e6577732205220300ff0a",
  },
  {
    what: "a whole publication where others are deltas",
    encode: pushed({ data: payload('{"a":"é"}'), offset: 1, delta: "full" }),
    json: '{"push":{"channel":"news","pub":{"data":"{\\"a\\":\\"é\\"}","offset":1}}}',
    protobuf: "221612046e657773220e220a7b2261223a22c3a9227d3001",
  },
  {
    what: "a delta",
    encode: pushed({ data: payload("9\n9@0,0:"), offset: 2, delta: "delta" }),
    json: '{"push":{"channel":"news","pub":{"data":"9\\n9@0,0:","offset":2,"delta":true}}}',
    protobuf: "221612046e657773220e2208390a3940302c303a30024001",
  },
  {
    what: "a join",
    encode: (codec) => codec.push({ channel: "news", join: { info } }),
    json: `{"push":{"channel":"news","join":{"info":${infoJson}}}}`,
    protobuf:
      "222b12046e6577732a230a210a023432120263311a127b226e616d65223a224ac3bc7267656e227d22035b315d",
  },
  {
    what: "a leave",
    encode: (codec) => codec.push({ channel: "news", leave: { info: { user: "", client: "c" } } }),
    json: '{"push":{"channel":"news","leave":{"info":{"user":"","client":"c"}}}}',
    protobuf: "220d12046e65777332050a03120163",
  },
  {
    what: "an end of a subscription",
    encode: (codec) =>
      codec.push({ channel: "news", unsubscribe: { code: 2_500, reason: "insufficient state" } }),
    json: '{"push":{"channel":"news","unsubscribe":{"code":2500,"reason":"insufficient state"}}}',
    protobuf: "221f12046e6577733a1710c4131a12696e73756666696369656e74207374617465",
  },
  {
    what: "a subscription that the server made",
    encode: (codec) =>
      codec.push({
        channel: "news",
        subscribe: {
          ...{ recoverable: true, positioned: true, epoch: "xyz", offset: 7, data: '"hi"' },
        },
      }),
    json: '{"push":{"channel":"news","subscribe":{"recoverable":true,"positioned":true,"epoch":"xyz","offset":7,"data":"hi"}}}',
    protobuf: "221912046e6577734a110801220378797a280730013a0422686922",
  },
  {
    what: "a message",
    encode: (codec) => codec.push({ message: { data: payload('{"a":1}') } }),
    json: '{"push":{"message":{"data":{"a":1}}}}',
    protobuf: "220b42090a077b2261223a317d",
  },
  {
    what: "a refresh",
    encode: (codec) => codec.push({ refresh: { expires: true, ttl: 60 } }),
    json: '{"push":{"refresh":{"expires":true,"ttl":60}}}',
    protobuf: "220662040801103c",
  },
  {
    what: "a disconnect",
    encode: (codec) =>
      codec.push({ disconnect: { code: 3_001, reason: "shutdown", reconnect: true } }),
    json: '{"push":{"disconnect":{"code":3001,"reason":"shutdown","reconnect":true}}}',
    protobuf: "22115a0f08b917120873687574646f776e1801",
  },
];
