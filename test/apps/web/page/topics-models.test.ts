import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { signal } from "@preact/signals";
import fc from "fast-check";
import type { Channel } from "../../../../apps/web/page/live/channels.ts";
import { CallError, clientCodes } from "../../../../apps/web/page/live/codes.ts";
import { checkDraft } from "../../../../apps/web/page/topics/draft.ts";
import { Pace } from "../../../../apps/web/page/topics/pace.ts";
import {
  fold,
  folded,
  sizeOf,
  unfold,
  unfoldedCharacters,
} from "../../../../apps/web/page/topics/payload.ts";
import { Presence } from "../../../../apps/web/page/topics/presence.ts";
import { Rate, rateSeconds } from "../../../../apps/web/page/topics/rate.ts";
import { Summary } from "../../../../apps/web/page/topics/summary.ts";
import { Topic } from "../../../../apps/web/page/topics/topic.ts";
import { Topics } from "../../../../apps/web/page/topics/topics.ts";
import { counted, exactTime } from "../../../../apps/web/page/ui/format.ts";

describe("a payload as text", () => {
  it("is a text as it is, and JSON of everything else", () => {
    assert.deepEqual(fold("<b>no</b>"), { text: "<b>no</b>", plain: true, cut: false });
    assert.deepEqual(fold({ a: [1, null, "x"] }), {
      ...{ text: '{"a":[1,null,"x"]}', plain: false, cut: false },
    });
    for (const [data, text] of [
      [3, "3"],
      [true, "true"],
      [null, "null"],
      [{}, "{}"],
      [[], "[]"],
    ] as const) {
      assert.equal(fold(data).text, text);
    }
  });

  it("is folded after some characters or lines, and never within one character", () => {
    const long = fold("a".repeat(folded.characters + 1));
    assert.deepEqual([long.text.length, long.cut], [folded.characters, true]);
    assert.equal(fold("a".repeat(folded.characters)).cut, false);
    const lines = fold("1\n2\n3\n4\n5");
    assert.deepEqual([lines.text, lines.cut], ["1\n2\n3\n4", true]);
    assert.equal(fold("1\n2\n3\n4").cut, false);
    const pair = fold(`${"a".repeat(folded.characters - 1)}😀`);
    assert.deepEqual([pair.text, pair.cut], ["a".repeat(folded.characters - 1), true]);
    const json = fold({ text: "x".repeat(10_000), more: 1 });
    assert.deepEqual([json.text.length, json.cut], [folded.characters, true]);
  });

  it("is JSON that can be read again, unless it says that it is cut", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        const [short, all] = [fold(data), unfold(data)];
        if (typeof data === "string") {
          assert.equal(all.text, data);
          return;
        }
        assert.equal(short.plain, false);
        if (!short.cut) assert.equal(short.text, JSON.stringify(data));
        else assert.ok(JSON.stringify(data).startsWith(short.text));
        if (!all.cut) assert.equal(all.text, JSON.stringify(data, undefined, 2));
      }),
    );
  });

  it("costs no more than what is shown of it, however deep and large it is", () => {
    const deep = JSON.parse(`${"[".repeat(30_000)}${"]".repeat(30_000)}`) as unknown;
    assert.equal(unfold(deep).cut, true);
    assert.ok(sizeOf(deep) < 10_000);
    let read = 0;
    const watched = new Proxy(Array<number>(1_000_000).fill(1), {
      get(target, key) {
        if (typeof key === "string" && /^\d+$/.test(key)) read += 1;
        return Reflect.get(target, key) as unknown;
      },
    });
    assert.equal(fold(watched).cut, true);
    assert.ok(read <= folded.characters, `${read} were read`);
    assert.ok(unfold("z".repeat(100_000)).text.length <= unfoldedCharacters);
  });

  it("has about the size of its JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (data) => {
        const { length } = JSON.stringify(data);
        assert.ok(sizeOf(data) * 6 + 20 >= length, `${sizeOf(data)} for ${length}`);
        assert.ok(sizeOf(data) <= length * 9 + 10, `${sizeOf(data)} for ${length}`);
      }),
    );
  });
});

