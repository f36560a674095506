import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { Backend, Resource } from "../../../local/provider/backend.ts";
import { createProvider } from "../../../local/provider/provider.ts";
import { projectNumber } from "../../../local/provider/types/numbers.ts";

const place = { project: "p", region: "us-central1", defaultHostname: "localhost:8080" };

/** A cloud that takes notes, and the state of what lives in it. */
class Cloud {
  readonly calls: string[] = [];
  readonly #states = new Map<string, { id: string; outs: unknown }>();
  readonly #provider;

  constructor() {
    const note = (call: string) => (resource: Resource) => {
      this.calls.push(`${call} ${resource.id}`);
      return Promise.resolve();
    };
    const backend: Backend = {
      create: note("create"),
      update: note("update"),
      delete: note("delete"),
    };
    this.#provider = createProvider(place, backend);
  }

  async create(type: string, name: string, inputs: Record<string, unknown>): Promise<string> {
    const urn = `urn:pulumi:test::test::gcp:${type}::${name}`;
    const result = await this.#provider.create?.(urn, inputs);
    assert.ok(result);
    this.#states.set(urn, { id: result.id, outs: result.outs });
    return result.id;
  }

  async update(type: string, name: string, inputs: Record<string, unknown>): Promise<void> {
    const urn = `urn:pulumi:test::test::gcp:${type}::${name}`;
    const state = this.#states.get(urn);
    assert.ok(state);
    const result = await this.#provider.update?.(state.id, urn, state.outs, inputs);
    this.#states.set(urn, { id: state.id, outs: result?.outs });
  }

  async delete(type: string, name: string): Promise<void> {
    const urn = `urn:pulumi:test::test::gcp:${type}::${name}`;
    const state = this.#states.get(urn);
    assert.ok(state);
    await this.#provider.delete?.(state.id, urn, state.outs);
  }
}

const account = "serviceaccount/account:Account";
const app = "appengine/application:Application";
const bucket = "storage/bucket:Bucket";
const connector = "vpcaccess/connector:Connector";
const database = "firestore/database:Database";
const dispatch = "appengine/applicationUrlDispatchRules:ApplicationUrlDispatchRules";
const network = "compute/network:Network";
const object = "storage/bucketObject:BucketObject";
const projectMember = "projects/iAMMember:IAMMember";
const secret = "secretmanager/secret:Secret";
const secretMember = "secretmanager/secretIamMember:SecretIamMember";
const split = "appengine/engineSplitTraffic:EngineSplitTraffic";
const standard = "appengine/standardAppVersion:StandardAppVersion";
const subnetwork = "compute/subnetwork:Subnetwork";
const subscription = "pubsub/subscription:Subscription";
const topic = "pubsub/topic:Topic";

const version = (service: string, versionId: string, more = {}): Record<string, unknown> => ({
  ...{ service, versionId, runtime: "nodejs24", entrypoint: { shell: "node main.js" } },
  ...more,
});
const traffic = (service: string, versionId: string): Record<string, unknown> => ({
  ...{ service, migrateTraffic: false, split: { allocations: { [versionId]: "1" } } },
});

