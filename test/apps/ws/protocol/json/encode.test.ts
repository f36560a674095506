import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  encodeClientInfo,
  encodePublication,
  encodePush,
  encodeReply,
  publicationData,
  publicationPayload,
  publicationPushAround,
} from "../../../../../apps/ws/protocol/json/encode.ts";
import type { Push, Reply } from "../../../../../apps/ws/protocol/messages.ts";

const publication = encodePublication({ data: Buffer.from("1.0"), offset: 3 });

describe("a reply", () => {
  const replies: [Reply, string][] = [
    [
      { id: 1, error: { code: 100, message: "internal server error", temporary: true } },
      '{"id":1,"error":{"code":100,"message":"internal server error","temporary":true}}',
    ],
    [{ id: 2, publish: {} }, '{"id":2,"publish":{}}'],
    [{ id: 2, unsubscribe: {} }, '{"id":2,"unsubscribe":{}}'],
    [{ id: 2, subscribe: {} }, '{"id":2,"subscribe":{}}'],
    [
      {
        id: 2,
        subscribe: {
          expires: true,
          ttl: 60,
          recoverable: true,
          positioned: true,
          epoch: "e",
          offset: 2,
          publications: [publication, publication],
          recovered: true,
          was_recovering: true,
          data: '{"a":1}',
          delta: true,
        },
      },
      '{"id":2,"subscribe":{"expires":true,"ttl":60,"recoverable":true,"positioned":true,"epoch":"e","offset":2,"data":{"a":1},' +
        '"publications":[{"data":1.0,"offset":3},{"data":1.0,"offset":3}],"recovered":true,"was_recovering":true,"delta":true}}',
    ],
    [
      { id: 2, subscribe: { positioned: true, epoch: "", offset: 0, publications: [] } },
      '{"id":2,"subscribe":{"positioned":true}}',
    ],
    [
      { id: 3, connect: { client: "c", version: "v" } },
      '{"id":3,"connect":{"client":"c","version":"v"}}',
    ],
    [
      {
        id: 3,
        connect: {
          client: "c",
          version: "v",
          expires: true,
          ttl: 1,
          ping: 25,
          pong: true,
          time: 5,
          session: "s",
          node: "n",
          subs: new Map([
            ["a", {}],
            ["__proto__", { offset: 1 }],
          ]),
        },
      },
      '{"id":3,"connect":{"client":"c","version":"v","expires":true,"ttl":1,"subs":{"a":{},"__proto__":{"offset":1}},"ping":25,"pong":true,"session":"s","node":"n","time":5}}',
    ],
    [{ id: 4, presence: { presence: new Map() } }, '{"id":4,"presence":{"presence":{}}}'],
    [
      {
        id: 4,
        presence: {
          presence: new Map([["c", { user: "", client: "c", conn_info: '{"n":1}' }]]),
          incomplete: true,
        },
      },
      '{"id":4,"presence":{"presence":{"c":{"user":"","client":"c","conn_info":{"n":1}}},"incomplete":true}}',
    ],
    [
      { id: 5, presence_stats: { num_clients: 0, num_users: 0 } },
      '{"id":5,"presence_stats":{"num_clients":0,"num_users":0}}',
    ],
    [
      { id: 6, history: { publications: [], epoch: "e", offset: 0 } },
      '{"id":6,"history":{"publications":[],"epoch":"e","offset":0}}',
    ],
    [
      { id: 6, history: { publications: [publication], epoch: "", offset: 3 } },
      '{"id":6,"history":{"publications":[{"data":1.0,"offset":3}],"epoch":"","offset":3}}',
    ],
    [{ id: 7, rpc: { data: Buffer.from("{}") } }, '{"id":7,"rpc":{"data":{}}}'],
    [
      { id: 8, refresh: { client: "c", version: "v", expires: true, ttl: 9 } },
      '{"id":8,"refresh":{"client":"c","version":"v","expires":true,"ttl":9}}',
    ],
    [{ id: 7, rpc: { data: Buffer.from("a\n") } }, '{"id":7,"rpc":{"data":"a\\n"}}'],
    [{ id: 7, rpc: { data: Buffer.alloc(0) } }, '{"id":7,"rpc":{}}'],
    [{ id: 9, sub_refresh: {} }, '{"id":9,"sub_refresh":{}}'],
    [
      { id: 9, sub_refresh: { expires: true, ttl: 9 } },
      '{"id":9,"sub_refresh":{"expires":true,"ttl":9}}',
    ],
  ];
  for (const [reply, text] of replies) {
    it(`is ${text.slice(0, 100)}`, () => {
      assert.equal(encodeReply(reply), text);
      JSON.parse(text);
    });
  }
});

