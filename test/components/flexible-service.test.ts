import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { FlexibleService, type FlexibleServiceArgs } from "../../components/flexible-service.ts";
import { versionIdOf } from "../../components/lib/version-id.ts";
import { smallSource } from "../support/app-source.ts";
import { record, refuses } from "../support/pulumi.ts";

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;
const image = `europe-west3-docker.pkg.dev/my-project/services/ws@${digest}`;

const full: FlexibleServiceArgs = {
  project: "my-project",
  service: "ws",
  env: { NATS_URL: "nats://10.0.0.2:4222" },
  secrets: { NATS_SEED_SECRET: "nats-seed-ws" },
  deployment: { image },
  scaling: { minInstances: 2, maxInstances: 6 },
  machine: { cpu: 1, memoryGb: 0.6, diskGb: 10 },
  network: { name: "realtime", subnetwork: "realtime-flexible" },
};

async function declared(change: Partial<FlexibleServiceArgs> = {}, preview = false) {
  return record(() => new FlexibleService("ws", { ...full, ...change }), { preview });
}

async function fromArchive(t: TestContext, preview = false) {
  return record(
    () => new FlexibleService("ws", { ...full, deployment: { source: smallSource(t, "ws") } }),
    { preview },
  );
}

const common = {
  project: "my-project",
  service: "ws",
  envVariables: {
    NATS_URL: "nats://10.0.0.2:4222",
    NATS_SEED_SECRET: "projects/my-project/secrets/nats-seed-ws",
  },
  serviceAccount: "ws-service@my-project.iam.gserviceaccount.com",
  resources: { cpu: 1, memoryGb: 0.6, diskGb: 10 },
  network: { name: "realtime", subnetwork: "realtime-flexible", sessionAffinity: false },
  automaticScaling: {
    minTotalInstances: 2,
    maxTotalInstances: 6,
    coolDownPeriod: "120s",
    cpuUtilization: { targetUtilization: 0.6, aggregationWindowLength: "60s" },
  },
  readinessCheck: {
    path: "/healthz/ready",
    checkInterval: "5s",
    timeout: "4s",
    failureThreshold: 2,
    successThreshold: 2,
    appStartTimeout: "300s",
  },
  livenessCheck: {
    path: "/healthz/live",
    checkInterval: "30s",
    timeout: "4s",
    failureThreshold: 4,
    successThreshold: 2,
    initialDelay: "300s",
  },
  servingStatus: "SERVING",
  noopOnDestroy: false,
  deleteServiceOnDestroy: false,
};