describe("the local cloud, asked for a resource,", () => {
  let cloud: Cloud;
  beforeEach(() => {
    cloud = new Cloud();
  });
  async function withDefault(): Promise<void> {
    await cloud.create(app, "app", { locationId: "us-central" });
    await cloud.create(standard, "web", version("default", "w1"));
  }

  it("refuses what exists already, and hands a resource on only when it passed", async () => {
    await cloud.create(topic, "one", { name: "numbers" });
    await assert.rejects(
      cloud.create(topic, "two", { name: "numbers" }),
      /Error 409: projects\/p\/topics\/numbers already exists/,
    );
    assert.deepEqual(cloud.calls, ["create projects/p/topics/numbers"]);
  });

  it("wants an application and a version of default before all others", async () => {
    await assert.rejects(
      cloud.create(standard, "add", version("add", "v1")),
      /does not contain an App Engine application/,
    );
    await cloud.create(app, "app", { locationId: "us-central" });
    await assert.rejects(
      cloud.create(standard, "add", version("add", "v1")),
      /The first service \(module\) you upload to a new application must be the 'default' service/,
    );
    await cloud.create(standard, "web", version("default", "w1"));
    await cloud.create(standard, "add", version("add", "v1"));
  });

  it("wants what a version names: account, connector, object", async () => {
    await withDefault();
    const email = "runner@p.iam.gserviceaccount.com";
    const connectorName = "projects/p/locations/us-central1/connectors/c";
    const sourceUrl = "https://storage.googleapis.com/b/add/1.zip";
    const wanted = version("add", "v1", {
      serviceAccount: email,
      vpcAccessConnector: { name: connectorName },
      deployment: { zip: { sourceUrl } },
    });
    await assert.rejects(
      cloud.create(standard, "add", wanted),
      /serviceAccount: .* does not exist/,
    );
    await cloud.create(account, "runner", { accountId: "runner" });
    await assert.rejects(cloud.create(standard, "add", wanted), /VPC connector .* does not exist/);
    await cloud.create(connector, "c", { name: "c" });
    await assert.rejects(
      cloud.create(standard, "add", wanted),
      /sourceUrl: object add\/1\.zip in bucket b does not exist/,
    );
    await cloud.create(bucket, "b", { name: "b" });
    await cloud.create(object, "o", { name: "add/1.zip", bucket: "b" });
    await cloud.create(standard, "add", wanted);
  });

  it("refuses traffic and rules for what does not exist", async () => {
    await withDefault();
    await assert.rejects(
      cloud.create(split, "split", traffic("add", "v1")),
      /service: service "add" does not exist/,
    );
    await assert.rejects(
      cloud.create(split, "split", traffic("default", "w2")),
      /split\.allocations: version "w2" of service "default" does not exist/,
    );
    await assert.rejects(
      cloud.create(dispatch, "rules", { dispatchRules: [{ path: "/a", service: "add" }] }),
      /dispatchRules\[0\]\.service: service "add" does not exist/,
    );
  });

  it("deletes no version that has traffic, nor the last of a service", async () => {
    await withDefault();
    await assert.rejects(
      cloud.delete(standard, "web"),
      /Cannot delete a version with a non-zero traffic allocation/,
    );
    await cloud.create(standard, "v1", version("add", "v1"));
    await cloud.create(standard, "v2", version("add", "v2"));
    await assert.rejects(cloud.delete(standard, "v1"), /non-zero traffic/, "the first one has all");
    await cloud.create(split, "split", traffic("add", "v1"));
    await cloud.update(split, "split", traffic("add", "v2"));
    await cloud.delete(standard, "v1");
    assert.equal(cloud.calls.at(-1), "delete apps/p/services/add/versions/v1");
    await cloud.delete(split, "split");
    await assert.rejects(cloud.delete(standard, "v2"), /non-zero traffic/, "traffic stays");
  });

  it("keeps a version with noopOnDestroy, and deploys it again under its id", async () => {
    await withDefault();
    await cloud.create(standard, "v1", version("add", "v1", { noopOnDestroy: true }));
    await cloud.delete(standard, "v1");
    assert.ok(!cloud.calls.some((call) => call.startsWith("delete")));
    await cloud.create(split, "split", traffic("add", "v1"));
    await cloud.create(standard, "again", version("add", "v1"));
    assert.equal(cloud.calls.at(-1), "update apps/p/services/add/versions/v1");
  });

  it("deletes a whole service with deleteServiceOnDestroy, but never the default one", async () => {
    await withDefault();
    await cloud.create(standard, "v1", version("add", "v1", { deleteServiceOnDestroy: true }));
    await cloud.create(standard, "v2", version("add", "v2"));
    await cloud.create(split, "split", traffic("add", "v2"));
    await cloud.delete(standard, "v1");
    assert.deepEqual(cloud.calls.slice(-3), [
      "delete apps/p/services/add/versions/v2",
      "delete apps/p/services/add",
      "delete apps/p/services/add/versions/v1",
    ]);
    await cloud.update(standard, "web", version("default", "w1", { deleteServiceOnDestroy: true }));
    await assert.rejects(cloud.delete(standard, "web"), /default service .* may not be deleted/);
  });

  it("refuses to change a version's service in place", async () => {
    await withDefault();
    await assert.rejects(
      cloud.update(standard, "web", version("other", "w1")),
      /leave apps\/p\/services\/default\/versions\/w1 behind unmanaged/,
    );
  });

  it("does not deploy a version again for its deletionPolicy alone", async () => {
    await withDefault();
    const before = cloud.calls.length;
    await cloud.update(standard, "web", version("default", "w1", { deletionPolicy: "ABANDON" }));
    assert.equal(cloud.calls.length, before);
    await cloud.update(standard, "web", version("default", "w1", { noopOnDestroy: true }));
    assert.equal(cloud.calls.at(-1), "update apps/p/services/default/versions/w1");
  });

  it("wants the topic of a subscription and the secret of a grant", async () => {
    await assert.rejects(
      cloud.create(subscription, "s", { name: "reader", topic: "projects/p/topics/numbers" }),
      /topic: Resource not found \(resource=projects\/p\/topics\/numbers\)/,
    );
    await cloud.create(topic, "t", { name: "numbers" });
    const reader = { name: "reader", topic: "projects/p/topics/numbers" };
    const deadLetterPolicy = { deadLetterTopic: "projects/p/topics/dead" };
    await assert.rejects(
      cloud.create(subscription, "s", { ...reader, deadLetterPolicy }),
      /deadLetterPolicy\.deadLetterTopic: Resource not found \(resource=projects\/p\/topics\/dead\)/,
    );
    const serviceAccountEmail = "push@p.iam.gserviceaccount.com";
    const pushConfig = { pushEndpoint: "https://m.example", oidcToken: { serviceAccountEmail } };
    await assert.rejects(
      cloud.create(subscription, "s", { ...reader, pushConfig }),
      /pushConfig\.oidcToken\.serviceAccountEmail: service account push@.* does not exist/,
    );
    await cloud.create(subscription, "s", reader);
    // The cloud lets a topic go whose subscriptions are there.
    await cloud.delete(topic, "t");
    assert.equal(cloud.calls.at(-1), "delete projects/p/topics/numbers");
    const role = "roles/secretmanager.secretAccessor";
    const grant = { secretId: "nats-seed-add", role, member: "user:a@example.com" };
    await assert.rejects(
      cloud.create(secretMember, "m", grant),
      /secretId: Secret \[nats-seed-add\] not found/,
    );
    await cloud.create(secret, "s", { secretId: "nats-seed-add", replication: { auto: {} } });
    const nobody = { ...grant, member: "serviceAccount:nobody@p.iam.gserviceaccount.com" };
    await assert.rejects(cloud.create(secretMember, "m", nobody), /nobody@.* does not exist/);
    await cloud.create(secretMember, "m", grant);
  });

  it("wants what a grant and a trigger name: a custom role, an account, a pool", async () => {
    const member = "serviceAccount:deployer@p.iam.gserviceaccount.com";
    await cloud.create(account, "deployer", { accountId: "deployer" });
    const own = { project: "p", role: "projects/p/roles/stackReader", member };
    await assert.rejects(
      cloud.create(projectMember, "reads", own),
      /role: The role named projects\/p\/roles\/stackReader was not found/,
    );
    await cloud.create("projects/iAMCustomRole:IAMCustomRole", "reader", {
      ...{ roleId: "stackReader", title: "Reads", permissions: ["iam.roles.get"] },
    });
    await cloud.create(projectMember, "reads", own);
    // A role of another project, or a predefined one, is not ours to judge.
    await cloud.create(projectMember, "other", { ...own, role: "projects/q/roles/other" });

    const pool = `projects/${projectNumber("p")}/locations/global/workloadIdentityPools/github`;
    const door = {
      serviceAccountId: "projects/p/serviceAccounts/deployer@p.iam.gserviceaccount.com",
      role: "roles/iam.workloadIdentityUser",
      member: `principalSet://iam.googleapis.com/${pool}/attribute.deploys/dev`,
    };
    const accountMember = "serviceaccount/iAMMember:IAMMember";
    await assert.rejects(
      cloud.create(accountMember, "door", door),
      /member: identity pool .*github does not exist/,
    );
    await cloud.create("iam/workloadIdentityPool:WorkloadIdentityPool", "pool", {
      workloadIdentityPoolId: "github",
    });
    await cloud.create(accountMember, "door", door);

    const trigger = {
      name: "deploy-dev",
      filename: "cloudbuild.yaml",
      github: { push: { branch: "^main$" } },
      serviceAccount: "projects/p/serviceAccounts/nobody@p.iam.gserviceaccount.com",
    };
    const triggerType = "cloudbuild/trigger:Trigger";
    await assert.rejects(
      cloud.create(triggerType, "deploy", trigger),
      /serviceAccount: service account nobody@.* does not exist/,
    );
    await cloud.create(triggerType, "deploy", {
      ...trigger,
      serviceAccount: trigger.serviceAccount.replace("nobody", "deployer"),
    });
  });

  it("has the bucket of the state before any program runs, and no other", async () => {
    const grant = { role: "roles/storage.objectUser", member: "user:a@example.com" };
    const member = "storage/bucketIAMMember:BucketIAMMember";
    await cloud.create(member, "state", { ...grant, bucket: "p-pulumi-state" });
    await assert.rejects(
      cloud.create(member, "other", { ...grant, bucket: "q-pulumi-state" }),
      /The specified bucket does not exist: q-pulumi-state/,
    );
  });

  it("refuses ranges that overlap in one network, and addresses outside of theirs", async () => {
    await cloud.create(network, "n", { name: "n" });
    await cloud.create(subnetwork, "s", { name: "s", network: "n", ipCidrRange: "10.0.0.0/24" });
    await assert.rejects(
      cloud.create(connector, "c", { name: "c", network: "n", ipCidrRange: "10.0.0.16/28" }),
      /ipCidrRange: 10\.0\.0\.16\/28 conflicts with 10\.0\.0\.0\/24/,
    );
    await assert.rejects(
      cloud.create("compute/address:Address", "a", {
        ...{ name: "a", subnetwork: "s", address: "10.0.1.2" },
      }),
      /address: 10\.0\.1\.2 is not in the range 10\.0\.0\.0\/24/,
    );
  });

  it("deletes no network, subnetwork, disk or bucket that is in use", async () => {
    await cloud.create(network, "n", { name: "n" });
    await cloud.create(subnetwork, "s", { name: "s", network: "n", ipCidrRange: "10.0.0.0/24" });
    await assert.rejects(
      cloud.delete(network, "n"),
      /The network resource 'projects\/p\/global\/networks\/n' is already being used by .*\/s'/,
    );
    await cloud.create("compute/disk:Disk", "d", { name: "d", zone: "us-central1-a" });
    await cloud.create("compute/instance:Instance", "i", {
      ...{ name: "i", zone: "us-central1-a", attachedDisks: [{ source: "d" }] },
      networkInterfaces: [{ subnetwork: "s" }],
    });
    await assert.rejects(
      cloud.delete(subnetwork, "s"),
      /is already being used by .*\/instances\/i/,
    );
    await assert.rejects(cloud.delete("compute/disk:Disk", "d"), /is already being used by/);
    await cloud.create(bucket, "b", { name: "b" });
    await cloud.create(object, "o", { name: "x", bucket: "b", content: "x" });
    await assert.rejects(cloud.delete(bucket, "b"), /bucket you tried to delete is not empty/);
  });

  it("honours deletionPolicy, deletion protection, and what no request can delete", async () => {
    await cloud.create(topic, "kept", { name: "kept", deletionPolicy: "PREVENT" });
    await assert.rejects(cloud.delete(topic, "kept"), /deletionPolicy is PREVENT/);
    await cloud.create(secret, "s", { secretId: "s", deletionProtection: true });
    await assert.rejects(cloud.delete(secret, "s"), /deletionProtection=false/);
    await cloud.create(app, "app", { locationId: "us-central" });
    await cloud.create(database, "db", { name: "(default)", locationId: "nam5" });
    const before = cloud.calls.length;
    await cloud.delete(app, "app");
    await cloud.delete(database, "db");
    assert.equal(cloud.calls.length, before, "neither sends a request");
  });

  it("says what to do about a resource that it has forgotten", async () => {
    const forgetful = createProvider(place, {
      create: () => Promise.resolve(),
      update: () => Promise.resolve(),
      delete: () => Promise.reject(new Error("must not be called")),
    });
    const urn = `urn:pulumi:test::test::gcp:${topic}::t`;
    const inputs = { name: "numbers" };
    await assert.rejects(
      forgetful.update?.("projects/p/topics/numbers", urn, inputs, inputs) ?? Promise.resolve(),
      /not in the local cloud, which forgets everything when it stops; run pulumi refresh/,
    );
    assert.deepEqual(await forgetful.read?.("projects/p/topics/numbers", urn, {}), {
      ...{ id: "", props: {} },
    });
    await forgetful.delete?.("projects/p/topics/numbers", urn, inputs);
  });
});
