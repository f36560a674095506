import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileFilter } from "../../../../../apps/ws/channel/tags-filter.ts";
import { filterLimits, nodeBeyond } from "../../../../../apps/ws/protocol/filter-limits.ts";
import { decodeFrame } from "../../../../../apps/ws/protocol/json/decode.ts";
import type { FilterNode } from "../../../../../apps/ws/protocol/messages.ts";
import type { Input } from "../../../../../apps/ws/protocol/session.ts";

const command = (text: string): unknown => {
  const [input, ...more] = decodeFrame(text);
  assert.deepEqual(more, []);
  if (input?.kind !== "command") assert.fail(JSON.stringify(input));
  assert.equal(input.size, text.length);
  const { command } = input;
  // Payloads as text, which is easier to read.
  return "data" in command ? { ...command, data: Buffer.from(command.data).toString() } : command;
};

const kinds = (inputs: readonly Input[]): string[] => inputs.map(({ kind }) => kind);

describe("a frame", () => {
  const frames: [what: string, text: string, kinds: string[]][] = [
    ["one command", '{"id":1,"connect":{}}', ["command"]],
    ["a pong", "{}", ["pong"]],
    ["a pong with space", " { } ", ["pong"]],
    ["two lines", '{"id":1,"connect":{}}\n{}', ["command", "pong"]],
    ["a trailing newline", '{"id":1,"connect":{}}\n', ["command"]],
    ["blank lines", '\n\n{"id":1,"connect":{}}\r\n \n{}\n', ["command", "pong"]],
    ["nothing", "", ["malformed"]],
    ["newlines only", "\n\n \r\n", ["malformed"]],
    ["what follows a broken line", '{}\nx\n{"id":1,"connect":{}}', ["pong", "malformed"]],
    ["two objects on one line", '{"id":1,"connect":{}}{}', ["malformed"]],
    ["an object over two lines", '{"id":1,\n"connect":{}}', ["malformed"]],
  ];
  for (const [what, text, expected] of frames) {
    it(`of ${what} is ${expected.join(", ")}`, () => {
      assert.deepEqual(kinds(decodeFrame(text)), expected);
    });
  }
});