describe("the pace of drawing", () => {
  it("is one drawing per frame at most, the first at once and the next in due time", () => {
    let [drawings, now] = [0, 1_000];
    let frame: (() => void) | undefined;
    const pace = new Pace({
      draw: () => (drawings += 1),
      everyMs: 100,
      frame: (callback) => {
        assert.equal(frame, undefined);
        frame = callback;
      },
      now: () => now,
    });
    const next = (ms: number): boolean => {
      now += ms;
      const asked = frame;
      frame = undefined;
      asked?.();
      return asked !== undefined;
    };
    for (let n = 0; n < 1_000; n += 1) pace.ask();
    assert.equal(drawings, 0);
    assert.equal(next(16), true);
    assert.equal(drawings, 1);
    // Nobody asks: there is no frame.
    assert.equal(next(16), false);
    for (let n = 0; n < 1_000; n += 1) pace.ask();
    for (const ms of [16, 16, 16]) assert.equal(next(ms), true);
    assert.equal(drawings, 1);
    assert.equal(next(50), true);
    assert.equal(drawings, 2);
    assert.equal(next(100), false);
    // What comes while it draws is drawn the next time, and a clock that was set back stops nothing.
    pace.ask();
    assert.equal(next(-100_000), true);
    assert.equal(drawings, 3);
  });
});

describe("a rate", () => {
  it("is what came in each of the last whole seconds, and nothing from before it began", () => {
    const rate = new Rate(100_500);
    for (const at of [100_600, 100_999, 101_000, 103_100]) rate.count(at);
    rate.tick(104_000);
    const { columns, last, peak, mean } = rate.view.value;
    const [x, y] = columns;
    assert.deepEqual([x.length, x[0], x.at(-1)], [rateSeconds, 104 - rateSeconds, 103]);
    assert.deepEqual(y.slice(-5), [null, 2, 1, 0, 1]);
    assert.deepEqual([last, peak, mean], [1, 2, 1]);
  });

  it("looks the same until a second is over", () => {
    const rate = new Rate(0);
    const before = rate.view.value;
    rate.count(10);
    rate.tick(999);
    assert.equal(rate.view.value, before);
    rate.tick(1_000);
    assert.equal(rate.view.value.last, 1);
  });

  it("is right after any silence, and when the clock is set back", () => {
    const times = fc.array(fc.integer({ min: -3_000, max: 90_000 }), { maxLength: 60 });
    fc.assert(
      fc.property(times, (steps) => {
        const rate = new Rate(0);
        const counts = new Map<number, number>();
        let [now, second] = [0, 0];
        for (const step of steps) {
          now = Math.max(0, now + step);
          second = Math.max(second, Math.floor(now / 1_000));
          counts.set(second, (counts.get(second) ?? 0) + 1);
          rate.count(now);
        }
        rate.tick((second + 1) * 1_000);
        const [x, y] = rate.view.value.columns;
        const expected = x.map((each) => (each < 0 ? null : (counts.get(each) ?? 0)));
        assert.deepEqual(y, expected);
        assert.equal(rate.view.value.last, counts.get(second) ?? 0);
      }),
    );
  });
});

const info = (client: string, user = "") => ({ client, user });

