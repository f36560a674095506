import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeFrame } from "../../../../apps/ws/protocol/json/decode.ts";
import { encodePush, encodeReply } from "../../../../apps/ws/protocol/json/encode.ts";
import { type Effect, type Input, Session } from "../../../../apps/ws/protocol/session.ts";
import { allowedCloses, allowedErrors, fuzzed } from "./fuzzed.ts";

/** How many frames are tried: so many mutated ones in each run, and some that were made from nothing. */
const runs = 250;
const mutatedPerRun = 400;

const frames = [
  '{"connect":{"token":"aaa.bbb.ccc","data":{"a":1},"subs":{"a":{"recover":true,"offset":7,"epoch":"xyz"}},"name":"js","version":"5.8.0"},"id":1}',
  '{"connect":{},"id":1}\n{"subscribe":{"channel":"b"},"id":2}',
  '{"subscribe":{"channel":"ns:news.1","recover":true,"epoch":"xyz","offset":18446744073709551615,"flag":3,"positioned":true,"recoverable":true,"join_leave":true,"delta":"fossil"},"id":2}',
  '{"subscribe":{"channel":"$private","token":"aaa.bbb.ccc","type":1,"tf":{"op":"and","nodes":[{"key":"a","cmp":"eq","val":"b"}]}},"id":3}',
  '{"unsubscribe":{"channel":"a"},"id":4}',
  '{"publish":{"channel":"a","data":{"text":"a \\"b\\" {[,]} \\\\ \\u00e9 é😀","n":[12345678901234567890,1.0,-0,1e400,true,null]}},"id":5}',
  '{"publish":{"data":"x","channel":"ns:a","type":0},"id":6}\n{"publish":{"channel":"a","data":[[[[[]]]]]},"id":7}\n',
  '{"presence":{"channel":"a"},"id":8}\n{"presence_stats":{"channel":"a"},"id":9}',
  '{"history":{"channel":"a","limit":-1,"since":{"offset":1,"epoch":"xyz"},"reverse":true},"id":10}',
  '{"rpc":{"method":"ping","data":{}},"id":11}',
  '{"send":{"data":{}}}',
  '{"refresh":{"token":"aaa"},"id":12}\n{}',
  '{"sub_refresh":{"channel":"a","token":"aaa"},"id":4294967295}',
  "{}",
];

/** What is put into frames. */
const pieces = [
  ...[
    "{",
    "}",
    "[",
    "]",
    '"',
    ",",
    ":",
    "\\",
    "\n",
    "\r\n",
    " ",
    "\0",
    "\u2028",
    "\ufeff",
    "\ud800",
  ],
  ...["null", "true", "-1", "0", "1.5", "1e999", "4294967296", "18446744073709551616", '""', "{}"],
  ...['"__proto__":{"id":1},', '"constructor":1,', '"id":2,', '"channel":"*",', '"data":{},'],
  ...[
    '"connect":{},',
    '"publish":{"data":1},',
    '"\\u0064ata":7,',
    "\\u0000",
    '{"id":3,"ping":{}}\n',
  ],
  ...["[".repeat(600), "]".repeat(600), "a".repeat(300), '{"a":'.repeat(50)],
];

type Random = (below: number) => number;

/** Small, fast, and the same for the same seed. */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function pick<T>(random: Random, list: readonly T[]): T {
  const one = list[random(list.length)];
  if (one === undefined) throw new Error("the list is empty");
  return one;
}

