import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { versionIdOf } from "../../components/lib/version-id.ts";
import { SourceBucket } from "../../components/source-bucket.ts";
import { StandardService, type StandardServiceArgs } from "../../components/standard-service.ts";
import { smallSource } from "../support/app-source.ts";
import { record, type Registered } from "../support/pulumi.ts";

const connector = "projects/my-project/locations/europe-west3/connectors/to-nats";

/** Everything that may be given, but the archive. */
const full: Omit<StandardServiceArgs, "source"> = {
  project: "my-project",
  service: "add",
  env: { NATS_URL: "nats://10.0.0.2:4222", LEVEL: "info" },
  secrets: { NATS_SEED_SECRET: "nats-seed-add" },
  scaling: { kind: "automatic", instanceClass: "F1", minInstances: 0, maxInstances: 4 },
  vpcConnector: connector,
};

async function declared(
  t: TestContext,
  change: Partial<StandardServiceArgs> = {},
  options: { readonly preview?: boolean; readonly text?: string } = {},
) {
  return record(
    () =>
      new StandardService("add", {
        ...full,
        source: smallSource(t, "add", options.text ?? "hello"),
        ...change,
      }),
    { preview: options.preview ?? false },
  );
}

describe("StandardService", () => {
  for (const preview of [false, true]) {
    it(`declares the version that it was asked for, ${preview ? "in a preview" : "in an up"}`, async (t) => {
      const { result, one } = await declared(t, {}, { preview });
      const { deployment } = one("StandardAppVersion").inputs;
      assert.match(result.versionId, /^v[0-9a-f]{10}$/);
      assert.deepEqual(one("StandardAppVersion").inputs, {
        project: "my-project",
        service: "add",
        versionId: result.versionId,
        runtime: "nodejs24",
        entrypoint: { shell: "node main.js" },
        deployment,
        envVariables: {
          NATS_URL: "nats://10.0.0.2:4222",
          LEVEL: "info",
          NATS_SEED_SECRET: "projects/my-project/secrets/nats-seed-add",
        },
        serviceAccount: "add-service@my-project.iam.gserviceaccount.com",
        instanceClass: "F1",
        automaticScaling: {
          maxConcurrentRequests: 40,
          minIdleInstances: 0,
          maxIdleInstances: 1,
          minPendingLatency: "0.030s",
          maxPendingLatency: "1s",
          standardSchedulerSettings: {
            minInstances: 0,
            maxInstances: 4,
            targetCpuUtilization: 0.6,
            targetThroughputUtilization: 0.6,
          },
        },
        inboundServices: ["INBOUND_SERVICE_WARMUP"],
        vpcAccessConnector: { name: connector, egressSetting: "PRIVATE_IP_RANGES" },
        noopOnDestroy: true,
        deleteServiceOnDestroy: false,
      });
      assert.match(
        JSON.stringify(deployment),
        /^\{"zip":\{"sourceUrl":"https:\/\/storage\.googleapis\.com\/my-project-app-sources\/add\/[0-9a-f]{64}\.zip"\}\}$/,
      );
    });
  }

  it("has as many instances as it is told to with manual scaling, and sends them no warmup", async (t) => {
    const { one } = await declared(t, {
      scaling: { kind: "manual", instanceClass: "B2", instances: 3 },
    });
    const { inputs } = one("StandardAppVersion");
    assert.equal(inputs["instanceClass"], "B2");
    assert.deepEqual(inputs["manualScaling"], { instances: 3 });
    assert.equal(inputs["automaticScaling"], undefined);
    assert.equal(inputs["inboundServices"], undefined);
  });

  it("keeps no old version of manual scaling, whose instances would go on and cost", async (t) => {
    const scaling = { kind: "manual", instanceClass: "B1", instances: 1 } as const;
    const { one } = await declared(t, { scaling });
    const { inputs } = one("StandardAppVersion");
    assert.equal(inputs["noopOnDestroy"], false);
    assert.equal(inputs["deleteServiceOnDestroy"], false);
    await assert.rejects(declared(t, { scaling, trafficVersion: "v0123456789" }), {
      message: [
        'StandardService "add" cannot be declared:',
        '  - trafficVersion: "v0123456789" was not kept; with manual scaling deploy the earlier commit',
      ].join("\n"),
    });
  });

  it("names the version by every one of its inputs", async (t) => {
    const { one } = await declared(t);
    const { versionId, ...definition } = one("StandardAppVersion").inputs;
    assert.equal(versionId, versionIdOf(definition));
  });

  it("names the version anew when any argument that defines it changes, and only then", async (t) => {
    const changes: readonly Partial<StandardServiceArgs>[] = [
      {},
      { project: "my-projects" },
      { service: "sub" },
      { env: { ...full.env, LEVEL: "debug" } },
      { env: { ...full.env, MORE: "" } },
      { env: {} },
      { secrets: { NATS_SEED_SECRET: "other" } },
      { secrets: {} },
      { vpcConnector: `${connector}2` },
      ...(["F2", "F4"] as const).map((instanceClass) => ({
        scaling: { ...automatic, instanceClass },
      })),
      { scaling: { ...automatic, minInstances: 1 } },
      { scaling: { ...automatic, maxInstances: 5 } },
      { scaling: { kind: "manual", instanceClass: "B1", instances: 1 } },
      { scaling: { kind: "manual", instanceClass: "B1", instances: 2 } },
    ];
    const ids: string[] = [];
    for (const change of changes) ids.push((await declared(t, change)).result.versionId);
    ids.push((await declared(t, {}, { text: "other code" })).result.versionId);
    const bucket = await record(() => {
      const source = smallSource(t, "add");
      const sources = new SourceBucket("other", { project: "other-project", location: "x" });
      return new StandardService("add", {
        ...full,
        source: Object.assign(source, {
          url: source.url.replace("my-project", sources.bucketName),
        }),
      });
    });
    ids.push(bucket.result.versionId);
    assert.equal(new Set(ids).size, ids.length, ids.join("\n"));

    const same: readonly Partial<StandardServiceArgs>[] = [
      { trafficVersion: "v0123456789" },
      { env: Object.fromEntries(Object.entries(full.env ?? {}).reverse()) },
    ];
    for (const change of same) {
      assert.equal((await declared(t, change)).result.versionId, ids[0], JSON.stringify(change));
    }
  });

  it("gives the service an account of its own with the rights that it needs and no other", async (t) => {
    const { all, one, resources } = await declared(t);
    assert.deepEqual(one("Account").inputs, {
      project: "my-project",
      accountId: "add-service",
      displayName: "App Engine service add",
    });
    const member = "serviceAccount:add-service@my-project.iam.gserviceaccount.com";
    assert.deepEqual(
      resources
        .filter(({ type }) => /iam/i.test(type))
        .map(({ type, inputs }) => [type, inputs])
        .sort(),
      [
        [
          "gcp:projects/iAMMember:IAMMember",
          { project: "my-project", role: "roles/artifactregistry.reader", member },
        ],
        [
          "gcp:projects/iAMMember:IAMMember",
          { project: "my-project", role: "roles/logging.logWriter", member },
        ],
        [
          "gcp:secretmanager/secretIamMember:SecretIamMember",
          {
            project: "my-project",
            secretId: "nats-seed-add",
            role: "roles/secretmanager.secretAccessor",
            member,
          },
        ],
        [
          "gcp:storage/bucketIAMMember:BucketIAMMember",
          { bucket: "my-project-app-sources", role: "roles/storage.objectViewer", member },
        ],
      ],
    );
    assert.equal(all("Account").length, 1);
  });

  it("starts the version after its account has all its rights and its archive is uploaded", async (t) => {
    const { one, resources } = await declared(t);
    const before = resources
      .filter(({ type }) => /IamMember|IAMMember|Account|BucketObject/.test(type))
      .map(({ type, name }) => `${type}::${name}`);
    assert.equal(before.length, 6);
    assert.deepEqual(one("StandardAppVersion").dependsOn, before.sort());
  });

  it("sends all traffic to the version, after it exists", async (t) => {
    const { result, one } = await declared(t);
    const traffic = one("EngineSplitTraffic");
    assert.deepEqual(traffic.inputs, {
      project: "my-project",
      service: "add",
      migrateTraffic: false,
      split: { shardBy: "COOKIE", allocations: { [result.versionId]: "1" } },
    });
    assert.deepEqual(traffic.dependsOn, [
      "gcp:appengine/standardAppVersion:StandardAppVersion::add-version",
    ]);
  });

  it("repeats a change of traffic that failed, because it is a replacement", async (t) => {
    const { one } = await declared(t);
    assert.deepEqual(one("EngineSplitTraffic").replaceOnChanges, ["split", "service"]);
    assert.deepEqual(one("ServiceNetworkSettings").replaceOnChanges, ["service"]);
  });

  it("sends all traffic to an earlier version when told to, and deploys its own beside it", async (t) => {
    const { result, one } = await declared(t, { trafficVersion: "v0123456789" });
    assert.notEqual(result.versionId, "v0123456789");
    assert.equal(one("StandardAppVersion").inputs["versionId"], result.versionId);
    assert.deepEqual(one("EngineSplitTraffic").inputs["split"], {
      shardBy: "COOKIE",
      allocations: { v0123456789: "1" },
    });
  });

  it("takes requests from everywhere", async (t) => {
    const { one } = await declared(t);
    const settings = one("ServiceNetworkSettings");
    assert.deepEqual(settings.inputs, {
      project: "my-project",
      service: "add",
      networkSettings: { ingressTrafficAllowed: "INGRESS_TRAFFIC_ALLOWED_ALL" },
    });
    assert.deepEqual(settings.dependsOn, [
      "gcp:appengine/standardAppVersion:StandardAppVersion::add-version",
    ]);
  });

  it("makes every child wait for what the service was made to depend on", async (t) => {
    const { resources } = await record(() => {
      const source = smallSource(t, "add");
      const first = new SourceBucket("first", { project: "first-project", location: "x" });
      return new StandardService("add", { ...full, source }, { dependsOn: [first] });
    });
    const children = resources.filter(
      ({ parent }) => parent === "appengine-realtime:app:StandardService::add",
    );
    assert.equal(children.length, 8);
    for (const { name, dependsOn } of children) {
      assert(dependsOn.includes("gcp:storage/bucket:Bucket::first-bucket"), name);
    }
  });

  it("gives its children its own name and no options that delete the old version first", async (t) => {
    const { resources } = await declared(t);
    const children = resources.filter(
      ({ parent }) => parent === "appengine-realtime:app:StandardService::add",
    );
    for (const { name, deleteBeforeReplace } of children) {
      assert(name.startsWith("add-"), name);
      assert.equal(deleteBeforeReplace, undefined);
    }
  });

  it("refuses what App Engine would refuse, with every mistake at once", async (t) => {
    const registered: Registered[] = [];
    const refused = (change: Partial<StandardServiceArgs>): Promise<unknown> =>
      assert
        .rejects(
          record(
            () => new StandardService("add", { ...full, source: smallSource(t, "add"), ...change }),
            {},
            registered,
          ),
          (error: Error) => {
            message = error.message;
            return true;
          },
          JSON.stringify(change),
        )
        .then(() => message.split("\n").slice(1));
    let message = "";

    assert.deepEqual(
      await refused({
        project: "My_Project",
        service: "ah-Add",
        env: { PORT: "1", "a-b": "2", GAE_X: "3", NATS_SEED_SECRET: "4" },
        secrets: { NATS_SEED_SECRET: "projects/p/secrets/s" },
        scaling: { kind: "automatic", instanceClass: "F1", minInstances: 5, maxInstances: 4 },
        vpcConnector: "to-nats",
        trafficVersion: "latest",
      }),
      [
        '  - project: "My_Project" is no project id; 6 to 30 of a-z, 0-9 and "-", from a letter to no "-"',
        '  - service: "ah-Add" is no service name; 1 to 22 of a-z, 0-9 and "-", from a letter to no "-"',
        '  - service: "ah-Add" has "-dot-" or starts with "ah-"; both are reserved',
        '  - env: "PORT" is set by App Engine; choose another name',
        '  - env: "a-b" is no name of a variable; letters, digits and "_"',
        '  - env: "GAE_X" is set by App Engine; choose another name',
        '  - secrets: "NATS_SEED_SECRET" is in env too; give it once',
        '  - secrets: "projects/p/secrets/s" is no secret id; 1 to 255 letters, digits, "_" and "-", no path',
        "  - scaling.maxInstances: 4 is not possible; 1 to 1000, and no less than minInstances",
        '  - vpcConnector: "to-nats" is no id of a connector; projects/<project>/locations/<region>/connectors/<name>',
        '  - trafficVersion: "latest" is no version of this program; "v" and 10 hex digits',
      ],
    );
    assert.equal(message.split("\n")[0], 'StandardService "add" cannot be declared:');
    assert.deepEqual(
      await refused({ scaling: { kind: "manual", instanceClass: "B1", instances: 0 } }),
      ["  - scaling.instances: 0 is not possible; 1 to 200"],
    );
    assert.deepEqual(
      await refused({
        scaling: { kind: "automatic", instanceClass: "F1", minInstances: -1, maxInstances: NaN },
      }),
      [
        "  - scaling.minInstances: -1 is not possible; 0 to 1000",
        "  - scaling.maxInstances: NaN is not possible; 1 to 1000, and no less than minInstances",
      ],
    );
    assert(!registered.some(({ name }) => name === "add" || name.startsWith("add-version")));
  });

  it("allows a host label of 63 characters and refuses one of 64", async (t) => {
    // 11 of the version, 10 of the two "-dot-", 12 of the service: 30 are left for the project.
    const project = "a".repeat(30);
    await declared(t, { project, service: "twelve-chars" });
    await assert.rejects(declared(t, { project, service: "thirteen-char" }), {
      message: [
        'StandardService "add" cannot be declared:',
        `  - service: the host label "v0000000000-dot-thirteen-char-dot-${project}" has 64 characters; at most 63: shorten the service or the project`,
      ].join("\n"),
    });
  });
});

const automatic = {
  kind: "automatic",
  instanceClass: "F1",
  minInstances: 0,
  maxInstances: 4,
} as const;