describe("a presence", () => {
  const clients = (presence: Presence): string[] => {
    presence.draw();
    return presence.view.value.clients.map(({ client }) => client);
  };

  it("is what the gateways answer, and what joins and leaves make of it", () => {
    const presence = new Presence();
    assert.equal(presence.state.value, "unknown");
    const { answered } = presence.ask();
    assert.equal(presence.state.value, "asking");
    answered({ b: { ...info("b", "zoe"), connInfo: { name: "Zoe" } }, a: info("a") }, 5);
    assert.equal(presence.state.value, "known");
    const { clients: known, count, askedAt, announced } = presence.view.value;
    assert.deepEqual(known, [
      { client: "a", user: "", info: undefined },
      { client: "b", user: "zoe", info: { name: "Zoe" } },
    ]);
    assert.deepEqual([count, askedAt, announced], [2, 5, false]);
    presence.join(info("c"), 6);
    presence.leave(info("a"), 7);
    assert.deepEqual(clients(presence), ["c", "b"]);
    const { movements, announced: now } = presence.view.value;
    assert.deepEqual(
      movements.map(({ number, kind, at, who }) => [number, kind, at, who.client]),
      [
        [2, "leave", 7, "a"],
        [1, "join", 6, "c"],
      ],
    );
    assert.equal(now, true);
  });

  it("is drawn only when somebody came or went", () => {
    const presence = new Presence();
    presence.ask().answered({ a: info("a") }, 0);
    const drawn = presence.view.value;
    presence.draw();
    assert.equal(presence.view.value, drawn);
    presence.join(info("b"), 1);
    assert.equal(presence.view.value, drawn);
    assert.deepEqual(clients(presence), ["a", "b"]);
  });

  it("believes who joins or leaves while the gateways are asked more than their answer", () => {
    const presence = new Presence();
    presence.ask().answered({ a: info("a"), b: info("b") }, 0);
    const { answered } = presence.ask();
    presence.leave(info("a"), 1);
    presence.join(info("c"), 1);
    assert.deepEqual(clients(presence), ["b", "c"]);
    answered({ a: info("a"), b: info("b") }, 2);
    assert.deepEqual(clients(presence), ["b", "c"]);
  });

  it("takes the answer to the last question alone", () => {
    const presence = new Presence();
    const [first, second] = [presence.ask(), presence.ask()];
    first.answered({ a: info("a") }, 0);
    first.refused("too late");
    assert.equal(presence.state.value, "asking");
    second.refused("not here");
    assert.deepEqual([presence.state.value, presence.problem.value], ["refused", "not here"]);
    presence.ask().answered({}, 0);
    assert.deepEqual([presence.state.value, presence.problem.value], ["known", undefined]);
  });

  it("remembers a thousand clients, shows fifty of them, and says that there are more", () => {
    const presence = new Presence();
    const many = Object.fromEntries(
      Array.from({ length: 1_500 }, (_, n) => [`c${n}`, info(`c${n}`)]),
    );
    presence.ask().answered(many, 0);
    const { clients: some, count, more } = presence.view.value;
    assert.deepEqual([some.length, count, more], [50, 1_000, true]);
    for (let n = 0; n < 500; n += 1) presence.leave(info(`c${n}`), 1);
    presence.draw();
    assert.equal(presence.view.value.movements.length, 30);
    presence.ask().answered({ a: info("a") }, 0);
    assert.equal(presence.view.value.more, false);
  });
});

describe("a draft", () => {
  const problem = (text: string, format: "text" | "json"): string | undefined =>
    checkDraft(text, format).problem;

  it("is a text as it is written, or what its JSON says", () => {
    assert.deepEqual(checkDraft(' {"a":1} ', "text"), { data: ' {"a":1} ' });
    assert.deepEqual(checkDraft(' {"a":1} ', "json"), { data: { a: 1 } });
    assert.deepEqual(checkDraft("null", "json"), { data: null });
  });

  it("is not sent when there is nothing in it, when it is no JSON, or when the gateway would not take it", () => {
    assert.equal(problem(" \n", "text"), "There is nothing to publish yet.");
    assert.match(problem("{a}", "json") ?? "", /^This is not JSON: .*position 1/);
    assert.equal(problem("x".repeat(63_998), "text"), undefined);
    assert.match(
      problem("x".repeat(63_999), "text") ?? "",
      /^These are 64,001 bytes; more than 64,000/,
    );
    // Bytes, not characters.
    assert.match(problem("ü".repeat(32_000), "text") ?? "", /64,002 bytes/);
  });
});

describe("the topics' clock", () => {
  it("runs while there are topics, and no longer", (test) => {
    test.mock.timers.enable({ apis: ["setInterval"] });
    let looks = 0;
    const topics = new Topics({
      connection: { listen: silentChannel },
      suggestions: [],
      frame: () => undefined,
      now: () => (looks += 1),
      tickMs: 1_000,
    });
    const looksIn = (ms: number): boolean => {
      const before = looks;
      test.mock.timers.tick(ms);
      return looks > before;
    };
    assert.equal(looksIn(5_000), false);
    topics.subscribe("a");
    topics.subscribe("b");
    assert.equal(looksIn(1_000), true);
    const [b, a] = topics.list.value;
    assert.ok(a !== undefined && b !== undefined);
    topics.unsubscribe(b);
    assert.equal(looksIn(1_000), true);
    topics.unsubscribe(a);
    assert.equal(looksIn(5_000), false);
    topics.subscribe("c");
    assert.equal(looksIn(1_000), true);
    topics.end();
    assert.equal(looksIn(5_000), false);
  });
});