describe("a command", () => {
  const commands: [text: string, command: unknown][] = [
    [
      '{"id":1,"connect":{}}',
      { method: "connect", id: 1, token: "", subs: new Map(), name: "", version: "" },
    ],
    [
      '{"id":1,"connect":{"token":"t","data":[1],"name":"js","version":"5","headers":{"a":"b"},"flag":3,"profile":9,"dict":[],' +
        '"subs":{"a":{"recover":true,"offset":7,"epoch":"e"},"__proto__":{},"b":null}}}',
      {
        method: "connect",
        id: 1,
        token: "t",
        subs: new Map([
          ["a", { recover: true, offset: 7, epoch: "e" }],
          ["__proto__", { recover: false, offset: 0, epoch: "" }],
          ["b", { recover: false, offset: 0, epoch: "" }],
        ]),
        name: "js",
        version: "5",
      },
    ],
    [
      '{"id":4294967295,"subscribe":{"channel":"a"}}',
      {
        method: "subscribe",
        id: 4_294_967_295,
        channel: "a",
        token: "",
        recover: false,
        offset: 0,
        epoch: "",
        positioned: false,
        recoverable: false,
        joinLeave: false,
        delta: "",
        tf: undefined,
        flag: 0,
        type: 0,
      },
    ],
    [
      '{"subscribe":{"channel":"a","token":"t","recover":true,"epoch":"e","offset":18446744073709551615,"data":{},"positioned":true,' +
        '"recoverable":true,"join_leave":true,"delta":"fossil","tf":{"op":"and","nodes":[{"key":"k","cmp":"in","vals":["a",""]},{"cmp":"eq","val":"v"}]},"flag":3,"type":4,"phase":1,"cursor":"c"},"id":2}',
      {
        method: "subscribe",
        id: 2,
        channel: "a",
        token: "t",
        recover: true,
        offset: Number.MAX_SAFE_INTEGER,
        epoch: "e",
        positioned: true,
        recoverable: true,
        joinLeave: true,
        delta: "fossil",
        tf: {
          ...{ op: "and", key: "", cmp: "", val: "", vals: [] },
          nodes: [
            { op: "", key: "k", cmp: "in", val: "", vals: ["a", ""], nodes: [] },
            { op: "", key: "", cmp: "eq", val: "v", vals: [], nodes: [] },
          ],
        },
        flag: 3,
        type: 4,
      },
    ],
    ['{"id":1,"unsubscribe":{"channel":"a"}}', { method: "unsubscribe", id: 1, channel: "a" }],
    ['{"id":1,"presence":{"channel":"a"}}', { method: "presence", id: 1, channel: "a" }],
    ['{"id":1,"presence_stats":{}}', { method: "presence_stats", id: 1, channel: "" }],
    [
      '{"id":1,"publish":{"channel":"a","data":null}}',
      { method: "publish", id: 1, channel: "a", data: "null", type: 0 },
    ],
    [
      '{"id":1,"publish":{"channel":"a","type":1,"key":"k","removed":true}}',
      { method: "publish", id: 1, channel: "a", data: "", type: 1 },
    ],
    [
      '{"id":1,"history":{"channel":"a"}}',
      { method: "history", id: 1, channel: "a", limit: 0, since: undefined, reverse: false },
    ],
    [
      '{"id":1,"history":{"channel":"a","limit":-1,"since":{"offset":5,"epoch":"e"},"reverse":true}}',
      {
        method: "history",
        id: 1,
        channel: "a",
        limit: -1,
        since: { offset: 5, epoch: "e" },
        reverse: true,
      },
    ],
    ['{"id":1,"rpc":{"method":"m","data":1}}', { method: "rpc", id: 1, name: "m", data: "1" }],
    ['{"id":1,"rpc":{"method":"m"}}', { method: "rpc", id: 1, name: "m", data: "" }],
    [
      '{"id":1,"publish":{"data":2},"rpc":null}',
      { method: "publish", id: 1, channel: "", data: "2", type: 0 },
    ],
    ['{"send":{"data":1}}', { method: "send", id: undefined }],
    ['{"id":9,"send":{}}', { method: "send", id: 9 }],
    ['{"id":1,"refresh":{"token":"t"}}', { method: "refresh", id: 1, token: "t" }],
    [
      '{"id":1,"sub_refresh":{"channel":"a","token":"t"}}',
      { method: "sub_refresh", id: 1, channel: "a", token: "t" },
    ],
    ['{"id":1,"ping":{}}', { method: "ping", id: 1 }],
    // What is null is absent, and fields of later versions mean nothing.
    [
      '{"id":1,"rpc":{"method":null},"connect":null,"later":{}}',
      { method: "rpc", id: 1, name: "", data: "" },
    ],
    ['{"id":1e0,"rpc":{}}', { method: "rpc", id: 1, name: "", data: "" }],
    // The last of two fields with one name counts.
    [
      '{"id":1,"id":2,"rpc":{"method":"a","method":"b"}}',
      { method: "rpc", id: 2, name: "b", data: "" },
    ],
    [
      '{"id":1,"__proto__":{"connect":{}},"rpc":{"__proto__":{"method":"x"},"constructor":1}}',
      { method: "rpc", id: 1, name: "", data: "" },
    ],
  ];
  for (const [text, expected] of commands) {
    it(`${text.slice(0, 90)} is decoded`, () => {
      assert.deepEqual(command(text), expected);
    });
  }

  const broken = [
    "x",
    "null",
    "1",
    '"connect"',
    "[]",
    '[{"id":1,"connect":{}}]',
    '{"id":1,"connect":{}',
    '{"id":1}',
    '{"id":0}',
    '{"connect":{}}',
    '{"id":0,"connect":{}}',
    '{"id":-1,"connect":{}}',
    '{"id":1.5,"connect":{}}',
    '{"id":4294967296,"connect":{}}',
    '{"id":"1","connect":{}}',
    '{"id":true,"send":{}}',
    '{"id":1,"connect":null}',
    '{"id":1,"connect":[]}',
    '{"id":1,"connect":"x"}',
    '{"id":1,"connect":{},"subscribe":{}}',
    '{"id":1,"nonsense":{}}',
    '{"nonsense":{}}',
    '{"__proto__":{}}',
    '{"id":1,"toString":{}}',
    '{"id":1,"constructor":{}}',
    '{"push":{}}',
    '{"id":1,"connect":{"token":1}}',
    '{"id":1,"connect":{"name":{}}}',
    '{"id":1,"connect":{"version":[]}}',
    '{"id":1,"connect":{"headers":[]}}',
    '{"id":1,"connect":{"subs":[]}}',
    '{"id":1,"connect":{"subs":{"a":1}}}',
    '{"id":1,"connect":{"subs":{"a":{"offset":-1}}}}',
    '{"id":1,"connect":{"subs":{"a":{"epoch":1}}}}',
    '{"id":1,"subscribe":{"channel":1}}',
    '{"id":1,"subscribe":{"channel":"a","recover":1}}',
    '{"id":1,"subscribe":{"channel":"a","offset":"1"}}',
    '{"id":1,"subscribe":{"channel":"a","offset":1.5}}',
    '{"id":1,"subscribe":{"channel":"a","offset":1e300}}',
    '{"id":1,"subscribe":{"channel":"a","epoch":1}}',
    '{"id":1,"subscribe":{"channel":"a","positioned":"true"}}',
    '{"id":1,"subscribe":{"channel":"a","recoverable":0}}',
    '{"id":1,"subscribe":{"channel":"a","join_leave":"x"}}',
    '{"id":1,"subscribe":{"channel":"a","delta":true}}',
    '{"id":1,"subscribe":{"channel":"a","tf":[]}}',
    '{"id":1,"subscribe":{"channel":"a","tf":1}}',
    '{"id":1,"subscribe":{"channel":"a","tf":{"op":1}}}',
    '{"id":1,"subscribe":{"channel":"a","tf":{"key":1}}}',
    '{"id":1,"subscribe":{"channel":"a","tf":{"cmp":1}}}',
    '{"id":1,"subscribe":{"channel":"a","tf":{"val":1}}}',
    '{"id":1,"subscribe":{"channel":"a","tf":{"vals":{}}}}',
    '{"id":1,"subscribe":{"channel":"a","tf":{"vals":[1]}}}',
    '{"id":1,"subscribe":{"channel":"a","tf":{"nodes":{}}}}',
    '{"id":1,"subscribe":{"channel":"a","tf":{"nodes":[[]]}}}',
    '{"id":1,"subscribe":{"channel":"a","tf":{"nodes":[null]}}}',
    '{"id":1,"subscribe":{"channel":"a","flag":"1"}}',
    '{"id":1,"subscribe":{"channel":"a","type":0.5}}',
    '{"id":1,"unsubscribe":{"channel":[]}}',
    '{"id":1,"publish":{"channel":{},"data":1}}',
    '{"id":1,"publish":{"channel":"a","data":1,"type":"1"}}',
    '{"id":1,"history":{"channel":"a","limit":"1"}}',
    '{"id":1,"history":{"channel":"a","limit":1e10}}',
    '{"id":1,"history":{"channel":"a","since":5}}',
    '{"id":1,"history":{"channel":"a","since":{"offset":{}}}}',
    '{"id":1,"history":{"channel":"a","reverse":1}}',
    '{"id":1,"rpc":{"method":1}}',
    '{"id":1,"refresh":{"token":{}}}',
    '{"id":1,"sub_refresh":{"channel":"a","token":1}}',
  ];
  for (const text of broken) {
    it(`is not ${text}`, () => {
      assert.deepEqual(kinds(decodeFrame(text)), ["malformed"]);
    });
  }

  it("that is malformed says nothing of what was sent", () => {
    for (const text of ['{"id":1,"connect":{"subs":{"secret":1}}}', '{"secret":{}}', "secret"]) {
      assert.doesNotMatch(JSON.stringify(decodeFrame(text)), /secret/);
    }
  });
});

