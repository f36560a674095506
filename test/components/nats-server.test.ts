import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createUser } from "nkeys.js";
import { parse } from "yaml";
import { natsConfigPath } from "../../components/lib/nats-cloud-init.ts";
import { natsConfig } from "../../components/lib/nats-config.ts";
import { NatsServer, type NatsServerArgs } from "../../components/nats-server.ts";
import { record, refuses } from "../support/pulumi.ts";

const clients = {
  add: { publicKey: createUser().getPublicKey(), publish: ["t.add"], subscribe: [] },
  ws: { publicKey: createUser().getPublicKey(), publish: ["t.>"], subscribe: ["t.>"] },
};
const one: NatsServerArgs = {
  project: "my-project",
  region: "us-central1",
  version: "2.15.1",
  zones: ["us-central1-a"],
  machineType: "e2-small",
  diskGb: 10,
  memoryMb: 256,
  network: {
    id: "network-id",
    subnetId: "subnet-id",
    range: "10.8.0.0/28",
    clientRanges: ["10.8.1.0/28", "10.8.4.0/22"],
  },
  clients,
  protect: false,
};
const three: NatsServerArgs = {
  ...one,
  zones: ["us-central1-a", "us-central1-b", "us-central1-c"],
};
const labels = { app: "appengine-realtime", stack: "test", component: "nats" };
const declared = (args: NatsServerArgs, preview = false) =>
  record(() => new NatsServer("nats", args), { preview });
const email = "nats-server@my-project.iam.gserviceaccount.com";

function configOf(inputs: Readonly<Record<string, unknown>>): string | undefined {
  const metadata = inputs["metadata"] as Record<string, string>;
  const { write_files } = parse(metadata["user-data"] ?? "") as {
    write_files: { path: string; content: string }[];
  };
  return write_files.find(({ path }) => path === natsConfigPath)?.content;
}

