import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Answer,
  type Delivered,
  type Follower,
  type History,
  type Publish,
  type Subscribed,
  violations,
} from "./history.ts";

/** Ids of ten publications, as the stream has them. */
const ids = Array.from({ length: 10 }, (_, index) => `m${index + 1}`);

function subscribed(
  offset: number,
  more: Partial<Subscribed> & { epoch?: string } = {},
): Subscribed {
  const { epoch = "e", ...rest } = more;
  return {
    kind: "subscribed",
    at: 0,
    wasRecovering: false,
    recovered: false,
    position: { offset, epoch },
    brought: false,
    ...rest,
  };
}

function recovered(
  offset: number,
  more: Partial<Subscribed> & { epoch?: string } = {},
): Subscribed {
  return subscribed(offset, { wasRecovering: true, recovered: true, brought: true, ...more });
}

function lost(offset: number, more: Partial<Subscribed> & { epoch?: string } = {}): Subscribed {
  return subscribed(offset, { wasRecovering: true, recovered: false, ...more });
}

/** The publications with these offsets. */
function got(from: number, to: number, { shift = 0 } = {}): Delivered[] {
  return Array.from({ length: to - from + 1 }, (_, index) => ({
    kind: "publication",
    at: 0,
    offset: from + index,
    id: ids[from + index - 1 + shift] ?? "none",
  }));
}

function follower(name: string, seen: Follower["seen"], since?: Follower["since"]): Follower {
  return { name, channel: "c", seen, since };
}

function answer(gateway: string, more: Partial<Answer> = {}): Answer {
  return {
    gateway,
    channel: "c",
    position: { offset: 10, epoch: "e" },
    publications: ids.map((id, index) => ({ id, offset: index + 1 })),
    ...more,
  };
}

function publish(id: string, more: Partial<Publish> = {}): Publish {
  const sequence = Number(id.slice(1));
  return {
    id,
    channel: "c",
    publisher: "p",
    sequence,
    invoked: sequence * 10,
    acknowledged: sequence * 10 + 5,
    repeatable: false,
    ...more,
  };
}

/** A correct history: one subscription that never broke, one that was recovered, one that came late. */
function clean(more: Partial<History> = {}): History {
  return {
    followers: [
      follower("steady", [subscribed(0), ...got(1, 10)]),
      follower("broken", [subscribed(2), ...got(3, 5), recovered(5), ...got(6, 10)]),
      follower("late", [recovered(0), ...got(1, 10)], { offset: 0, epoch: "" }),
    ],
    publishes: ids.map((id) => publish(id)),
    truth: new Map([["c", ids]]),
    answers: [answer("one"), answer("two")],
    reachable: 1_000,
    lossless: true,
    ...more,
  };
}

/** The clean history with another subscription. */
function beside(seen: Follower["seen"], since?: Follower["since"]): History {
  const history = clean();
  return { ...history, followers: [...history.followers, follower("other", seen, since)] };
}

/** The same where only the last three can be recovered, and epochs may end. */
function short(seen: Follower["seen"], since?: Follower["since"]): History {
  const publications = answer("one").publications.slice(-3);
  return {
    ...beside(seen, since),
    answers: [answer("one", { publications })],
    reachable: 3,
    lossless: false,
  };
}

