import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { AppEngineApplication } from "../../components/app-engine-application.ts";
import { versionIdOf } from "../../components/lib/version-id.ts";
import {
  ReplicatedService,
  type ReplicatedServiceArgs,
} from "../../components/replicated-service.ts";
import { SourceBucket } from "../../components/source-bucket.ts";
import { smallSource } from "../support/app-source.ts";
import { record, type Registered, unknown, valueOf } from "../support/pulumi.ts";

const connector = "projects/my-project/locations/europe-west3/connectors/to-nats";

/** Everything that may be given, but the archive. */
const full: Omit<ReplicatedServiceArgs, "source"> = {
  project: "my-project",
  service: "m",
  instanceClass: "B2",
  instances: 3,
  defaultHostname: pulumi.output("my-project.ey.r.appspot.com"),
  env: { NATS_URL: "nats://10.0.0.2:4222" },
  secrets: { NATS_SEED_SECRET: "nats-seed-m" },
  vpcConnector: connector,
};

async function declared(
  t: TestContext,
  change: Partial<ReplicatedServiceArgs> = {},
  options: { readonly preview?: boolean; readonly text?: string } = {},
  registered: Registered[] = [],
) {
  return record(
    () =>
      new ReplicatedService("m", {
        ...full,
        source: smallSource(t, "m", options.text ?? "hello"),
        ...change,
      }),
    { preview: options.preview ?? false },
    registered,
  );
}

const key = ({ type, name }: Registered): string => `${type}::${name}`;
const agent = "serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com";
const serviceMember = "serviceAccount:m-service@my-project.iam.gserviceaccount.com";
const pushEmail = "m-push@my-project.iam.gserviceaccount.com";
const audience = "//appengine.googleapis.com/apps/my-project/services/m";
const labels = { app: "appengine-realtime", stack: "test", component: "m" };

