import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { recordGraph } from "../../local/record.ts";
import { archiveSignature, assetSignature, signatureKey } from "../../local/wire/values.ts";
import { fixtures } from "../support/engine.ts";

const root = join(fixtures, "small");

describe("recording a program", () => {
  it("writes down all that it registers, as an engine sees it", async () => {
    const graph = await recordGraph({ root, stack: "dev" });
    assert.deepEqual(graph.problems, []);
    assert.equal(graph.ok, true);
    const email = "pair-account@demo-project.iam.gserviceaccount.com";
    assert.deepEqual(graph.outputs, { greeting: "hello", email });
    const account =
      "urn:pulumi:dev::small::small:index:Pair$gcp:serviceaccount/account:Account::pair-account";
    assert.deepEqual(
      graph.resources.map(({ urn }) => urn),
      [
        "urn:pulumi:dev::small::pulumi:pulumi:Stack::small-dev",
        "urn:pulumi:dev::small::small:index:Pair$gcp:pubsub/topic:Topic::pair-topic",
        account,
        "urn:pulumi:dev::small::small:index:Pair::pair",
      ],
    );
    const [, topic, recordedAccount, pair] = graph.resources;
    assert.deepEqual(topic?.inputs, { name: "numbers", labels: { owner: email } });
    assert.deepEqual(topic.dependencies, [account]);
    assert.deepEqual(topic.propertyDependencies, { labels: [account] });
    assert.equal(topic.parent, "urn:pulumi:dev::small::small:index:Pair::pair");
    assert.equal(topic.protect, true, "children inherit protection");
    assert.deepEqual(recordedAccount?.inputs["displayName"], { "[secret]": "hidden" });
    assert.deepEqual(pair?.outputs, { email });
    assert.equal(pair.custom, false);
  });

  it("records a preview with unknown values, and lays the given config over the stack's", async () => {
    const graph = await recordGraph({
      ...{ root, stack: "dev", preview: true },
      config: { "small:greeting": "good day" },
    });
    assert.deepEqual(graph.outputs, { greeting: "good day", email: "[unknown]" });
    const topic = graph.resources.find(({ name }) => name === "pair-topic");
    assert.deepEqual(topic?.inputs["labels"], { owner: "[unknown]" });
  });

  it("says what a failing program said and shows no outputs of it", async () => {
    const graph = await recordGraph({ root: join(fixtures, "throws"), stack: "test" });
    assert.equal(graph.ok, false);
    assert.match(graph.problems.join(), /the program has a mistake/);
    assert.deepEqual(graph.outputs, {});
    assert.ok(graph.resources.some(({ name }) => name === "kept"));
  });

  it("shows the paths of assets relative to the project", async () => {
    const archive = {
      [signatureKey]: archiveSignature,
      assets: {
        "index.ts": {
          [signatureKey]: assetSignature,
          path: join(fixtures, "declared", "index.ts"),
        },
      },
    };
    const declared = [
      {
        type: "gcp:storage/bucketObject:BucketObject",
        name: "object",
        args: { bucket: "b", name: "x.zip", source: archive },
      },
    ];
    const graph = await recordGraph({
      ...{ root: join(fixtures, "declared"), stack: "test" },
      config: { "declared:resources": JSON.stringify(declared) },
    });
    const object = graph.resources.find(({ name }) => name === "object");
    assert.deepEqual(object?.inputs["source"], {
      "[archive]": { "index.ts": { "[asset]": { path: "index.ts" } } },
    });
  });

  it("refuses a resource type that nobody has described", async () => {
    const declared = [{ type: "gcp:redis/instance:Instance", name: "redis" }];
    const graph = await recordGraph({
      ...{ root: join(fixtures, "declared"), stack: "test" },
      config: { "declared:resources": JSON.stringify(declared) },
    });
    assert.equal(graph.ok, false);
    assert.match(graph.problems.join(), /gcp:redis\/instance:Instance is unknown/);
  });
});