describe("a push", () => {
  const info = { user: "4\n2", client: "c", conn_info: '{"a":1}', chan_info: "[]" };
  const infoText = '{"user":"4\\n2","client":"c","conn_info":{"a":1},"chan_info":[]}';
  const pushes: [Push, string][] = [
    [
      { channel: 'a"\n', join: { info } },
      `{"push":{"channel":"a\\"\\n","join":{"info":${infoText}}}}`,
    ],
    [{ channel: "a", leave: { info } }, `{"push":{"channel":"a","leave":{"info":${infoText}}}}`],
    [
      { channel: "a", unsubscribe: { code: 2500, reason: "insufficient state" } },
      '{"push":{"channel":"a","unsubscribe":{"code":2500,"reason":"insufficient state"}}}',
    ],
    [{ channel: "a", subscribe: {} }, '{"push":{"channel":"a","subscribe":{}}}'],
    [
      {
        channel: "a",
        subscribe: { recoverable: true, positioned: true, epoch: "e", offset: 3, data: "[1]" },
      },
      '{"push":{"channel":"a","subscribe":{"recoverable":true,"positioned":true,"epoch":"e","offset":3,"data":[1]}}}',
    ],
    [{ message: { data: Buffer.from("1") } }, '{"push":{"message":{"data":1}}}'],
    [{ message: { data: Buffer.alloc(0) } }, '{"push":{"message":{}}}'],
    [{ refresh: { expires: true, ttl: 5 } }, '{"push":{"refresh":{"expires":true,"ttl":5}}}'],
    [{ refresh: {} }, '{"push":{"refresh":{}}}'],
    [
      { disconnect: { code: 3001, reason: "shutdown", reconnect: true } },
      '{"push":{"disconnect":{"code":3001,"reason":"shutdown","reconnect":true}}}',
    ],
  ];
  for (const [push, text] of pushes) {
    it(`is ${text}`, () => {
      assert.equal(encodePush(push), text);
      JSON.parse(text);
    });
  }

  it("of a publication says who made it, and its offset if it has one", () => {
    assert.equal(encodeClientInfo(info), infoText);
    assert.equal(
      publicationPushAround("a").join(
        encodePublication({ data: Buffer.from('"x"'), offset: 9, info }),
      ),
      `{"push":{"channel":"a","pub":{"data":"x","info":${infoText},"offset":9}}}`,
    );
    assert.equal(
      publicationPushAround("a").join(encodePublication({ data: Buffer.from("null") })),
      '{"push":{"channel":"a","pub":{"data":null}}}',
    );
  });
});

describe("a publication", () => {
  it("has its tags, whatever they are called", () => {
    const tags = Object.fromEntries([
      ['a"', "1\n"],
      ["__proto__", ""],
    ]);
    assert.equal(
      encodePublication({ data: Buffer.from("1"), tags, offset: 2 }),
      '{"data":1,"offset":2,"tags":{"a\\"":"1\\n","__proto__":""}}',
    );
  });

  it("for a subscription with deltas has its data as a string, be it whole or a delta", () => {
    const whole = (data: string) =>
      encodePublication({ data: publicationPayload(Buffer.from(data)), delta: "full" });
    assert.equal(whole('{"a":\n1}'), '{"data":"{\\"a\\": 1}"}');
    // What is no JSON is a JSON string first: the client parses what it has put together.
    assert.equal(whole("x"), '{"data":"\\"x\\""}');
    assert.equal(
      encodePublication({ data: Buffer.from("8\n8@0,1:\nx;"), delta: "delta" }),
      '{"data":"8\\n8@0,1:\\nx;","delta":true}',
    );
  });
});

describe("a payload", () => {
  const payloads: [payload: string | readonly number[], text: string][] = [
    ["42", "42"],
    ["12345678901234567890", "12345678901234567890"],
    ["1.0", "1.0"],
    ['{"a": [1,\r\n2]}\n', '{"a": [1,  2]} '],
    ['"a\\nb"', '"a\\nb"'],
    ["xy", '"xy"'],
    ["", '""'],
    ['a "quoted"\nline', '"a \\"quoted\\"\\nline"'],
    ["{", '"{"'],
    ["NaN", '"NaN"'],
    ["\u{feff}1", '"\u{feff}1"'],
    ["é😀", '"é😀"'],
    [[0xff, 0x61], '"\ufffda"'],
    [[0x22, 0xff, 0x22], '"\ufffd"'],
    [[0], '"\\u0000"'],
  ];
  for (const [payload, text] of payloads) {
    it(`${JSON.stringify(payload)} is ${text} to clients that speak JSON`, () => {
      const bytes = Buffer.from(payload as string);
      assert.equal(publicationData(bytes), text);
      assert.equal(Buffer.from(publicationPayload(bytes)).toString(), text);
      JSON.parse(text);
    });
  }

  it("that is nested too deeply for some clients is a string to all", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    const flat = `[${Array.from({ length: 2_000 }, () => "[]").join(",")}]`;
    for (const text of [nested(500), flat, `["${"[".repeat(2_000)}"]`]) {
      assert.equal(publicationData(Buffer.from(text)), text);
    }
    assert.equal(publicationData(Buffer.from(nested(501))), JSON.stringify(nested(501)));
  });

  it("may be a part of a larger buffer", () => {
    assert.equal(publicationData(new Uint8Array([0x31, 0x32, 0x33]).subarray(1, 2)), "2");
  });
});