describe("ReplicatedService", () => {
  for (const preview of [false, true]) {
    it(`declares a version with that many instances, which goes when another comes, ${preview ? "in a preview" : "in an up"}`, async (t) => {
      const { result, one } = await declared(t, {}, { preview });
      const { deployment, ...rest } = one("StandardAppVersion").inputs;
      assert.deepEqual(rest, {
        project: "my-project",
        service: "m",
        versionId: result.versionId,
        runtime: "nodejs24",
        entrypoint: { shell: "node main.js" },
        envVariables: {
          NATS_URL: "nats://10.0.0.2:4222",
          NATS_SEED_SECRET: "projects/my-project/secrets/nats-seed-m",
          PUBSUB_TOPIC: "projects/my-project/topics/m-changes",
          PUSH_ACCOUNT: pushEmail,
          PUSH_AUDIENCE: audience,
        },
        serviceAccount: "m-service@my-project.iam.gserviceaccount.com",
        instanceClass: "B2",
        manualScaling: { instances: 3 },
        vpcAccessConnector: { name: connector, egressSetting: "PRIVATE_IP_RANGES" },
        noopOnDestroy: false,
        deleteServiceOnDestroy: false,
      });
      assert.match(JSON.stringify(deployment), /my-project-app-sources\/m\/[0-9a-f]{64}\.zip/);
      assert.equal(result.versionId, versionIdOf({ deployment, ...without(rest, "versionId") }));
      assert.equal(one("StandardAppVersion").retainOnDelete, undefined);
    });
  }

  it("pushes every change to each instance of the version, at the instance's own host", async (t) => {
    const { result, all } = await declared(t);
    const { versionId } = result;
    const expected = [0, 1, 2].map((index) => ({
      name: `m-${versionId}-${index}`,
      inputs: {
        project: "my-project",
        name: `m-${versionId}-${index}`,
        labels,
        topic: "m-changes-id",
        pushConfig: {
          pushEndpoint: `https://${index}-dot-${versionId}-dot-m-dot-my-project.ey.r.appspot.com/_ah/push-handlers/m-changes`,
          oidcToken: { serviceAccountEmail: pushEmail, audience },
        },
        ackDeadlineSeconds: 10,
        retryPolicy: { minimumBackoff: "1s", maximumBackoff: "10s" },
        messageRetentionDuration: "1800s",
        expirationPolicy: { ttl: "" },
        deadLetterPolicy: { deadLetterTopic: "m-changes-dead-id", maxDeliveryAttempts: 20 },
      },
    }));
    assert.deepEqual(
      all("Subscription").map(({ name, inputs }) => ({ name, inputs })),
      expected,
    );
  });

  it("keeps a message until it was tried as often as it may be, however slowly", async (t) => {
    const { all } = await declared(t);
    for (const { inputs } of all("Subscription")) {
      const { maxDeliveryAttempts } = inputs["deadLetterPolicy"] as Record<string, number>;
      // The platform pushes once a minute where every push fails.
      const slowest = (maxDeliveryAttempts ?? NaN) * 60;
      assert(parseInt(String(inputs["messageRetentionDuration"])) > slowest);
    }
  });

  it("has two topics, of which that for dead letters keeps them without a reader", async (t) => {
    const { result, all } = await declared(t);
    assert.equal(result.topicName, "m-changes");
    assert.deepEqual(
      all("Topic").map(({ name, inputs }) => ({ name, inputs })),
      [
        { name: "m-changes", inputs: { project: "my-project", name: "m-changes", labels } },
        {
          name: "m-changes-dead",
          inputs: {
            project: "my-project",
            name: "m-changes-dead",
            labels,
            messageRetentionDuration: "604800s",
          },
        },
      ],
    );
  });

  it("pushes as an account of its own, which the service is told and which has no role", async (t) => {
    const { result, all, resources } = await declared(t);
    assert.deepEqual(
      all("Account").map(({ name, inputs }) => [name, inputs["accountId"]]),
      [
        ["m-account", "m-service"],
        ["m-push", "m-push"],
      ],
    );
    assert.equal(await valueOf(result.pushAccount.email), pushEmail);
    assert.deepEqual(
      resources.filter(({ inputs }) => inputs["member"] === `serviceAccount:${pushEmail}`),
      [],
    );
  });

  it("grants the service and Google's agent what they need and nothing else", async (t) => {
    const { one, resources } = await declared(t);
    assert.deepEqual(one("ServiceIdentity").inputs, {
      project: "my-project",
      service: "pubsub.googleapis.com",
    });
    const grants = resources
      .filter(({ inputs }) => inputs["role"] !== undefined)
      .map(({ type, inputs }) => {
        const on =
          inputs["topic"] ?? inputs["serviceAccountId"] ?? inputs["secretId"] ?? inputs["bucket"];
        const kind = type.slice(type.lastIndexOf(":") + 1);
        return `${String(inputs["member"])} ${String(inputs["role"])} ${kind} ${String(on ?? inputs["project"])}`;
      });
    assert.deepEqual(
      grants.sort(),
      [
        `${serviceMember} roles/artifactregistry.reader IAMMember my-project`,
        `${serviceMember} roles/logging.logWriter IAMMember my-project`,
        `${serviceMember} roles/datastore.user IAMMember my-project`,
        `${serviceMember} roles/pubsub.publisher TopicIAMMember m-changes`,
        `${serviceMember} roles/secretmanager.secretAccessor SecretIamMember nats-seed-m`,
        `${serviceMember} roles/storage.objectViewer BucketIAMMember my-project-app-sources`,
        `${agent} roles/iam.serviceAccountTokenCreator IAMMember projects/my-project/serviceAccounts/${pushEmail}`,
        `${agent} roles/pubsub.publisher TopicIAMMember m-changes-dead`,
        `${agent} roles/pubsub.subscriber IAMMember my-project`,
      ].sort(),
    );
  });

  it("starts the version after its account may do all that it needs", async (t) => {
    const { one, resources } = await declared(t);
    const before = resources.filter(({ type, inputs }) =>
      /IamMember|IAMMember/.test(type) ? inputs["member"] === serviceMember : /Object$/.test(type),
    );
    assert.equal(before.length, 7);
    assert.deepEqual(
      one("StandardAppVersion").dependsOn,
      [...before, one("Account", "m-account")].map(key).sort(),
    );
  });

  it("subscribes when the version is there and its pushes will be signed and can end", async (t) => {
    const { one, all, resources } = await declared(t);
    const before = [
      ...resources.filter(({ inputs }) => inputs["member"] === agent),
      ...["m-changes", "m-changes-dead"].map((name) => one("Topic", name)),
      one("Account", "m-push"),
      one("StandardAppVersion"),
    ];
    assert.equal(before.length, 7);
    for (const { dependsOn } of all("Subscription")) {
      assert.deepEqual(dependsOn, before.map(key).sort());
    }
  });

  it("sends traffic to the version when every instance has its subscription", async (t) => {
    const { result, one, all } = await declared(t);
    const traffic = one("EngineSplitTraffic");
    assert.deepEqual(traffic.inputs["split"], {
      shardBy: "COOKIE",
      allocations: { [result.versionId]: "1" },
    });
    assert.deepEqual(
      traffic.dependsOn,
      [one("StandardAppVersion"), ...all("Subscription")].map(key).sort(),
    );
  });

  it("names the version anew when the number or the class of its instances changes, or its code", async (t) => {
    const ids = [
      (await declared(t)).result.versionId,
      (await declared(t, { instances: 4 })).result.versionId,
      (await declared(t, { instanceClass: "B4" })).result.versionId,
      (await declared(t, {}, { text: "other code" })).result.versionId,
    ];
    assert.equal(new Set(ids).size, ids.length);
  });

  it("is declared in a preview, too, where the host name is not known yet", async (t) => {
    const { result, all } = await record(
      () => {
        const source = smallSource(t, "m");
        const { defaultHostname } = new AppEngineApplication("app", {
          project: "my-project",
          location: "europe-west3",
          databaseLocation: "europe-west3",
          protect: false,
        });
        return new ReplicatedService("m", { ...full, source, defaultHostname });
      },
      { preview: true },
    );
    assert.equal(result.versionId, (await declared(t)).result.versionId);
    const endpoints = all("Subscription").map(({ inputs }) => inputs["pushConfig"]);
    const oidcToken = { serviceAccountEmail: unknown, audience };
    assert.deepEqual(endpoints, Array(3).fill({ pushEndpoint: unknown, oidcToken }));
  });

  it("gives its children its own name and makes them wait for what it was made to depend on", async (t) => {
    const { resources } = await record(() => {
      const source = smallSource(t, "m");
      const first = new SourceBucket("first", { project: "first-project", location: "x" });
      return new ReplicatedService("m", { ...full, source }, { dependsOn: [first] });
    });
    const children = resources.filter(
      ({ parent }) => parent === "appengine-realtime:app:ReplicatedService::m",
    );
    // Two accounts, ten grants with the agent, two topics, version, three subscriptions, split, ingress.
    assert.equal(children.length, 20);
    for (const { name, dependsOn, deleteBeforeReplace } of children) {
      assert(name.startsWith("m-"), name);
      assert(dependsOn.includes("gcp:storage/bucket:Bucket::first-bucket"), name);
      assert.equal(deleteBeforeReplace, undefined);
    }
  });

  it("can be called by one letter or by 22, which is what its accounts have room for", async (t) => {
    for (const service of ["x", "s".repeat(22)]) {
      const { all } = await declared(t, { service, project: "my-proj" });
      for (const { inputs } of all("Account")) {
        assert.match(String(inputs["accountId"]), /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/);
      }
      for (const { inputs } of [...all("Topic"), ...all("Subscription")]) {
        assert.match(String(inputs["name"]), /^[A-Za-z][A-Za-z0-9-]{2,254}$/);
      }
    }
    assert.deepEqual(await refusal(t, { service: "s".repeat(23) }), [
      `service: "${"s".repeat(23)}" is no service name; 1 to 22 of a-z, 0-9 and "-", from a letter to no "-"`,
    ]);
  });

  it("allows an instance's host label of 63 characters and refuses one of 64", async (t) => {
    // 8 of "199-dot-", 11 of the version, 10 of two more "-dot-", 30 of the project: 4 are left.
    const project = "a".repeat(30);
    const [long, longer] = ["four", "fives"];
    assert.equal(`199-dot-v0000000000-dot-${long}-dot-${project}`.length, 63);
    await declared(t, { project, service: long, instances: 200 });
    assert.deepEqual(await refusal(t, { project, service: longer, instances: 200 }), [
      `service: the host label "199-dot-v0000000000-dot-${longer}-dot-${project}" has 64 characters; at most 63: shorten the service or the project`,
    ]);
    // The last instance of 10 has one digit, that of 11 has two.
    await declared(t, { project, service: "sixsix", instances: 10 });
    assert.equal((await refusal(t, { project, service: "sixsix", instances: 11 })).length, 1);
  });

  it("refuses what cannot be, with every mistake at once and before anything is registered", async (t) => {
    for (const instances of [0, 201, 1.5, NaN]) {
      assert.deepEqual(await refusal(t, { instances }), [
        `instances: ${instances} is not possible; 1 to 200`,
      ]);
    }
    await declared(t, { instances: 1 });
    await declared(t, { instances: 200 });
    assert.deepEqual(await refusal(t, { service: "default" }), [
      'service: "default" also gets what is for an instance that is away, and would confirm it in its place; choose another name',
    ]);
    assert.deepEqual(
      await refusal(t, {
        project: "My_Project",
        service: "google",
        instances: -1,
        env: { PUBSUB_TOPIC: "x", PORT: "1" },
        secrets: { PUSH_ACCOUNT: "s", PUSH_AUDIENCE: "s" },
        vpcConnector: "to-nats",
      }),
      [
        'project: "My_Project" is no project id; 6 to 30 of a-z, 0-9 and "-", from a letter to no "-"',
        'env: "PORT" is set by App Engine; choose another name',
        `service: "google" cannot begin a topic's name: "goog" is Google's own; choose another name`,
        'env: "PUBSUB_TOPIC" is set by the component; choose another name',
        'env: "PUSH_ACCOUNT" is set by the component; choose another name',
        'env: "PUSH_AUDIENCE" is set by the component; choose another name',
        "instances: -1 is not possible; 1 to 200",
        'vpcConnector: "to-nats" is no id of a connector; projects/<project>/locations/<region>/connectors/<name>',
      ],
    );
  });
});

/** The problems that the arguments are refused with, before anything of the service is registered. */
async function refusal(t: TestContext, change: Partial<ReplicatedServiceArgs>): Promise<string[]> {
  const registered: Registered[] = [];
  let message = "";
  await assert.rejects(declared(t, change, {}, registered), (error: Error) => {
    ({ message } = error);
    return true;
  });
  assert.deepEqual(
    registered.filter(({ name }) => name === "m" || /^m-(?!source)/.test(name)).map(key),
    [],
  );
  const [first, ...lines] = message.split("\n");
  assert.equal(first, 'ReplicatedService "m" cannot be declared:');
  return lines.map((line) => line.replace(/^ {2}- /, ""));
}

function without<T extends object>(object: T, name: keyof T): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([each]) => each !== name)) as Partial<T>;
}