describe("a filter", () => {
  const filtered = (tf: object | string): FilterNode => {
    const text = typeof tf === "string" ? tf : JSON.stringify(tf);
    const decoded = command(`{"id":1,"subscribe":{"channel":"a","tf":${text}}}`);
    return (decoded as { tf: FilterNode }).tf;
  };
  const nested = (depth: number): string =>
    `${'{"op":"not","nodes":['.repeat(depth - 1)}{"op":"not"}${"]}".repeat(depth - 1)}`;

  it("is decoded as far as it may be nested, and known to be too large beyond", () => {
    assert.equal(compileFilter(filtered(nested(filterLimits.depth))), "not needs nodes");
    for (const depth of [filterLimits.depth + 1, 5_000]) {
      const decoded = filtered(nested(depth));
      assert.equal(compileFilter(decoded), "the filter is nested too deeply");
      assert.equal(JSON.stringify(decoded).split('"op"').length - 1, filterLimits.depth + 1);
    }
  });

  it("is decoded as far as it may have nodes, and known to be too large beyond", () => {
    const nodes = (count: number) => ({
      ...{ op: "or", nodes: Array.from({ length: count - 1 }, () => ({ key: "a", cmp: "ex" })) },
    });
    assert.equal(typeof compileFilter(filtered(nodes(filterLimits.nodes))), "object");
    const decoded = filtered(nodes(filterLimits.nodes + 1));
    assert.equal(compileFilter(decoded), "the filter is too large");
    assert.equal(decoded.nodes.at(-1), nodeBeyond);
  });
});