describe("the checker of what subscribers saw", () => {
  it("has no objection to a correct history", () => {
    assert.deepEqual(violations(clean()), []);
  });

  const fine: Record<string, History> = {
    "a recovery that was not possible any more, told honestly": short([
      ...[subscribed(0), ...got(1, 3)],
      ...[lost(8), ...got(9, 10)],
    ]),
    "a new epoch after a loss, with offsets from 1 for what was still stored": short([
      ...[subscribed(0), ...got(1, 3)],
      ...[lost(2, { epoch: "f" }), ...got(3, 5, { shift: 5 })],
    ]),
    "a short history that began before anybody came": {
      ...short([]),
      followers: [follower("late", [subscribed(5), ...got(6, 9, { shift: 1 })])],
      answers: [],
    },
    "a new epoch after somebody deleted the history": {
      ...short([
        ...[subscribed(0), ...got(1, 4)],
        ...[lost(0, { epoch: "f" }), ...got(1, 6, { shift: 4 })],
      ]),
      purged: new Map([["c", 4]]),
      followers: [
        follower("other", [
          ...[subscribed(0), ...got(1, 4)],
          ...[lost(0, { epoch: "f" }), ...got(1, 6, { shift: 4 })],
        ]),
      ],
      answers: [],
    },
    "a recovery from another epoch's end that nobody can count": short([
      ...[subscribed(0, { epoch: "f" }), lost(9), ...got(10, 10)],
    ]),
    "recoveries that brought nothing": beside([
      ...[subscribed(8), recovered(8, { brought: false }), ...got(9, 10)],
      recovered(10, { brought: false }),
    ]),
    "one that asked for what another had seen": beside([recovered(4), ...got(5, 10)], {
      offset: 4,
      epoch: "e",
    }),
    "a publication that was never acknowledged, and is nowhere": {
      ...clean(),
      publishes: [...clean().publishes, publish("m11", { acknowledged: undefined })],
    },
    "one that its publisher had to send twice": {
      ...clean({
        truth: new Map([["c", [...ids, "m4"]]]),
        publishes: ids.map((id) => publish(id, { repeatable: true })),
        followers: [
          follower("steady", [
            ...[subscribed(0), ...got(1, 10)],
            { kind: "publication", at: 0, offset: 11, id: "m4" },
          ]),
        ],
        answers: [],
      }),
    },
  };
  for (const [name, history] of Object.entries(fine)) {
    it(`has no objection to ${name}`, () => {
      assert.deepEqual(violations(history), []);
    });
  }

  const wrong: Record<string, [History, RegExp]> = {
    "a hole in what came live": [
      beside([subscribed(0), ...got(1, 3), ...got(5, 10)]),
      /other on c got m5 with the offset 5 after the offset 3/,
    ],
    "a hole behind a recovery": [
      beside([subscribed(0), ...got(1, 3), recovered(3), ...got(5, 10)]),
      /other on c got m5 with the offset 5 after the offset 3/,
    ],
    "a hole that offsets hide": [
      beside([subscribed(0), ...got(1, 3), ...got(4, 9, { shift: 1 })]),
      /other got m5 on c with the offset 4 of epoch e, which is m4/,
    ],
    "one that came twice": [
      beside([subscribed(0), ...got(1, 4), ...got(4, 10)]),
      /got m4 again or late \(offset 4\) after the offset 4/,
    ],
    "one that was recovered and came live as well": [
      beside([subscribed(3), recovered(3), ...got(4, 6), ...got(5, 10)]),
      /got m5 again or late \(offset 5\) after the offset 6/,
    ],
    "two in the wrong order": [
      beside([subscribed(0), ...got(1, 2), ...got(4, 4), ...got(3, 3), ...got(5, 10)]),
      /got m4 with the offset 4 after the offset 2/,
    ],
    "one without an offset": [
      beside([
        ...[subscribed(0), ...got(1, 9)],
        { kind: "publication", at: 0, offset: undefined, id: "m10" },
      ]),
      /got m10 without an offset/,
    ],
    "one that nobody published": [
      beside([subscribed(9), { kind: "publication", at: 0, offset: 10, id: "forged" }]),
      /other got forged on c with the offset 10 of epoch e, which is m10/,
    ],
    "a publication before the subscribe reply": [
      beside([...got(1, 1), subscribed(1), ...got(2, 10)]),
      /got m1 before it was subscribed/,
    ],
    "a first reply that brings publications": [
      beside([subscribed(4, { brought: true }), ...got(5, 10)]),
      /got publications with its first reply/,
    ],
    "a reply without a position": [
      beside([subscribed(0, { position: undefined }), ...got(1, 10)]),
      /was subscribed without a position/,
    ],
    "a reply without an epoch": [
      beside([subscribed(0, { epoch: "" }), ...got(1, 10)]),
      /was subscribed without an epoch/,
    ],
    "a recovery that nobody asked for": [
      beside([recovered(0), ...got(1, 10)]),
      /was recovered without having asked/,
    ],
    "a reconnect that does not say whether it recovered": [
      beside([subscribed(0), ...got(1, 4), subscribed(4), ...got(5, 10)]),
      /asked to be recovered, and was not told whether it was/,
    ],
    "a recovery that names another offset than was asked from": [
      beside([subscribed(0), ...got(1, 4), recovered(6), ...got(7, 10)]),
      /was recovered from the offset 6, but asked from offset 4/,
    ],
    "recovered: true in another epoch": [
      short([subscribed(0), ...got(1, 8), recovered(8, { epoch: "f" })]),
      /was recovered from offset 8 of epoch e in epoch f/,
    ],
    "recovered: true although the history did not reach so far": [
      short([subscribed(0), ...got(1, 2), recovered(2), ...got(8, 10)]),
      /got m8 with the offset 8 after the offset 2/,
    ],
    "recovered: false although everything was there": [
      beside([subscribed(0), ...got(1, 4), lost(6), ...got(7, 10)]),
      /was not recovered from offset 4 of epoch e, though only 2 publications followed/,
    ],
    "recovered: false from the beginning although everything was there": [
      beside([lost(6), ...got(7, 10)], { offset: 0, epoch: "" }),
      /was not recovered from offset 0 of epoch , though only 6 publications followed/,
    ],
    "recovered: false in a new epoch although everything was there": [
      short([
        ...[subscribed(0), ...got(1, 4)],
        ...[lost(1, { epoch: "f" }), ...got(2, 5, { shift: 5 })],
      ]),
      /was not recovered from offset 4 of epoch e, though only 2 publications followed/,
    ],
    "recovered: false with publications": [
      short([subscribed(0), ...got(1, 2), lost(7, { brought: true }), ...got(8, 10)]),
      /got publications, though it was not recovered/,
    ],
    "an offset that goes back": [
      short([subscribed(0), ...got(1, 8), lost(6), ...got(7, 10)]),
      /was put back from offset 8 of epoch e to 6/,
    ],
    "a new epoch where nothing can have been lost": [
      {
        ...beside([subscribed(0, { epoch: "f" }), ...got(1, 10)]),
      },
      /c has 2 epochs \(e, f\), though nothing was lost/,
    ],
    "offsets that do not begin with 1": [
      clean({
        followers: [follower("steady", [subscribed(5), ...got(6, 15, { shift: -5 })])],
        answers: [],
      }),
      /the first publication of c has the offset 6 instead of 1/,
    ],
    "a subscriber that does not reach the end": [
      beside([subscribed(0), ...got(1, 9)]),
      /other on c ended at publication 9 of 10/,
    ],
    "a subscriber that ends in an epoch of its own": [
      short([subscribed(0), ...got(1, 2), lost(2, { epoch: "f" })]),
      /other on c ended at the offset 2 of epoch f, not at the end/,
    ],
    "a subscriber that was never subscribed": [beside([]), /other on c was never subscribed/],
    "a subscriber that was sent away": [
      beside([subscribed(0), ...got(1, 2), { kind: "ended", at: 0, reason: "108 not available" }]),
      /other on c was sent away: 108 not available/,
    ],
    "an acknowledged publication that is lost": [
      { ...clean(), publishes: [...clean().publishes, publish("m11")] },
      /m11 was acknowledged, but is not in c/,
    ],
    "a publication that is stored twice": [
      clean({ truth: new Map([["c", [...ids, "m4"]]]), followers: [], answers: [] }),
      /m4 was published once, but is twice in c/,
    ],
    "a publication on another channel": [
      clean({
        publishes: ids.map((id) => publish(id, id === "m3" ? { channel: "d" } : {})),
      }),
      /m3 was published to d, but is in c/,
    ],
    "one in the stream that nobody published": [
      clean({ publishes: ids.slice(1).map((id) => publish(id)) }),
      /m1 is in c, but nobody published it/,
    ],
    "a later one before an earlier one that was acknowledged": [
      clean({
        publishes: ids.map((id) =>
          id === "m3" ? publish(id, { sequence: 8, invoked: 300 }) : publish(id),
        ),
      }),
      /m3 was published after m\d+ was there, but is before it/,
    ],
    "gateways that do not agree": [
      clean({ answers: [answer("one"), answer("two", { position: { offset: 9, epoch: "e" } })] }),
      /the gateways do not agree where c ends/,
    ],
    "a gateway whose history has a hole": [
      clean({
        answers: [answer("one", { publications: answer("").publications.toSpliced(3, 1) })],
      }),
      /one has 9 publications of c in its history, not the last 10 in order/,
    ],
    "gateways that number differently": [
      clean({
        answers: [
          answer("one", {
            publications: ids.map((id, index) => ({ id, offset: index + 2 })),
          }),
        ],
      }),
      /one got m1 on c with the offset 2 of epoch e, which is m2/,
    ],
  };
  for (const [name, [history, problem]] of Object.entries(wrong)) {
    it(`finds ${name}`, () => {
      assert.match(violations(history).join("\n"), problem);
    });
  }
});
