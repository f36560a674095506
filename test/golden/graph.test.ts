import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { before, describe, it } from "node:test";
import { stackNames } from "../../local/engine/stack-file.ts";
import { type RecordedGraph, type RecordedResource, recordGraph } from "../../local/record.ts";
import { targetMatcher } from "../../scripts/bootstrap/declared.ts";
import { baseTargets, triggerTargets } from "../../scripts/bootstrap/plan.ts";
import {
  deliveryProblems,
  familyProblems,
  graphProblems,
  orderProblems,
  policyProblems,
  replacementProblems,
  retentionProblems,
  secretProblems,
  textProblems,
} from "./checks.ts";
import { goldenFile, goldenText, root } from "./golden.ts";

/** The stack that is recorded in a preview, too: the cluster, which has all that the others have. */
const previewed = "prod";
const graphs = new Map<string, RecordedGraph>();
let preview: RecordedGraph;
function graphOf(stack: string): RecordedGraph {
  return graphs.get(stack) ?? assert.fail(`no graph of ${stack}`);
}

before(async () => {
  // Two at a time: each is a process of its own that takes a processor.
  const waiting = [
    async () => {
      preview = await recordGraph({ root, stack: previewed, preview: true });
    },
    ...stackNames(root).map((stack) => async () => {
      graphs.set(stack, await recordGraph({ root, stack }));
    }),
  ];
  const work = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await next();
  };
  await Promise.all([work(), work()]);
});

for (const stack of stackNames(root)) {
  describe(`the graph of ${stack}`, () => {
    it("holds what must hold in every graph", () => {
      assert.deepEqual(graphProblems(graphOf(stack), { protect: stack === "prod" }), []);
    });

    it("is the reviewed one (`npm run golden` writes what it is now)", async () => {
      assert.equal(await goldenText(graphOf(stack)), await readFile(goldenFile(stack), "utf8"));
    });

    // `pulumi up --target` refuses what needs something that is neither there nor meant, too.
    it("can be deployed in the parts that bootstrap begins with", () => {
      const { resources } = graphOf(stack);
      const missing = (targets: readonly string[]) => {
        const isMeant = targetMatcher(targets);
        return resources
          .filter(({ urn }) => isMeant(urn))
          .flatMap(({ urn, parent, dependencies, propertyDependencies }) =>
            [...dependencies, ...Object.values(propertyDependencies).flat(), parent ?? urn]
              .filter((needed) => !isMeant(needed) && !needed.includes("::pulumi:pulumi:Stack::"))
              .map((needed) => `${urn} needs ${needed}`),
          );
      };
      assert.deepEqual(missing(baseTargets), []);
      assert.deepEqual(missing([...baseTargets, ...triggerTargets]), []);
      assert(missing(baseTargets.slice(1)).length > 0, "what is missing is seen");
      const left = (type: string, targets: readonly string[]) =>
        resources.filter(({ type: is, urn }) => is === type && !targetMatcher(targets)(urn));
      assert.deepEqual(left("gcp:secretmanager/secret:Secret", baseTargets), []);
      assert.deepEqual(left("gcp:cloudbuild/trigger:Trigger", triggerTargets), []);
      // The machines come up once, with the keys that last.
      assert(left("gcp:compute/instance:Instance", [...baseTargets, ...triggerTargets]).length > 0);
    });
  });
}

describe(`the graph of ${previewed} in a preview, where nothing computed is known`, () => {
  it("has the same resources, and no text with a part that is unknown", () => {
    assert.deepEqual(preview.problems, []);
    const urns = (graph: RecordedGraph) => graph.resources.map(({ urn }) => urn);
    assert.deepEqual(urns(preview), urns(graphOf(previewed)));
    assert.deepEqual(textProblems(preview), []);
    assert.deepEqual(policyProblems(preview.resources), []);
  });

  it("names its versions already, and as the up will", () => {
    const ids = ({ resources }: RecordedGraph) =>
      resources.map(({ inputs }) => inputs["versionId"]).filter((id) => id !== undefined);
    assert.equal(ids(graphOf(previewed)).length, 4);
    assert.deepEqual(ids(preview), ids(graphOf(previewed)));
  });
});

describe("the golden files", () => {
  it("hold no path of a machine, no digest of code and no version made of it", async () => {
    for (const stack of stackNames(root)) {
      const text = await readFile(goldenFile(stack), "utf8");
      for (const path of [root, homedir(), tmpdir(), "file://"]) assert(!text.includes(path), path);
      assert.doesNotMatch(text, /\b[0-9a-f]{64}\b|\bv[0-9a-f]{10}\b/);
    }
  });

  it("stay as they are when only code changes, and change with the infrastructure", async () => {
    const graph = graphOf("dev");
    const text = JSON.stringify(graph);
    const object = graph.resources.find(({ name }) => name === "add-source-object");
    const digest = /[0-9a-f]{64}/.exec(String(object?.inputs["name"]))?.[0] ?? assert.fail();
    const version = graph.resources.find(({ name }) => name === "add-version");
    const id = String(version?.inputs["versionId"]);
    const recoded = JSON.parse(
      text.replaceAll(digest, "f".repeat(64)).replaceAll(id, "vffffffffff"),
    ) as RecordedGraph;
    assert.equal(await goldenText(recoded), await goldenText(graph));
    const grown = JSON.parse(text.replaceAll('"e2-micro"', '"f1-micro"')) as RecordedGraph;
    assert.notEqual(await goldenText(grown), await goldenText(graph));
  });
});

