import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ChannelMessage } from "../../../../apps/ws/channel-message.ts";
import { type HistoryRequest, selectHistory } from "../../../../apps/ws/client/select-history.ts";

const messages = [3, 4, 5, 6].map((offset) => new ChannelMessage(Buffer.from("x"), { offset }));

function offsets(request: Partial<HistoryRequest>): (number | undefined)[] | undefined {
  const full = { limit: -1, reverse: false, ...request };
  return selectHistory(messages, "e", full)?.map(({ offset }) => offset);
}

describe("what a history request selects", () => {
  const since = (offset: number, epoch = "e") => ({ since: { offset, epoch } });
  const cases: [name: string, request: Partial<HistoryRequest>, answer: number[] | undefined][] = [
    ["nothing for limit 0", { limit: 0 }, []],
    ["everything without a limit", {}, [3, 4, 5, 6]],
    ["the oldest up to the limit", { limit: 3 }, [3, 4, 5]],
    ["the newest first in reverse", { limit: 3, reverse: true }, [6, 5, 4]],
    ["what comes after a position", since(4), [5, 6]],
    ["what comes after it, up to the limit", { ...since(4), limit: 1 }, [5]],
    ["what comes before it in reverse", { ...since(5), reverse: true }, [4, 3]],
    ["nothing after the last", since(6), []],
    ["what is left after a position that has left", since(1), [3, 4, 5, 6]],
    ["the same for any epoch", since(4, ""), [5, 6]],
    ["nothing of another epoch", since(4, "other"), undefined],
    [
      "nothing of another epoch, not even the position",
      { ...since(4, "other"), limit: 0 },
      undefined,
    ],
  ];
  for (const [name, request, answer] of cases) {
    it(`is ${name}`, () => {
      assert.deepEqual(offsets(request), answer);
    });
  }
});