describe("NatsServer", () => {
  it("declares a machine of Container-Optimized OS without any external address", async () => {
    const { inputs } = (await declared(one)).one("Instance");
    const { metadata, ...rest } = inputs;
    assert.deepEqual(rest, {
      project: "my-project",
      zone: "us-central1-a",
      name: "nats-0",
      machineType: "e2-small",
      allowStoppingForUpdate: true,
      labels,
      deletionProtection: false,
      bootDisk: {
        autoDelete: true,
        initializeParams: {
          image: "projects/cos-cloud/global/images/family/cos-stable",
          size: 10,
          type: "pd-balanced",
        },
      },
      attachedDisks: [{ source: "nats-0-data-id", deviceName: "nats-data", mode: "READ_WRITE" }],
      networkInterfaces: [{ subnetwork: "subnet-id", networkIp: "10.8.0.2" }],
      serviceAccount: { email, scopes: ["cloud-platform"] },
      shieldedInstanceConfig: {
        enableSecureBoot: true,
        enableVtpm: true,
        enableIntegrityMonitoring: true,
      },
      scheduling: { automaticRestart: true, onHostMaintenance: "MIGRATE" },
    });
    assert.deepEqual(metadata, {
      "user-data": (metadata as Record<string, string>)["user-data"],
      "enable-oslogin": "TRUE",
      "block-project-ssh-keys": "TRUE",
      "google-logging-enabled": "true",
      "google-monitoring-enabled": "true",
    });
  });

  it("gives each node its configuration, with a cluster only where there are three", async () => {
    const lone = (await declared(one)).one("Instance");
    assert.equal(
      configOf(lone.inputs),
      natsConfig({
        serverName: "nats-0",
        zone: "us-central1-a",
        clients,
        storageMb: 8704,
        memoryMb: 256,
      }),
    );
    const nodes = (await declared(three)).all("Instance");
    assert.deepEqual(
      nodes.map(({ inputs }) => configOf(inputs)),
      ["a", "b", "c"].map((zone, index) =>
        natsConfig({
          serverName: `nats-${index}`,
          zone: `us-central1-${zone}`,
          clients,
          storageMb: 8704,
          memoryMb: 256,
          cluster: { name: "nats", addresses: ["10.8.0.2", "10.8.0.3", "10.8.0.4"] },
        }),
      ),
    );
  });

  it("reserves the addresses that services are told, and tells them in a preview too", async () => {
    const { result, all } = await declared(three, true);
    assert.equal(result.url, "nats://10.8.0.2:4222,nats://10.8.0.3:4222,nats://10.8.0.4:4222");
    assert.deepEqual(
      all("Address").map(({ inputs }) => [inputs["address"], inputs["addressType"]]),
      result.addresses.map((address) => [address, "INTERNAL"]),
    );
    assert.deepEqual(
      all("Instance").map(({ inputs }) => inputs["networkInterfaces"]),
      result.addresses.map((networkIp) => [{ subnetwork: "subnet-id", networkIp }]),
    );
  });

  it("keeps JetStream on a disk of its own, which is protected where the environment says so", async () => {
    for (const protect of [true, false]) {
      const disk = (await declared({ ...one, protect })).one("Disk");
      assert.equal(disk.protect, protect);
      assert.deepEqual(disk.inputs, {
        project: "my-project",
        zone: "us-central1-a",
        name: "nats-0-data",
        type: "pd-balanced",
        size: 10,
        labels,
      });
    }
  });

  it("makes a changed configuration a new machine, which takes over address and disk", async () => {
    const { one: get } = await declared({ ...one, protect: true });
    const machine = get("Instance");
    assert.deepEqual(machine.replaceOnChanges, ["metadata"]);
    assert.equal(machine.deleteBeforeReplace, true);
    assert.notEqual(machine.protect, true);
  });

  it("changes one node after the other", async () => {
    const nodes = (await declared(three)).all("Instance");
    const before = nodes.map(({ dependsOn }) =>
      dependsOn.filter((other) => other.startsWith("gcp:compute/instance:Instance::")),
    );
    assert.deepEqual(before, [
      [],
      ["gcp:compute/instance:Instance::nats-0"],
      ["gcp:compute/instance:Instance::nats-1"],
    ]);
  });

  it("pulls the image through a repository of Docker Hub that its account may read", async () => {
    const digest = `sha256:${"a".repeat(64)}`;
    const { one: get } = await declared({ ...one, imageDigest: digest });
    const repository = get("Repository");
    assert.deepEqual(repository.inputs, {
      project: "my-project",
      location: "us-central1",
      repositoryId: "nats-images",
      format: "DOCKER",
      mode: "REMOTE_REPOSITORY",
      labels,
      remoteRepositoryConfig: { dockerRepository: { publicRepository: "DOCKER_HUB" } },
    });
    assert.equal(repository.deleteBeforeReplace, true);
    assert.deepEqual(get("RepositoryIamMember").inputs, {
      project: "my-project",
      location: "us-central1",
      repository: "nats-images",
      role: "roles/artifactregistry.reader",
      member: `serviceAccount:${email}`,
    });
    const metadata = get("Instance").inputs["metadata"] as Record<string, string>;
    assert(
      metadata["user-data"]?.includes(
        ` us-central1-docker.pkg.dev/my-project/nats-images/library/nats:2.15.1@${digest} --config`,
      ),
    );
  });

  it("opens 4222 to the given ranges and nothing to anybody else", async () => {
    const { all } = await declared(one);
    assert.deepEqual(
      all("Firewall").map(({ inputs }) => inputs),
      [
        {
          project: "my-project",
          name: "nats-clients",
          network: "network-id",
          direction: "INGRESS",
          allows: [{ protocol: "tcp", ports: ["4222"] }],
          sourceRanges: ["10.8.1.0/28", "10.8.4.0/22"],
          targetServiceAccounts: [email],
        },
      ],
    );
  });

  it("opens 6222 between the nodes of a cluster, and to the nodes alone", async () => {
    const { one: get, all } = await declared(three);
    assert.equal(all("Firewall").length, 2);
    assert.deepEqual(get("Firewall", "nats-routes").inputs, {
      project: "my-project",
      name: "nats-routes",
      network: "network-id",
      direction: "INGRESS",
      allows: [{ protocol: "tcp", ports: ["6222"] }],
      sourceServiceAccounts: [email],
      targetServiceAccounts: [email],
    });
  });

  it("gives the machines' account the right to write logs and metrics, before they start", async () => {
    const { all, one: get } = await declared(one);
    assert.deepEqual(
      all("IAMMember").map(({ inputs }) => inputs),
      ["roles/logging.logWriter", "roles/monitoring.metricWriter"].map((role) => ({
        project: "my-project",
        role,
        member: `serviceAccount:${email}`,
      })),
    );
    const { dependsOn } = get("Instance");
    for (const needed of [...all("IAMMember"), ...all("RepositoryIamMember"), ...all("Firewall")]) {
      assert(dependsOn.includes(`${needed.type}::${needed.name}`), needed.name);
    }
  });

  it("declares a secret for each client and puts nothing into it", async () => {
    const { all, resources, result } = await declared({ ...one, protect: true });
    assert.deepEqual(
      all("Secret").map(({ inputs, protect }) => ({ ...inputs, protect })),
      ["add", "ws"].map((service) => ({
        project: "my-project",
        secretId: `nats-seed-${service}`,
        replication: { auto: {} },
        labels,
        deletionProtection: true,
        protect: true,
      })),
    );
    assert.deepEqual(
      resources.filter(({ type }) => type.includes("secretVersion")),
      [],
    );
    assert.equal(result.seedSecretId("add"), "nats-seed-add");
    assert.throws(
      () => result.seedSecretId("web"),
      new Error('NatsServer "nats" has no client "web"; it has add, ws'),
    );
  });

  it("hands what it depends on to every resource in it", async () => {
    const { ProjectServices } = await import("../../components/project-services.ts");
    const { resources } = await record(() => {
      const before = new ProjectServices("apis", { project: "my-project" });
      return new NatsServer("nats", one, { dependsOn: [before] });
    });
    const own = resources.filter(({ name, custom }) => custom && name.startsWith("nats"));
    assert(own.length > 8);
    for (const { name, dependsOn } of own) {
      assert(dependsOn.includes("gcp:projects/service:Service::apis-compute"), name);
    }
  });

  it("refuses wrong arguments with all that is wrong, before anything is declared", async () => {
    const seed = new TextDecoder().decode(createUser().getSeed());
    await refuses(
      () =>
        new NatsServer("NATS", {
          ...one,
          version: "2.15",
          imageDigest: "sha256:A",
          zones: ["us-central1-a", "us-east1-b"],
          machineType: "small",
          diskGb: 9,
          memoryMb: 15,
          network: { ...one.network, range: "10.8.0.0/30" },
          clients: { add: { ...clients.add, publicKey: seed } },
        }),
      [
        'NatsServer "NATS" cannot be declared:',
        '  - name: "NATS"; allowed: a letter, then at most 20 lower-case letters, digits and hyphens',
        '  - version: "2.15"; allowed: three numbers, e.g. "2.15.1"',
        '  - imageDigest: "sha256:A"; allowed: "sha256:" and 64 hexadecimal digits in lower case',
        "  - zones: 2 zones; allowed: 1, or 3 for a cluster",
        '  - zones: "us-east1-b" is not in the region; allowed: "us-central1-a" and the like',
        '  - machineType: "small"; allowed: e.g. "e2-small"',
        "  - diskGb: 9; allowed: 10 to 65536",
        "  - memoryMb: 15; allowed: 16 or more, and less than the machine has",
        '  - clients.add.publicKey: "S…(a seed, which is secret: replace the pair)"; allowed: a user\'s public NKey (U and 55 more characters)',
        '  - network.range: "10.8.0.0/30"; allowed: an IPv4 range of a /29 or more',
      ].join("\n"),
    );
    await refuses(
      () =>
        new NatsServer("nats", {
          ...three,
          zones: ["us-central1-a", "us-central1-b", "us-central1-b"],
          clients: { add: clients.add, ws: clients.add },
        }),
      [
        'NatsServer "nats" cannot be declared:',
        "  - zones: us-central1-a, us-central1-b, us-central1-b; allowed: each zone once",
        "  - clients.ws.publicKey: the same as add's; allowed: one key for each",
      ].join("\n"),
    );
  });
});
