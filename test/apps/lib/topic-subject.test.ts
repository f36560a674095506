import assert from "node:assert/strict";
import { it } from "node:test";
import { topicSubject } from "../../../apps/lib/topic-subject.ts";
import { topicPrefix } from "../../../components/lib/nats-config.ts";

it("a topic's subject is below the prefix for which the server grants permissions", () => {
  assert.equal(topicSubject("add"), `${topicPrefix}add`);
});