/** One on which nothing happens. */
function silentChannel(name: string): Channel {
  const nothing = (): Promise<never> => Promise.reject(new Error("nothing happens here"));
  return {
    ...{ name, state: signal("subscribing"), problem: signal(undefined) },
    ...{ publish: nothing, history: nothing, presence: nothing },
    ...{ retry: () => undefined, end: () => undefined },
  };
}

describe("the summary for screen readers", () => {
  it("says what is new from time to time, and ever more rarely while it goes on", () => {
    const summary = new Summary();
    const said: [number, string][] = [];
    summary.text.subscribe((text) => {
      if (text !== "") said.push([second, text]);
    });
    let second = 0;
    for (; second < 200; second += 1) {
      summary.tick(second * 1_000, new Map([["add", second + 1]]));
    }
    assert.deepEqual(
      said.map(([at]) => at),
      [0, 5, 15, 35, 75, 135, 195],
    );
    assert.deepEqual(
      said.slice(0, 2).map(([, text]) => text),
      ["1 new on add, 1 in all", "5 new on add, 6 in all"],
    );
  });

  it("says at once what comes after a silence, of all topics together", () => {
    const summary = new Summary();
    for (let second = 0; second < 60; second += 1) {
      summary.tick(second * 1_000, new Map([["add", second]]));
    }
    const quiet = new Map([["add", 59]]);
    for (let second = 60; second < 300; second += 1) summary.tick(second * 1_000, quiet);
    summary.tick(
      300_000,
      new Map([
        ["add", 60],
        ["chat", 1_234],
      ]),
    );
    assert.equal(summary.text.value, "1 new on add, 60 in all; 1,234 new on chat, 1,234 in all");
    summary.tick(
      304_000,
      new Map([
        ["add", 61],
        ["chat", 1_234],
      ]),
    );
    assert.equal(summary.text.value, "1 new on add, 60 in all; 1,234 new on chat, 1,234 in all");
    summary.tick(
      305_000,
      new Map([
        ["add", 61],
        ["chat", 1_234],
      ]),
    );
    assert.equal(summary.text.value, "1 new on add, 61 in all");
  });

  it("goes on after a pause where it was, and begins anew after the end of a feed", () => {
    const summary = new Summary();
    summary.tick(0, new Map([["add", 2]]));
    summary.tick(10_000, new Map());
    summary.tick(20_000, new Map([["add", 5]]));
    assert.equal(summary.text.value, "3 new on add, 5 in all");
    summary.forget("add");
    summary.tick(30_000, new Map([["add", 1]]));
    assert.equal(summary.text.value, "1 new on add, 1 in all");
  });
});

describe("a publication that was not answered", () => {
  for (const [code, uncertain] of [
    [clientCodes.timeout, true],
    [clientCodes.connectionClosed, true],
    [clientCodes.disconnected, false],
    [103, false],
  ] as const) {
    it(`with ${code} ${uncertain ? "may have been published" : "was not published"}`, async () => {
      const topic = new Topic("add", {
        connection: {
          listen: (name) => ({
            ...silentChannel(name),
            publish: () => Promise.reject(new CallError(code, "said")),
          }),
        },
        changed: () => undefined,
        now: () => 0,
      });
      topic.write("1");
      await topic.publish();
      const outcome = topic.publishing.value;
      assert.ok(outcome.kind === "failed");
      assert.equal(outcome.uncertain, uncertain);
      topic.end();
    });
  }
});

describe("words", () => {
  it("count in one and in many, and tell the time to the millisecond", () => {
    assert.deepEqual(
      [counted(1, "message"), counted(0, "message"), counted(2_000, "message")],
      ["1 message", "0 messages", "2,000 messages"],
    );
    assert.equal(exactTime(new Date(2026, 0, 2, 3, 4, 5, 6).getTime()), "03:04:05.006");
  });
});
