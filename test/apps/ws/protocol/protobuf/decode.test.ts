import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { compileFilter } from "../../../../../apps/ws/channel/tags-filter.ts";
import { filterLimits } from "../../../../../apps/ws/protocol/filter-limits.ts";
import type { Command } from "../../../../../apps/ws/protocol/messages.ts";
import { protobufCodec } from "../../../../../apps/ws/protocol/protobuf/codec.ts";
import { decodeEmulationRequest } from "../../../../../apps/ws/protocol/protobuf/decode.ts";
import { delimited } from "../../../../support/protobuf-fuzz.ts";
import { referenceCodec } from "../../../../support/reference-codec.ts";
import { commandVectors } from "../vectors.ts";

const { LengthDelimited, Varint, StartGroup, EndGroup, Bit32, Bit64 } = WireType;

/** Bytes of a message, field by field. */
function message(write: (writer: BinaryWriter) => unknown): Uint8Array {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
}

/** A message in a field. */
function field(number: number, body: Uint8Array): Uint8Array {
  return message((writer) => writer.tag(number, LengthDelimited).bytes(body));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

function text(number: number, value: string): Uint8Array {
  return field(number, Buffer.from(value));
}

function varint(number: number, value: number | bigint): Uint8Array {
  return message((writer) => writer.tag(number, Varint).uint64(value));
}

/** Beginnings or ends of groups. */
function groupTags(wire: WireType, number: number, count = 1): Uint8Array {
  const tag = message((writer) => writer.tag(number, wire));
  return joined(...Array<Uint8Array>(count).fill(tag));
}

const id = varint(1, 1);
const fields = { connect: 4, subscribe: 5, publish: 7, history: 10, ping: 11, send: 12, rpc: 13 };
const subscribe = (...parts: readonly Uint8Array[]): Uint8Array =>
  joined(id, field(fields.subscribe, joined(...parts)));
const history = (...parts: readonly Uint8Array[]): Uint8Array =>
  joined(id, field(fields.history, joined(...parts)));

/** The only command of a frame. */
function decoded(body: Uint8Array): Command {
  const [input, ...others] = protobufCodec.decode(delimited(body));
  assert.deepEqual(others, []);
  if (input?.kind !== "command") assert.fail(JSON.stringify(input));
  assert.equal(input.size, body.length);
  return input.command;
}

function kinds(frame: Uint8Array): string[] {
  return protobufCodec.decode(frame).map(({ kind }) => kind);
}

describe("a frame", () => {
  const connect = joined(id, field(fields.connect, Buffer.alloc(0)));
  const none = Buffer.alloc(0);
  const frames: [what: string, frame: Uint8Array, kinds: string[]][] = [
    ["nothing", none, ["malformed"]],
    ["one command", delimited(connect), ["command"]],
    ["a pong", delimited(none), ["pong"]],
    ["several messages", delimited(none, connect, none), ["pong", "command", "pong"]],
    [
      "what follows a broken message",
      delimited(none, Buffer.of(7), connect),
      ["pong", "malformed"],
    ],
    ["a length without its message", Buffer.of(5), ["malformed"]],
    ["half a length", Buffer.of(0x80), ["malformed"]],
    ["a length that does not end", Buffer.alloc(64, 0x80), ["malformed"]],
    ["a length beyond all limits", Buffer.of(0xff, 0xff, 0xff, 0xff, 0x0f, 1), ["malformed"]],
    ["JSON", Buffer.from('{"id":1,"connect":{}}'), ["malformed"]],
  ];
  for (const [what, frame, expected] of frames) {
    it(`of ${what} is ${expected.join(", ")}`, () => {
      assert.deepEqual(kinds(frame), expected);
    });
  }

  it("that is cut off anywhere is malformed from there on", () => {
    for (const { protobuf, what } of commandVectors) {
      const frame = delimited(Buffer.from(protobuf, "hex"));
      for (let end = 0; end < frame.length; end += 1) {
        assert.deepEqual(kinds(frame.subarray(0, end)), ["malformed"], `${what}, ${end}`);
        const after = Buffer.concat([delimited(connect), frame.subarray(0, end)]);
        const expected = end === 0 ? ["command"] : ["command", "malformed"];
        assert.deepEqual(kinds(after), expected, `${what}, ${end}`);
      }
    }
  });

  it("that is cut off is said to be so", () => {
    assert.deepEqual(protobufCodec.decode(delimited(connect).subarray(0, -1)), [
      { kind: "malformed", reason: "a message is cut off" },
    ]);
  });

  it("may stand anywhere in memory", () => {
    const around = Buffer.concat([
      Buffer.alloc(3, 0xff),
      delimited(connect),
      Buffer.alloc(3, 0xff),
    ]);
    assert.deepEqual(kinds(around.subarray(3, -3)), ["command"]);
  });
});

describe("a command", () => {
  it("is the same in any order of its fields, and with what nobody knows between them", () => {
    const known = [text(1, "c"), varint(3, 1), text(6, "e"), varint(7, 5)];
    const unknown = [
      varint(99, 2n ** 64n - 1n),
      message((writer) => writer.tag(100, Bit32).fixed32(1)),
      message((writer) => writer.tag(101, Bit64).fixed64(1)),
      text(536_870_911, "x"),
      message((writer) =>
        writer
          .tag(5_000, StartGroup)
          .raw(joined(varint(1, 1), text(2, "in a group")))
          .tag(3, StartGroup)
          .tag(3, EndGroup)
          .tag(5_000, EndGroup),
      ),
    ];
    const expected = decoded(subscribe(...known));
    assert.deepEqual(decoded(subscribe(...known.toReversed())), expected);
    const mixed = known.flatMap((each, at) => [unknown[at] ?? id, each, ...unknown.slice(4)]);
    assert.deepEqual(decoded(joined(subscribe(...mixed), ...unknown.slice(1))), expected);
  });

  it("has the last of several values of a field", () => {
    const command = decoded(
      joined(varint(1, 2), subscribe(text(1, "a"), varint(9, 1), text(1, "b"), varint(9, 0))),
    );
    assert.ok(command.method === "subscribe");
    assert.deepEqual([command.id, command.channel, command.positioned], [1, "b", false]);
  });

  it("has the fields of all parts in which a message of it comes", () => {
    const command = decoded(
      joined(
        id,
        field(fields.history, joined(text(1, "c"), field(8, varint(1, 7)))),
        field(fields.history, joined(varint(7, 9), field(8, text(2, "e")))),
      ),
    );
    assert.deepEqual(command, {
      ...{ method: "history", id: 1, channel: "c", limit: 9, reverse: false },
      since: { offset: 7, epoch: "e" },
    });
    const filtered = decoded(
      subscribe(field(13, joined(text(1, "and"), text(5, "a"))), field(13, text(5, "b"))),
    );
    assert.ok(filtered.method === "subscribe");
    assert.deepEqual(filtered.tf, {
      ...{ op: "and", key: "", cmp: "", val: "", vals: ["a", "b"], nodes: [] },
    });
  });

  it("has the last of several entries of a map, whose parts may be missing", () => {
    const entry = (...parts: readonly Uint8Array[]): Uint8Array => field(3, joined(...parts));
    const command = decoded(
      joined(
        id,
        field(
          fields.connect,
          joined(
            entry(text(1, "a"), field(2, varint(7, 1))),
            entry(field(2, varint(7, 2)), text(1, "a")),
            entry(text(1, "__proto__")),
            entry(field(2, varint(3, 1))),
            entry(text(1, "x"), text(1, "y"), field(2, varint(3, 1)), field(2, text(6, "e"))),
          ),
        ),
      ),
    );
    assert.ok(command.method === "connect");
    assert.deepEqual(
      command.subs,
      new Map([
        ["a", { recover: false, offset: 2, epoch: "" }],
        ["__proto__", { recover: false, offset: 0, epoch: "" }],
        ["", { recover: true, offset: 0, epoch: "" }],
        ["y", { recover: true, offset: 0, epoch: "e" }],
      ]),
    );
  });

  it("has exact numbers of 64 bits up to the largest that there is here", () => {
    const offsets: [bigint, number][] = [
      [0n, 0],
      [2n ** 32n - 1n, 2 ** 32 - 1],
      [2n ** 32n, 2 ** 32],
      [2n ** 53n - 1n, 2 ** 53 - 1],
      [2n ** 53n, 2 ** 53 - 1],
      [2n ** 53n + 1n, 2 ** 53 - 1],
      [2n ** 63n, 2 ** 53 - 1],
      [2n ** 64n - 1n, 2 ** 53 - 1],
    ];
    for (const [sent, expected] of offsets) {
      const command = decoded(subscribe(text(1, "c"), varint(7, sent)));
      assert.ok(command.method === "subscribe");
      assert.equal(command.offset, expected);
    }
  });

  it("has numbers of 32 bits, the lowest where there are more, however they were written", () => {
    const limit = (bytes: Uint8Array): number => {
      const command = decoded(history(joined(Buffer.of(7 << 3), bytes)));
      assert.ok(command.method === "history");
      return command.limit;
    };
    const int32 = (value: number): Uint8Array => message((writer) => writer.int32(value));
    assert.equal(limit(int32(-1)), -1);
    assert.equal(limit(int32(-(2 ** 31))), -(2 ** 31));
    assert.equal(limit(int32(2 ** 31 - 1)), 2 ** 31 - 1);
    assert.equal(limit(Buffer.of(0xff, 0xff, 0xff, 0xff, 0x0f)), -1);
    assert.equal(limit(Buffer.of(0x81, 0x80, 0x80, 0x00)), 1);
    assert.equal(
      decoded(joined(varint(1, 2n ** 40n + 5n), field(fields.rpc, Buffer.alloc(0)))).id,
      5,
    );
    const flagged = decoded(subscribe(varint(14, 2n ** 63n + 2n), varint(10, 2n ** 35n)));
    assert.ok(flagged.method === "subscribe");
    assert.deepEqual([flagged.flag, flagged.recoverable], [2, true]);
  });

  it("has data of its own, which may be any bytes", () => {
    const data = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const frame = delimited(
      joined(id, field(fields.publish, joined(text(1, "c"), field(2, data)))),
    );
    const [input] = protobufCodec.decode(frame);
    frame.fill(0);
    assert.ok(input?.kind === "command" && input.command.method === "publish");
    assert.deepEqual(Buffer.from(input.command.data), data);
    assert.equal(input.command.data.buffer.byteLength, data.length);
  });

  it("needs no id to send something, nor to ping", () => {
    const body = field(fields.send, field(1, Buffer.from("{}")));
    assert.deepEqual(decoded(body), { method: "send", id: undefined });
    assert.deepEqual(decoded(joined(id, body)), { method: "send", id: 1 });
    const ping = field(fields.ping, Buffer.alloc(0));
    assert.deepEqual(decoded(ping), { method: "ping", id: undefined });
  });

  const empty = Buffer.alloc(0);
  const broken: [what: string, body: Uint8Array][] = [
    ["an id without a command", id],
    ["no id", field(fields.connect, empty)],
    ["the id 0", joined(varint(1, 0), field(fields.connect, empty))],
    ["the id 0 that was another one before", joined(id, field(fields.rpc, empty), varint(1, 0))],
    ["two commands", joined(id, field(fields.connect, empty), field(fields.publish, empty))],
    ["an unknown command", joined(id, field(16, empty))],
    ["a command of version 1", joined(id, varint(2, 1), field(3, empty))],
    ["a command that is a number", joined(id, varint(fields.connect, 0))],
    ["an id that is text", joined(text(1, "1"), field(fields.connect, empty))],
    ["a channel that is a number", subscribe(varint(1, 1))],
    ["a flag that is text", subscribe(text(3, "true"))],
    ["an offset of fixed length", subscribe(message((w) => w.tag(7, Bit64).fixed64(1)))],
    ["a channel that is no UTF-8", subscribe(field(1, Buffer.of(0xff)))],
    ["half a character", subscribe(field(1, Buffer.from("é").subarray(0, 1)))],
    ["half a character in long text", subscribe(field(1, Buffer.alloc(99, "é").subarray(0, 97)))],
    ["a surrogate", subscribe(field(1, Buffer.of(0xed, 0xa0, 0x80)))],
    ["the field number 0", joined(Buffer.of(0, 0), subscribe())],
    ["an unknown wire type", joined(Buffer.of((20 << 3) | 6, 0), subscribe())],
    ["a tag that is too long", joined(Buffer.of(0x88, 0x80, 0x80, 0x80, 0x10, 1), subscribe())],
    ["a number that does not end", joined(Buffer.of(1 << 3), Buffer.alloc(11, 0xff))],
    ["the end of no group", joined(Buffer.of((20 << 3) | EndGroup), subscribe())],
    ["a group without an end", joined(subscribe(), groupTags(StartGroup, 20))],
    [
      "a group with the end of another one",
      joined(subscribe(), groupTags(StartGroup, 20), groupTags(EndGroup, 21)),
    ],
    [
      "groups nested too deeply",
      joined(subscribe(), groupTags(StartGroup, 20, 5_000), groupTags(EndGroup, 20, 5_000)),
    ],
    // It ends with the command, but not with what it is in.
    ["a field longer than its message", joined(id, Buffer.of(0x2a, 2, 0x0a, 2), text(1, ""))],
    ["a message longer than its frame", joined(id, Buffer.of(0x2a, 9, 0x0a, 1, 0x61))],
    ["a length of 4 GiB", joined(id, Buffer.of(0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f))],
    ["data of 4 GiB", joined(id, field(7, Buffer.of(0x12, 0xff, 0xff, 0xff, 0xff, 0x0f)))],
  ];
  for (const [what, body] of broken) {
    it(`with ${what} is malformed`, () => {
      const inputs = protobufCodec.decode(delimited(body));
      assert.deepEqual(
        inputs.map(({ kind }) => kind),
        ["malformed"],
      );
    });
  }
});

describe("a filter", () => {
  /** One in another, so many in all. */
  function deep(depth: number): Uint8Array {
    let node: Uint8Array = text(2, "key");
    for (let left = depth; left > 1; left -= 1) node = joined(text(1, "not"), field(6, node));
    return node;
  }

  const filtered = (node: Uint8Array): Uint8Array => subscribe(text(1, "c"), field(13, node));
  const values = (count: number): Uint8Array =>
    joined(...Array.from({ length: count }, () => text(5, "")));

  const limits: [what: string, within: Uint8Array, beyond: Uint8Array][] = [
    ["nested", deep(filterLimits.depth), deep(filterLimits.depth + 1)],
    [
      "of so many nodes",
      joined(...Array.from({ length: filterLimits.nodes - 1 }, () => text(6, ""))),
      joined(...Array.from({ length: filterLimits.nodes }, () => text(6, ""))),
    ],
    ["with so many values", values(filterLimits.values), values(filterLimits.values + 1)],
    [
      "with so many values of all nodes together",
      joined(values(filterLimits.values - 2), field(6, values(1)), field(6, values(1))),
      joined(values(filterLimits.values - 2), field(6, values(1)), field(6, values(2))),
    ],
  ];
  for (const [what, within, beyond] of limits) {
    it(`may be ${what}, and is known to be too large beyond`, () => {
      // What one command has does not count for the next.
      const both = delimited(filtered(within), filtered(within));
      assert.deepEqual(kinds(both), ["command", "command"]);
      for (const [frame, tooLarge] of [
        [within, false],
        [beyond, true],
      ] as const) {
        const command = decoded(filtered(frame));
        assert.ok(command.method === "subscribe" && command.tf !== undefined);
        const compiled = compileFilter(command.tf);
        const problem = typeof compiled === "string" ? compiled : "";
        assert.equal(/too (large|deeply)/.test(problem), tooLarge, problem);
      }
    });
  }

  it("is read as deeply as it may be nested", () => {
    const command = decoded(filtered(deep(filterLimits.depth)));
    assert.ok(command.method === "subscribe");
    let node = command.tf;
    for (let left: number = filterLimits.depth; left > 1; left -= 1) node = node?.nodes[0];
    assert.deepEqual(node, { op: "", key: "key", cmp: "", val: "", vals: [], nodes: [] });
  });
});

describe("a request to send commands to another gateway", () => {
  it("is read as the npm client writes it", () => {
    const data = Buffer.of(0, 255);
    const sent = referenceCodec.encodeEmulationRequest({ node: "n", session: "s", data });
    const request = decodeEmulationRequest(sent);
    assert.ok(request !== undefined);
    assert.deepEqual(
      { ...request, data: Buffer.from(request.data) },
      { node: "n", session: "s", data },
    );
  });

  it("may lack anything, and is undefined when it is broken", () => {
    const request = decodeEmulationRequest(Buffer.alloc(0));
    assert.deepEqual(request, { node: "", session: "", data: new Uint8Array() });
    assert.equal(decodeEmulationRequest(Buffer.of(0x0a)), undefined);
    assert.equal(decodeEmulationRequest(Buffer.of(0x0a, 1, 0xff)), undefined);
    assert.equal(decodeEmulationRequest(Buffer.from("{}")), undefined);
  });
});