/** The checks are only worth something if a broken graph does not pass them. */
describe("a graph that is broken", () => {
  type Change = Partial<RecordedResource>;
  /** The resources of a stack, with the one of that name changed. */
  function broken(
    stack: string,
    name: string,
    change: (resource: RecordedResource) => Change,
  ): RecordedResource[] {
    const { resources } = graphOf(stack);
    const found = resources.filter((resource) => resource.name === name);
    assert.equal(found.length, 1, `one resource is called ${name}`);
    return resources.map((resource) =>
      resource.name === name ? { ...resource, ...change(resource) } : resource,
    );
  }
  const withInput = (key: string, value: string) => (resource: RecordedResource) => ({
    inputs: { ...resource.inputs, [key]: value },
  });

  for (const [what, value] of [
    ["undefined", "nats://undefined:4222"],
    ["an unknown value", "nats://04da6b54-80e4-46f7-96ec-b56ff0331ba9:4222"],
    ["an unknown value", "nats://[unknown]:4222"],
    ["an Output", "Calling [toString] on an [Output<T>] is not supported."],
    ["an object", "[object Object]"],
    ["not a number", "NaN"],
  ] as const) {
    it(`is caught with the text ${JSON.stringify(value)}`, () => {
      const resources = broken("dev", "nats-0", withInput("hostname", value));
      assert.deepEqual(textProblems({ resources, outputs: {} }), [
        `gcp:compute/instance:Instance::nats-0.hostname: ${what} in the text ${JSON.stringify(value)}`,
      ]);
      assert.equal(textProblems({ resources: [], outputs: { url: value } }).length, 1);
    });
  }

  for (const [later, earlier] of [
    ["app-application", "gcp:projects/service:Service::apis-appengine"],
    ["app-database", "gcp:projects/service:Service::apis-firestore"],
    ["realtime-connector", "gcp:firestore/database:Database::app-database"],
    ["nats-0", "gcp:appengine/application:Application::app-application"],
    ["web-version", "gcp:compute/instance:Instance::nats-0"],
    ["web-version", "gcp:vpcaccess/connector:Connector::realtime-connector"],
    ["add-version", "gcp:appengine/standardAppVersion:StandardAppVersion::web-version"],
    ["ws-version", "gcp:appengine/standardAppVersion:StandardAppVersion::web-version"],
    ["m-version", "gcp:appengine/standardAppVersion:StandardAppVersion::web-version"],
    ["ws-traffic", "gcp:appengine/flexibleAppVersion:FlexibleAppVersion::ws-version"],
    ["routes-rules", "gcp:appengine/engineSplitTraffic:EngineSplitTraffic::add-traffic"],
  ] as const) {
    it(`is caught when ${later} waits for nothing`, () => {
      const problems = orderProblems(broken("dev", later, () => ({ dependencies: [] })));
      assert(
        problems.some((p) => p.endsWith(`::${later} does not wait for ${earlier}`)),
        problems.join("\n"),
      );
    });
  }

  it("is caught when a step of the order is missing", () => {
    const { resources } = graphOf("dev");
    const without = (end: string) => resources.filter(({ type }) => !type.endsWith(end));
    assert(orderProblems(without(":Service")).includes("there is nothing of APIs"));
    assert(
      orderProblems(without(":ApplicationUrlDispatchRules")).includes(
        "there are 0 lists of dispatch rules",
      ),
    );
    assert(
      orderProblems(without(":EngineSplitTraffic")).includes(
        "gcp:appengine/flexibleAppVersion:FlexibleAppVersion::ws-version has 0 splits",
      ),
    );
  });

  it("is caught when a resource belongs to no component", () => {
    const stack = graphOf("dev").resources.find(({ type }) => type === "pulumi:pulumi:Stack");
    const parent = stack?.urn ?? assert.fail();
    assert.deepEqual(familyProblems(broken("dev", "nats-0", () => ({ parent }))), [
      "gcp:compute/instance:Instance::nats-0 belongs to no component",
    ]);
  });

  it("is caught when a child is not called after its parent", () => {
    assert.deepEqual(familyProblems(broken("dev", "nats-0", () => ({ name: "node-0" }))), [
      "gcp:compute/instance:Instance::nats-0 is not called after its parent nats",
    ]);
  });

  it("is caught when something that has to be replaceable is protected", () => {
    const resources = broken("prod", "nats-0", () => ({ protect: true }));
    assert.deepEqual(replacementProblems(resources, true), [
      "gcp:compute/instance:Instance::nats-0 is protected",
    ]);
    // Where nothing is protected, data is not either.
    assert.equal(replacementProblems(graphOf("prod").resources, true).length, 0);
    assert(replacementProblems(graphOf("prod").resources, false).length > 10);
  });

  it("is caught when a policy does not allow it", () => {
    const resources = broken("prod", "nats-1-data", () => ({ protect: false }));
    assert.deepEqual(policyProblems(resources), [
      "gcp:compute/disk:Disk::nats-1-data: is not protected (protected-data)",
    ]);
  });

  it("is caught when an archive goes with its version", () => {
    const resources = broken("dev", "add-source-object", () => ({ retainOnDelete: false }));
    assert.deepEqual(retentionProblems(resources), [
      "gcp:storage/bucketObject:BucketObject::add-source-object is deleted with its version",
    ]);
  });

  it("is caught when a secret has another reader, or no reader", () => {
    const name = "add-secret-nats-seed-add";
    const other = broken("dev", name, withInput("member", "serviceAccount:ws@example.com"));
    assert.equal(secretProblems(other).length, 1);
    const none = graphOf("dev").resources.filter((resource) => resource.name !== name);
    assert.match(secretProblems(none)[0] ?? "", /^nats-seed-add may be read by nobody and not by /);
    const key = broken(
      "dev",
      "ws-secret-ws-token-hmac",
      withInput("member", "serviceAccount:add-service@my-project-dev.iam.gserviceaccount.com"),
    );
    assert.match(secretProblems(key)[0] ?? "", /^ws-token-hmac may be read by /);
    // The default service may read the key for its demo tokens, where it gives any, and nothing else.
    const another = broken(
      "dev",
      "web-secret-ws-token-hmac",
      withInput("secretId", "nats-seed-add"),
    );
    assert.equal(secretProblems(another).length, 2);
    const unasked = broken("dev", "web-version", ({ inputs }) => ({
      inputs: { ...inputs, envVariables: {} },
    }));
    assert.match(secretProblems(unasked)[0] ?? "", /^ws-token-hmac may be read by /);
    const everybody = broken(
      "dev",
      "ws-logging.logWriter",
      withInput("role", "roles/secretmanager.admin"),
    );
    assert.deepEqual(secretProblems(everybody), [
      "gcp:projects/iAMMember:IAMMember::ws-logging.logWriter opens every secret",
    ]);
  });

  describe("in how changes are delivered", () => {
    const version = (): string => {
      const found = graphOf("dev").resources.find(({ name }) => name === "m-version");
      return String(found?.inputs["versionId"]);
    };
    const subscription = (index: number): string => `m-${version()}-${index}`;
    const named = (index: number): string =>
      `gcp:pubsub/subscription:Subscription::${subscription(index)}`;
    const cases: readonly (readonly [
      what: string,
      resources: () => RecordedResource[],
      problems: () => string[],
    ])[] = [
      [
        "a subscription does not wait for the version",
        () => broken("dev", subscription(1), () => ({ dependencies: [] })),
        () => [`${named(1)} does not wait for its version`],
      ],
      [
        "the traffic does not wait for the subscriptions",
        () => broken("dev", "m-traffic", () => ({ dependencies: [] })),
        () =>
          [0, 1].map(
            (index) =>
              `gcp:appengine/engineSplitTraffic:EngineSplitTraffic::m-traffic does not wait for ${named(index)}`,
          ),
      ],
      [
        "an instance has no subscription",
        () => graphOf("dev").resources.filter(({ name }) => name !== subscription(1)),
        () => [
          "gcp:appengine/standardAppVersion:StandardAppVersion::m-version: instance 1 has 0 subscriptions",
        ],
      ],
      [
        "a subscription pushes to an instance that there is not",
        () =>
          broken("dev", "m-version", ({ inputs }) => ({
            inputs: { ...inputs, manualScaling: { instances: 1 } },
          })),
        () => [`${named(1)} pushes to no instance that is declared`],
      ],
      [
        "the account that pushes has a role",
        () =>
          broken(
            "dev",
            "m-publisher",
            withInput("member", "serviceAccount:m-push@my-project-dev.iam.gserviceaccount.com"),
          ),
        () => [
          "gcp:pubsub/topicIAMMember:TopicIAMMember::m-publisher gives a role to who only pushes",
        ],
      ],
      [
        "another account's tokens can be made",
        () =>
          broken(
            "dev",
            "m-push-signer",
            withInput(
              "serviceAccountId",
              "projects/my-project-dev/serviceAccounts/m-service@my-project-dev.iam.gserviceaccount.com",
            ),
          ),
        () => [
          "gcp:serviceaccount/iAMMember:IAMMember::m-push-signer makes tokens of more than pushes",
        ],
      ],
      [
        "every account's tokens can be made",
        () =>
          broken(
            "dev",
            "m-dead-subscriber",
            withInput("role", "roles/iam.serviceAccountTokenCreator"),
          ),
        () => [
          "gcp:projects/iAMMember:IAMMember::m-dead-subscriber makes tokens of more than pushes",
        ],
      ],
    ];
    for (const [what, resources, problems] of cases) {
      it(`is caught when ${what}`, () => {
        assert.deepEqual(deliveryProblems(resources()), problems());
      });
    }
  });
});