describe("FlexibleService", () => {
  for (const preview of [false, true]) {
    const when = preview ? "in a preview" : "in an up";

    it(`declares a version of an image, ${when}`, async () => {
      const { result, one } = await declared({}, preview);
      assert.deepEqual(one("FlexibleAppVersion").inputs, {
        ...common,
        versionId: result.versionId,
        runtime: "custom",
        deployment: { container: { image } },
      });
    });

    it(`declares a version of an archive on the managed runtime, ${when}`, async (t) => {
      const { result, one } = await fromArchive(t, preview);
      const { deployment } = one("FlexibleAppVersion").inputs;
      assert.deepEqual(one("FlexibleAppVersion").inputs, {
        ...common,
        versionId: result.versionId,
        runtime: "nodejs",
        flexibleRuntimeSettings: { operatingSystem: "ubuntu24", runtimeVersion: "24" },
        entrypoint: { shell: "node main.js" },
        deployment,
      });
      assert.match(
        JSON.stringify(deployment),
        /^\{"zip":\{"sourceUrl":"https:\/\/storage\.googleapis\.com\/my-project-app-sources\/ws\/[0-9a-f]{64}\.zip"\}\}$/,
      );
    });
  }

  it("names the version by every one of its inputs", async () => {
    const { one } = await declared();
    const { versionId, ...definition } = one("FlexibleAppVersion").inputs;
    assert.equal(versionId, versionIdOf(definition));
  });

  it("names the version anew when any argument that defines it changes, and only then", async (t) => {
    const { machine, network } = full;
    const changes: readonly Partial<FlexibleServiceArgs>[] = [
      {},
      { project: "my-projects" },
      { service: "sub" },
      { env: { NATS_URL: "nats://10.0.0.3:4222" } },
      { env: { ...full.env, MORE: "" } },
      { secrets: {} },
      { deployment: { image: image.replace("0123", "4567") } },
      { deployment: { image: image.replace("/ws@", "/other@") } },
      { scaling: { minInstances: 1, maxInstances: 6 } },
      { scaling: { minInstances: 2, maxInstances: 7 } },
      { scaling: { minInstances: 2, maxInstances: 2 } },
      { machine: { ...machine, cpu: 2, memoryGb: 2 } },
      { machine: { ...machine, memoryGb: 2 } },
      { machine: { ...machine, diskGb: 20 } },
      { network: { ...network, name: "other" } },
      { network: { ...network, subnetwork: "other" } },
    ];
    const ids: string[] = [];
    for (const change of changes) ids.push((await declared(change)).result.versionId);
    ids.push((await fromArchive(t)).result.versionId);
    assert.equal(new Set(ids).size, ids.length, ids.join("\n"));
    assert.equal((await declared({ env: { ...full.env } })).result.versionId, ids[0]);
  });

  it("lets the account read further secrets without a change of the version, each once", async () => {
    const readableSecrets = ["ws-token-hmac", "nats-seed-ws", "ws-token-hmac"];
    const { all, one, result } = await declared({ readableSecrets });
    assert.deepEqual(
      all("SecretIamMember").map(({ name }) => name),
      ["ws-secret-nats-seed-ws", "ws-secret-ws-token-hmac"],
    );
    const grant = "gcp:secretmanager/secretIamMember:SecretIamMember::ws-secret-ws-token-hmac";
    assert(one("FlexibleAppVersion").dependsOn.includes(grant), "it waits for what it may read");
    assert.equal(result.versionId, (await declared()).result.versionId);
    await refuses(
      () => new FlexibleService("ws", { ...full, readableSecrets: ["projects/p/secrets/s"] }),
      [
        'FlexibleService "ws" cannot be declared:',
        '  - secrets: "projects/p/secrets/s" is no secret id; 1 to 255 letters, digits, "_" and "-", no path',
      ].join("\n"),
    );
  });

  it("gives the service an account of its own with the rights that it needs and no other", async (t) => {
    const grants = (recording: Awaited<ReturnType<typeof declared>>): unknown[] => {
      const members = new Set(
        recording.resources.flatMap(({ inputs }) =>
          inputs["member"] === undefined ? [] : [inputs["member"]],
        ),
      );
      assert.deepEqual(
        [...members],
        ["serviceAccount:ws-service@my-project.iam.gserviceaccount.com"],
      );
      return recording.resources
        .filter(({ inputs }) => inputs["role"] !== undefined)
        .map(
          ({ inputs }) =>
            `${String(inputs["role"])} ${JSON.stringify(inputs["secretId"] ?? inputs["bucket"] ?? inputs["project"])}`,
        )
        .sort();
    };
    const fromImage = [
      'roles/artifactregistry.reader "my-project"',
      'roles/logging.logWriter "my-project"',
      'roles/monitoring.metricWriter "my-project"',
      'roles/secretmanager.secretAccessor "nats-seed-ws"',
    ];
    assert.deepEqual(grants(await declared()), fromImage);
    assert.deepEqual(grants(await fromArchive(t)), [
      ...fromImage,
      'roles/storage.objectViewer "my-project-app-sources"',
    ]);
  });

  it("starts the version after its account has all its rights and its archive is uploaded", async (t) => {
    const { one, resources } = await fromArchive(t);
    const before = resources
      .filter(({ type }) => /IamMember|IAMMember|Account|BucketObject/.test(type))
      .map(({ type, name }) => `${type}::${name}`);
    assert.equal(before.length, 7);
    assert.deepEqual(one("FlexibleAppVersion").dependsOn, before.sort());
  });

  it("sends all traffic to the version and sets the ingress, after the version exists", async () => {
    const { result, one } = await declared();
    const version = ["gcp:appengine/flexibleAppVersion:FlexibleAppVersion::ws-version"];
    assert.deepEqual(one("EngineSplitTraffic").inputs, {
      project: "my-project",
      service: "ws",
      migrateTraffic: false,
      split: { shardBy: "COOKIE", allocations: { [result.versionId]: "1" } },
    });
    assert.deepEqual(one("EngineSplitTraffic").dependsOn, version);
    assert.deepEqual(one("ServiceNetworkSettings").dependsOn, version);
    assert.deepEqual(one("ServiceNetworkSettings").inputs["networkSettings"], {
      ingressTrafficAllowed: "INGRESS_TRAFFIC_ALLOWED_ALL",
    });
  });

  it("refuses an image that is not pinned by its digest", async () => {
    for (const bad of [
      "europe-west3-docker.pkg.dev/my-project/services/ws",
      "europe-west3-docker.pkg.dev/my-project/services/ws:latest",
      `europe-west3-docker.pkg.dev/my-project/services/ws@${digest.slice(0, -1)}`,
      `europe-west3-docker.pkg.dev/my-project/services/ws@${digest}0`,
      `europe-west3-docker.pkg.dev/my-project/services/ws@${digest.toUpperCase()}`,
      `ws@${digest}`,
      `a/b c@${digest}`,
      "",
    ]) {
      await refuses(
        () => new FlexibleService("ws", { ...full, deployment: { image: bad } }),
        [
          'FlexibleService "ws" cannot be declared:',
          `  - deployment.image: "${bad}" can change its content; <registry>/<name>@sha256:<64 hex digits>`,
        ].join("\n"),
      );
    }
  });

  it("refuses what App Engine would refuse, with every mistake at once", async () => {
    await refuses(
      () =>
        new FlexibleService("ws", {
          ...full,
          service: "w_s",
          env: { GAE_ENV: "x" },
          scaling: { minInstances: 0, maxInstances: -1 },
          machine: { cpu: 3, memoryGb: 2, diskGb: 9 },
          network: {
            name: "projects/my-project/global/networks/realtime",
            subnetwork: "https://www.googleapis.com/x",
          },
        }),
      [
        'FlexibleService "ws" cannot be declared:',
        '  - service: "w_s" is no service name; 1 to 22 of a-z, 0-9 and "-", from a letter to no "-"',
        '  - env: "GAE_ENV" is set by App Engine; choose another name',
        "  - scaling.minInstances: 0 is not possible; 1 to 1000",
        "  - scaling.maxInstances: -1 is not possible; minInstances to 1000",
        "  - machine.cpu: 3 is not possible; 1, or an even number to 96",
        "  - machine.memoryGb: 2 is not possible with 3 processors; 2.6 to 19.1",
        "  - machine.diskGb: 9 is not possible; 10 to 10240",
        '  - network.name: "projects/my-project/global/networks/realtime" is no short name; it is not a path or a link',
        '  - network.subnetwork: "https://www.googleapis.com/x" is no short name; it is not a path or a link',
      ].join("\n"),
    );
    await refuses(
      () =>
        new FlexibleService("ws", { ...full, scaling: { minInstances: 1, maxInstances: 1001 } }),
      'FlexibleService "ws" cannot be declared:\n  - scaling.maxInstances: 1001 is not possible; minInstances to 1000',
    );
  });

  it("allows memory up to both of its limits and no further", async () => {
    const memory = (memoryGb: number) => declared({ machine: { cpu: 2, memoryGb, diskGb: 10 } });
    await memory(1.6);
    await memory(12.6);
    await assert.rejects(memory(1.5), /machine\.memoryGb: 1\.5/);
    await assert.rejects(memory(12.7), /machine\.memoryGb: 12\.7/);
  });
});
