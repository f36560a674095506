import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { labelsOf } from "../../../components/lib/labels.ts";
import { record } from "../../support/pulumi.ts";

describe("labels", () => {
  it("say the project, the stack and the component", async () => {
    const { result } = await record(() => labelsOf("nats"), { project: "shop", stack: "prod" });
    assert.deepEqual(result, { app: "shop", stack: "prod", component: "nats" });
  });

  it("are values that Google Cloud takes, whatever a stack is called", async () => {
    const { result } = await record(() => labelsOf("Web.Source"), {
      stack: `Feature.X_${"y".repeat(70)}`,
    });
    assert.deepEqual(result, {
      app: "appengine-realtime",
      stack: `feature-x_${"y".repeat(53)}`,
      component: "web-source",
    });
  });
});