describe("what a client publishes", () => {
  const payload = (text: string): unknown => {
    const decoded = command(text) as { data: string };
    return decoded.data;
  };

  const payloads = [
    "12345678901234567890",
    "1.0",
    "-0",
    "1e400",
    '{"a":12345678901234567890,"b":[1.50,{"c":-0.0}]}',
    '"a \\"quoted\\" {[,]} text\\\\"',
    '"\\u0041\\ud800"',
    '{"a":1,"a":2}',
    '{"__proto__":{"x":1}}',
    "true",
    "[]",
    "{}",
    '""',
    '{"data":{"publish":1}}',
    "[ 1 ,\t2 ]",
    '"😀\u2028"',
  ];
  for (const text of payloads) {
    it(`keeps its text: ${text}`, () => {
      assert.equal(payload(`{"id":1,"publish":{"channel":"a","data":${text}}}`), text);
      assert.equal(payload(`{"publish":{"data":${text},"channel":"a"},"id":1}`), text);
      assert.equal(payload(` { "id" : 1 , "publish" : { "data" : ${text} } } `), text);
      assert.equal(payload(`{"id":1,"publish":{"\\u0064ata":${text}}}`), text);
      assert.equal(payload(`{"id":1,"publi\\u0073h":{"data":${text}}}`), text);
    });
  }

  it("is the last that has the name, as for all JSON", () => {
    assert.equal(payload('{"id":1,"publish":{"data":1,"data":2}}'), "2");
    assert.equal(payload('{"id":1,"publish":{"data":1},"publish":{"data":3}}'), "3");
    assert.equal(payload('{"id":1,"publish":{"data":1},"publish":{}}'), "");
    assert.equal(payload('{"id":1,"x":{"data":7},"publish":{"y":{"data":8},"data":9}}'), "9");
  });

  it("holds no raw line break", () => {
    assert.equal(payload('{"id":1,"publish":{"data":[1,\r2]}}'), "[1, 2]");
  });

  it("may be nested 500 times, not more", () => {
    const nested = (depth: number): string =>
      `{"id":1,"publish":{"data":${'{"a":['.repeat(depth / 2)}${"]}".repeat(depth / 2)}}}`;
    assert.deepEqual(kinds(decodeFrame(nested(500))), ["command"]);
    const deeper = nested(500).replace(':{"a"', ':[{"a"').replace(/}}$/, "]}}");
    assert.deepEqual(kinds(decodeFrame(deeper)), ["malformed"]);
    // Elsewhere it does not matter, for it goes nowhere.
    const deep = "[".repeat(30_000) + "]".repeat(30_000);
    assert.deepEqual(kinds(decodeFrame(`{"id":1,"connect":{"data":${deep}}}`)), ["command"]);
    assert.deepEqual(kinds(decodeFrame(deep)), ["malformed"]);
    assert.deepEqual(kinds(decodeFrame("[".repeat(60_000))), ["malformed"]);
    assert.deepEqual(kinds(decodeFrame('{"a":'.repeat(10_000))), ["malformed"]);
  });

  it("costs time in proportion to its length, whatever it is", () => {
    const hostile = [
      `"${'\\"'.repeat(30_000)}"`,
      `"${"\\".repeat(60_000)}"`,
      `[${'"",'.repeat(20_000)}1]`,
    ];
    const start = performance.now();
    for (const text of hostile) payload(`{"id":1,"publish":{"data":${text}}}`);
    assert.ok(performance.now() - start < 1_000);
  });
});