function mutated(random: Random): string {
  let frame = pick(random, frames);
  for (let count = random(4); count >= 0; count -= 1) {
    const at = random(frame.length + 1);
    const to = Math.min(frame.length, at + random(12));
    switch (random(6)) {
      case 0:
        frame = frame.slice(0, at) + pick(random, pieces) + frame.slice(at);
        break;
      case 1:
        frame = frame.slice(0, at) + pick(random, pieces) + frame.slice(to);
        break;
      case 2:
        frame = frame.slice(0, at) + frame.slice(to);
        break;
      case 3:
        frame = frame.slice(0, at) + String.fromCharCode(random(256)) + frame.slice(at + 1);
        break;
      case 4:
        // A value takes the place of another, so that the types are wrong and the rest is right.
        frame = frame.replace(/(?<=":)("[^"]*"|-?\d+|true|\{\})/g, (value) =>
          random(3) === 0 ? pick(random, pieces) : value,
        );
        break;
      default:
        frame += `\n${pick(random, frames)}`;
    }
  }
  return frame;
}

function sessionIn(random: Random): Session {
  const session = new Session({
    ...fuzzed,
    client: "c1",
    version: "v1",
    now: 0,
    timeOrigin: 1e12,
    random: 0.5,
  });
  const phase = random(5);
  if (phase === 0) return session;
  const connect = phase === 1 ? '{"id":1,"connect":{"token":"t"}}' : '{"id":1,"connect":{}}';
  take(session, connect);
  if (phase > 2) take(session, '{"id":2,"subscribe":{"channel":"a"}}');
  if (phase > 3) {
    const position = { offset: 1, epoch: "xyz" };
    session.receive({ kind: "subscribed", task: 1, outcome: { ok: true, position } }, 0);
  }
  return session;
}

function take(session: Session, frame: string): readonly Effect[] {
  return decodeFrame(frame).flatMap((input) => session.receive(input, 0));
}

/** Whether all that a session wants done after a frame is what it may want. */
function check(frame: string, inputs: readonly Input[], effects: readonly Effect[]): void {
  assert.ok(inputs.length > 0);
  const ids = new Set<number>();
  for (const input of inputs) {
    if (input.kind === "command" && input.command.id !== undefined) ids.add(input.command.id);
  }
  const isMalformed = inputs.some(({ kind }) => kind === "malformed");
  assert.equal(
    isMalformed,
    inputs.at(-1)?.kind === "malformed",
    "nothing follows what is malformed",
  );
  for (const [index, effect] of effects.entries()) {
    const isLast = index === effects.length - 1;
    if (effect.kind === "close") {
      assert.ok(isLast, "a close is the last");
      assert.ok(allowedCloses.has(effect.code), `closed with ${effect.code}`);
    } else if (effect.kind === "reply") {
      const text = encodeReply(effect.reply);
      assert.doesNotMatch(text, /[\r\n]/);
      const reply = JSON.parse(text) as { id: number; error?: { code: number } };
      assert.ok(ids.has(reply.id) || reply.id <= 2, "what is answered was asked");
      if (reply.error !== undefined) assert.ok(allowedErrors.has(reply.error.code));
    } else if (effect.kind === "push") JSON.parse(encodePush(effect.push));
    else if ("channel" in effect) {
      assert.equal(fuzzed.rules.problem(effect.channel), undefined);
      assert.notEqual(fuzzed.rules.options(effect.channel), undefined);
      if (effect.kind === "publish") {
        const data = Buffer.from(effect.data).toString();
        assert.doesNotMatch(data, /[\r\n]/);
        JSON.parse(data);
      }
    }
  }
}

describe("whatever a client sends", () => {
  it(`is answered with what the protocol has, ${runs * mutatedPerRun} times`, () => {
    let tried = 0;
    const outcomes = { closed: 0, answered: 0 };
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.oneof(fc.string({ unit: "binary-ascii" }), fc.json(), fc.string()), {
          maxLength: 5,
        }),
        (seed, others) => {
          const random = randomOf(seed);
          const made = Array.from({ length: mutatedPerRun }, () => mutated(random));
          let session = sessionIn(random);
          let isClosed = false;
          for (const frame of [...made, ...others]) {
            tried += 1;
            if (isClosed) session = sessionIn(random);
            const wasConnecting =
              !session.connected && session.user === undefined && session.deadline === undefined;
            const inputs = decodeFrame(frame);
            const effects = inputs.flatMap((input) => session.receive(input, 0));
            try {
              check(frame, inputs, effects);
              isClosed = effects.at(-1)?.kind === "close";
              const isMalformed = inputs.at(-1)?.kind === "malformed";
              assert.ok(
                isClosed || !isMalformed || wasConnecting || session.deadline === undefined,
              );
              assert.ok(session.channels.size <= 5);
            } catch (error) {
              throw new Error(`the frame was ${JSON.stringify(frame)}`, { cause: error });
            }
            outcomes[isClosed ? "closed" : "answered"] += 1;
            // One that waits for a token would wait for ever.
            if (wasConnecting) isClosed = true;
          }
        },
      ),
      { numRuns: runs },
    );
    assert.ok(tried >= runs * mutatedPerRun);
    // Had all been nonsense, nothing would have been tried but the first check.
    assert.ok(outcomes.answered > tried / 5, JSON.stringify(outcomes));
    assert.ok(outcomes.closed > tried / 5, JSON.stringify(outcomes));
  });
});

/** JSON with numbers as they were written; TypeScript does not know it yet. */
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

function exact(text: string): unknown {
  const keep = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === "number" && context?.source !== undefined ? rawJSON(context.source) : value;
  return JSON.parse(text, keep);
}

describe("what a client publishes", () => {
  it("arrives as it was written, wherever it stands in the command", () => {
    const payload = fc.oneof(
      fc.json({ maxDepth: 4 }),
      fc.constantFrom("12345678901234567890", "1.0", '{"a":[-0.0,1E5]}', '{"__proto__":{"a":1}}'),
    );
    const space = fc.constantFrom("", " ", "\t", " \r ");
    fc.assert(
      fc.property(
        payload,
        space,
        fc.json({ maxDepth: 2 }),
        fc.nat(5),
        (data, gap, other, order) => {
          const rotate = (fields: string[]): string =>
            [
              ...fields.slice(order % fields.length),
              ...fields.slice(0, order % fields.length),
            ].join(`${gap},${gap}`);
          const publish = rotate([`"channel":"a"`, `"data"${gap}:${gap}${data}`, `"x":${other}`]);
          const line = `{${rotate([`"id":1`, `"other":${other}`, `"publish"${gap}:{${gap}${publish}${gap}}`])}}`;
          const [input] = decodeFrame(line);
          if (input?.kind !== "command" || input.command.method !== "publish") assert.fail(line);
          const plain = Buffer.from(input.command.data).toString();
          assert.deepEqual(JSON.stringify(exact(plain)), JSON.stringify(exact(data)));
          const whole = exact(line) as { publish: { data: unknown } };
          assert.deepEqual(JSON.stringify(exact(plain)), JSON.stringify(whole.publish.data));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
