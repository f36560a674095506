import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { browserMissing } from "../../support/browser.ts";
import { frameScenes } from "./frame-scenes.ts";
import { liveScenes } from "./live-scenes.ts";
import { looks } from "./looks.ts";
import { memoryScenes } from "./memory-scenes.ts";
import { Stage } from "./stage.ts";
import { systemScenes } from "./system-scenes.ts";
import { topicsScenes } from "./topics-scenes.ts";
import { tryScenes } from "./try-scenes.ts";

// One system and one browser for all; each scene is a person's visit, with nothing of another's in it.
describe("the console in Chromium", { skip: browserMissing() ?? false }, () => {
  let stage: Stage | undefined;
  const set = (): Stage => {
    assert.ok(stage);
    return stage;
  };

  before(async () => {
    stage = await Stage.set();
  });
  after(() => stage?.[Symbol.asyncDispose]());

  frameScenes(set);
  liveScenes(set);
  topicsScenes(set);
  tryScenes(set);
  memoryScenes(set);
  systemScenes(set);
  looks(set);
});
