import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { recordOnly } from "../../../local/provider/backend.ts";
import { createProvider } from "../../../local/provider/provider.ts";
import { unknownValue } from "../../../local/wire/values.ts";

/** What a change of one property does: nothing, an update, or a replacement in one of two orders. */
type Effect = "same" | "update" | "after" | "first";

interface Case {
  readonly type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** `property` → its new value and the effect; an undefined value takes it out of the program. */
  readonly changes: readonly (readonly [property: string, value: unknown, effect: Effect])[];
}

const link = "projects/p/global/networks/other";

const version = {
  service: "add",
  versionId: "v1",
  runtime: "nodejs24",
  deployment: { zip: { sourceUrl: "https://storage.googleapis.com/b/add/1.zip" } },
  entrypoint: { shell: "node main.js" },
  envVariables: { A: "1" },
  automaticScaling: { maxConcurrentRequests: 10 },
  noopOnDestroy: true,
  deletionPolicy: "DELETE",
};
const versionChanges = [
  ["versionId", "v2", "after"],
  ["project", "other", "after"],
  ["service", "other", "update"],
  ["runtime", "nodejs22", "update"],
  ["deployment", { zip: { sourceUrl: "https://storage.googleapis.com/b/2.zip" } }, "update"],
  ["entrypoint", { shell: "node other.js" }, "update"],
  ["envVariables", { A: "2" }, "update"],
  ["instanceClass", "F2", "update"],
  ["automaticScaling", { maxConcurrentRequests: 20 }, "update"],
  ["automaticScaling", undefined, "same"],
  ["manualScaling", { instances: 3 }, "update"],
  ["serviceAccount", "a@p.iam.gserviceaccount.com", "update"],
  ["vpcAccessConnector", { name: "projects/p/locations/l/connectors/c" }, "update"],
  ["handlers", [{ urlRegex: ".*" }], "update"],
  ["noopOnDestroy", false, "update"],
  ["deleteServiceOnDestroy", true, "update"],
] as const;

const grant = { role: "roles/viewer", member: "user:a@example.com" };

/** The measured behaviour of the real provider, type by type. */
const cases: readonly Case[] = [
  {
    type: "gcp:appengine/application:Application",
    inputs: { locationId: "us-central", authDomain: "gmail.com", servingStatus: "SERVING" },
    changes: [
      ["authDomain", "example.com", "update"],
      ["servingStatus", "USER_DISABLED", "update"],
      ["databaseType", "CLOUD_FIRESTORE", "update"],
      ["featureSettings", { splitHealthChecks: true }, "update"],
    ],
  },
  {
    type: "gcp:firestore/database:Database",
    inputs: { name: "(default)", locationId: "nam5", type: "DATASTORE_MODE" },
    changes: [
      ["name", "other", "first"],
      ["locationId", "eur3", "first"],
      ["type", "FIRESTORE_NATIVE", "update"],
      ["concurrencyMode", "OPTIMISTIC", "update"],
      ["appEngineIntegrationMode", "DISABLED", "update"],
      ["deleteProtectionState", "DELETE_PROTECTION_ENABLED", "update"],
      ["deletionPolicy", "DELETE", "update"],
      ["pointInTimeRecoveryEnablement", "POINT_IN_TIME_RECOVERY_ENABLED", "update"],
    ],
  },
  {
    type: "gcp:compute/network:Network",
    inputs: { name: "made-1234567", __defaults: ["name"], autoCreateSubnetworks: false },
    changes: [
      ["description", "other", "after"],
      ["autoCreateSubnetworks", true, "after"],
      ["mtu", 1500, "update"],
      ["routingMode", "GLOBAL", "update"],
    ],
  },
  {
    type: "gcp:compute/network:Network",
    inputs: { name: "given" },
    changes: [
      ["name", "other", "first"],
      ["description", "other", "first"],
    ],
  },
  {
    type: "gcp:compute/subnetwork:Subnetwork",
    inputs: {
      name: "made-1234567",
      __defaults: ["name"],
      network: "projects/p/global/networks/n",
      ipCidrRange: "10.0.0.0/24",
    },
    changes: [
      ["description", "other", "after"],
      ["network", link, "after"],
      ["privateIpGoogleAccess", true, "update"],
      ["ipCidrRange", "10.0.0.0/23", "update"],
      ["ipCidrRange", "10.0.0.0/25", "after"],
    ],
  },
  {
    type: "gcp:compute/subnetwork:Subnetwork",
    inputs: { name: "given", network: "projects/p/global/networks/n", ipCidrRange: "10.0.0.0/24" },
    changes: [["name", "other", "first"]],
  },
  {
    type: "gcp:vpcaccess/connector:Connector",
    inputs: {
      name: "given",
      region: "us-central1",
      network: "n",
      ipCidrRange: "10.8.0.0/28",
      minInstances: 3,
      maxInstances: 5,
      machineType: "e2-micro",
    },
    changes: [
      ["name", "other", "first"],
      ["region", "us-east1", "first"],
      ["network", "other", "first"],
      ["ipCidrRange", "10.9.0.0/28", "first"],
      ["minInstances", 2, "first"],
      ["maxInstances", 4, "first"],
      ["machineType", "e2-standard-4", "update"],
      ["minInstances", 4, "update"],
      ["maxInstances", 6, "update"],
      ["maxInstances", undefined, "same"],
    ],
  },
  {
    type: "gcp:compute/firewall:Firewall",
    inputs: { name: "made-1234567", __defaults: ["name"], network: "n", direction: "INGRESS" },
    changes: [
      ["direction", "EGRESS", "after"],
      ["network", "other", "update"],
      ["sourceRanges", ["10.0.0.0/8"], "update"],
      ["allows", [{ protocol: "tcp", ports: ["4222"] }], "update"],
      ["priority", 900, "update"],
      ["targetTags", ["nats"], "update"],
      ["description", "other", "update"],
      ["logConfig", { metadata: "INCLUDE_ALL_METADATA" }, "update"],
    ],
  },
  {
    type: "gcp:compute/firewall:Firewall",
    inputs: { name: "given", network: "n" },
    changes: [["name", "other", "first"]],
  },
  {
    type: "gcp:compute/address:Address",
    inputs: { name: "made-1234567", __defaults: ["name"], address: "10.0.0.2", subnetwork: "s" },
    changes: [
      ["description", "other", "after"],
      ["address", "10.0.0.3", "after"],
      ["purpose", "GCE_ENDPOINT", "after"],
      ["subnetwork", "other", "after"],
      ["labels", { a: "b" }, "update"],
    ],
  },
  {
    type: "gcp:compute/address:Address",
    inputs: { name: "given" },
    changes: [["name", "other", "first"]],
  },
  {
    type: "gcp:compute/routerNat:RouterNat",
    inputs: { name: "given", router: "r", sourceSubnetworkIpRangesToNat: "LIST_OF_SUBNETWORKS" },
    changes: [
      ["name", "other", "first"],
      ["logConfig", { enable: true, filter: "ALL" }, "update"],
      ["sourceSubnetworkIpRangesToNat", "ALL_SUBNETWORKS_ALL_IP_RANGES", "update"],
    ],
  },
  {
    type: "gcp:compute/disk:Disk",
    inputs: {
      name: "made-1234567",
      __defaults: ["name"],
      size: 20,
      type: "pd-ssd",
      zone: "us-central1-a",
    },
    changes: [
      ["size", 10, "after"],
      ["size", 30, "update"],
      ["type", "pd-balanced", "after"],
      ["zone", "us-central1-b", "after"],
      ["labels", { a: "b" }, "update"],
    ],
  },
  {
    type: "gcp:compute/disk:Disk",
    inputs: { name: "given" },
    changes: [["name", "other", "first"]],
  },
  {
    type: "gcp:compute/instance:Instance",
    inputs: {
      name: "made-1234567",
      __defaults: ["name"],
      zone: "us-central1-a",
      machineType: "e2-small",
      bootDisk: { initializeParams: { image: "one", size: 10 } },
      networkInterfaces: [{ subnetwork: "s", networkIp: "10.0.0.2" }],
      metadata: { a: "1" },
      scheduling: { preemptible: false },
    },
    changes: [
      ["bootDisk", { initializeParams: { image: "two", size: 10 } }, "after"],
      ["bootDisk", { initializeParams: { image: "one", size: 20 } }, "update"],
      ["metadataStartupScript", "echo", "after"],
      ["zone", "us-central1-b", "after"],
      ["scheduling", { preemptible: true }, "after"],
      ["metadata", { a: "2" }, "update"],
      ["machineType", "e2-medium", "update"],
      ["tags", ["nats"], "update"],
      ["labels", { a: "b" }, "update"],
      ["serviceAccount", { email: "a@p.iam.gserviceaccount.com", scopes: [] }, "update"],
      ["shieldedInstanceConfig", { enableSecureBoot: true }, "update"],
      ["attachedDisks", [{ source: "d" }], "update"],
      ["networkInterfaces", [{ subnetwork: "t", networkIp: "10.0.0.2" }], "update"],
      ["networkInterfaces", [{ subnetwork: "s", networkIp: "10.0.0.3" }], "update"],
      ["deletionProtection", true, "update"],
    ],
  },
  {
    type: "gcp:compute/instance:Instance",
    inputs: { name: "given" },
    changes: [["name", "other", "first"]],
  },
  {
    type: "gcp:serviceaccount/account:Account",
    inputs: { accountId: "some-account" },
    changes: [
      ["accountId", "other-account", "first"],
      ["displayName", "Other", "update"],
      ["description", "other", "update"],
      ["disabled", true, "update"],
    ],
  },
  {
    type: "gcp:projects/iAMMember:IAMMember",
    inputs: { project: "p", ...grant },
    changes: [
      ["role", "roles/editor", "first"],
      ["member", "user:b@example.com", "first"],
    ],
  },
  {
    type: "gcp:serviceaccount/iAMMember:IAMMember",
    inputs: { serviceAccountId: "projects/p/serviceAccounts/a@p.iam", ...grant },
    changes: [
      ["role", "roles/editor", "after"],
      ["member", "user:b@example.com", "after"],
    ],
  },
  {
    type: "gcp:storage/bucket:Bucket",
    inputs: { name: "given", location: "US" },
    changes: [
      ["name", "other", "first"],
      ["location", "EU", "first"],
      ["storageClass", "NEARLINE", "update"],
      ["versioning", { enabled: true }, "update"],
      ["lifecycleRules", [{ action: { type: "Delete" }, condition: { age: 3 } }], "update"],
      ["labels", { a: "b" }, "update"],
      ["forceDestroy", true, "update"],
      ["uniformBucketLevelAccess", true, "update"],
      ["publicAccessPrevention", "enforced", "update"],
      ["softDeletePolicy", { retentionDurationSeconds: 0 }, "update"],
    ],
  },
  {
    type: "gcp:storage/bucketObject:BucketObject",
    inputs: { name: "given", bucket: "b", source: { path: "one" } },
    changes: [
      ["name", "other", "first"],
      ["bucket", "other", "first"],
      ["source", { path: "two" }, "first"],
      ["cacheControl", "no-cache", "first"],
      ["metadata", { a: "b" }, "first"],
    ],
  },
  {
    type: "gcp:appengine/standardAppVersion:StandardAppVersion",
    inputs: version,
    changes: [
      ...versionChanges,
      ["appEngineApis", true, "after"],
      ["inboundServices", ["INBOUND_SERVICE_WARMUP"], "update"],
      ["runtimeApiVersion", "1", "update"],
      ["basicScaling", { maxInstances: 3 }, "update"],
    ],
  },
  {
    type: "gcp:appengine/flexibleAppVersion:FlexibleAppVersion",
    inputs: { ...version, runtime: "nodejs" },
    changes: [
      ...versionChanges,
      ["flexibleRuntimeSettings", { operatingSystem: "ubuntu24" }, "update"],
      ["resources", { cpu: 2 }, "update"],
      ["network", { name: "other" }, "update"],
      ["readinessCheck", { path: "/other" }, "update"],
      ["livenessCheck", { path: "/other" }, "update"],
      ["servingStatus", "STOPPED", "update"],
      ["betaSettings", { a: "b" }, "update"],
    ],
  },
  {
    type: "gcp:appengine/engineSplitTraffic:EngineSplitTraffic",
    inputs: { service: "add", migrateTraffic: false, split: { allocations: { v1: "1" } } },
    changes: [
      ["split", { allocations: { v2: "1" } }, "update"],
      ["migrateTraffic", true, "update"],
      ["service", "other", "update"],
    ],
  },
  {
    type: "gcp:appengine/serviceNetworkSettings:ServiceNetworkSettings",
    inputs: { service: "add", networkSettings: {} },
    changes: [
      ["networkSettings", { ingressTrafficAllowed: "INGRESS_TRAFFIC_ALLOWED_ALL" }, "update"],
      ["service", "other", "update"],
    ],
  },
  {
    type: "gcp:appengine/applicationUrlDispatchRules:ApplicationUrlDispatchRules",
    inputs: { project: "p", dispatchRules: [] },
    changes: [
      ["project", "other", "after"],
      ["dispatchRules", [{ path: "/x", service: "add" }], "update"],
    ],
  },
  {
    type: "gcp:pubsub/topic:Topic",
    inputs: { name: "given" },
    changes: [
      ["name", "other", "first"],
      ["labels", { a: "b" }, "update"],
      ["messageRetentionDuration", "600s", "update"],
      ["kmsKeyName", "key", "update"],
      ["messageStoragePolicy", { allowedPersistenceRegions: ["us-central1"] }, "update"],
    ],
  },
  {
    type: "gcp:pubsub/subscription:Subscription",
    inputs: { name: "given", topic: "t" },
    changes: [
      ["name", "other", "first"],
      ["topic", "other", "first"],
      ["filter", "attributes:a", "first"],
      ["enableMessageOrdering", true, "first"],
      ["ackDeadlineSeconds", 20, "update"],
      ["pushConfig", { pushEndpoint: "https://a" }, "update"],
      ["retryPolicy", { minimumBackoff: "1s" }, "update"],
      ["expirationPolicy", { ttl: "" }, "update"],
      ["deadLetterPolicy", { deadLetterTopic: "t" }, "update"],
      ["messageRetentionDuration", "600s", "update"],
      ["labels", { a: "b" }, "update"],
      ["enableExactlyOnceDelivery", true, "update"],
      ["retainAckedMessages", true, "update"],
    ],
  },
  {
    type: "gcp:secretmanager/secret:Secret",
    inputs: { secretId: "given", replication: { auto: {} } },
    changes: [
      ["secretId", "other", "first"],
      ["replication", { userManaged: {} }, "first"],
      ["labels", { a: "b" }, "update"],
      ["deletionProtection", true, "update"],
      ["versionDestroyTtl", "86400s", "update"],
    ],
  },
  {
    type: "gcp:secretmanager/secretVersion:SecretVersion",
    inputs: { secret: "s", secretDataWo: "one", secretDataWoVersion: 1 },
    changes: [
      ["secretDataWoVersion", 2, "after"],
      ["secretData", "two", "after"],
      ["secretDataWo", "two", "same"],
      ["enabled", false, "update"],
      ["deletionPolicy", "ABANDON", "update"],
    ],
  },
  {
    type: "gcp:artifactregistry/repository:Repository",
    inputs: { repositoryId: "given", location: "us", mode: "REMOTE_REPOSITORY", format: "DOCKER" },
    changes: [
      ["repositoryId", "other", "after"],
      ["location", "eu", "after"],
      ["mode", "STANDARD_REPOSITORY", "after"],
      ["format", "NPM", "after"],
      ["remoteRepositoryConfig", { dockerRepository: {} }, "after"],
      ["description", "other", "update"],
      ["labels", { a: "b" }, "update"],
      ["cleanupPolicyDryRun", true, "update"],
    ],
  },
  {
    type: "gcp:cloudbuild/trigger:Trigger",
    inputs: { name: "given", location: "global", filename: "a.yaml" },
    changes: [
      ["location", "us-central1", "first"],
      ["name", "other", "update"],
      ["filename", "b.yaml", "update"],
      ["github", { name: "r" }, "update"],
      ["includedFiles", ["apps/**"], "update"],
      ["disabled", true, "update"],
      ["approvalConfig", { approvalRequired: true }, "update"],
      ["serviceAccount", "projects/p/serviceAccounts/a", "update"],
    ],
  },
  {
    type: "gcp:logging/metric:Metric",
    inputs: { name: "given", filter: "a" },
    changes: [
      ["filter", "b", "update"],
      ["description", "other", "update"],
      ["metricDescriptor", { metricKind: "DELTA" }, "update"],
      ["name", "other", "update"],
    ],
  },
  {
    type: "gcp:monitoring/dashboard:Dashboard",
    inputs: { project: "p", dashboardJson: "{}" },
    changes: [
      ["project", "other", "after"],
      ["dashboardJson", '{"a":1}', "update"],
    ],
  },
  {
    type: "gcp:monitoring/alertPolicy:AlertPolicy",
    inputs: { displayName: "a", combiner: "OR", conditions: [] },
    changes: [
      ["displayName", "b", "update"],
      ["combiner", "AND", "update"],
      ["enabled", false, "update"],
      ["conditions", [{ displayName: "c" }], "update"],
      ["notificationChannels", ["n"], "update"],
    ],
  },
  {
    type: "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig",
    inputs: { displayName: "a", timeout: "10s", monitoredResource: { type: "uptime_url" } },
    changes: [
      ["monitoredResource", { type: "other" }, "after"],
      ["displayName", "b", "update"],
      ["timeout", "20s", "update"],
      ["period", "60s", "update"],
      ["httpCheck", { path: "/" }, "update"],
      ["selectedRegions", ["USA"], "update"],
    ],
  },
  {
    type: "gcp:iam/workloadIdentityPool:WorkloadIdentityPool",
    inputs: { workloadIdentityPoolId: "pool" },
    changes: [
      ["workloadIdentityPoolId", "other", "after"],
      ["displayName", "Other", "update"],
      ["disabled", true, "update"],
    ],
  },
  {
    type: "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
    inputs: { workloadIdentityPoolId: "pool", workloadIdentityPoolProviderId: "github" },
    changes: [
      ["workloadIdentityPoolId", "other", "after"],
      ["workloadIdentityPoolProviderId", "other", "after"],
      ["attributeCondition", "true", "update"],
      ["attributeMapping", { a: "b" }, "update"],
      ["oidc", { issuerUri: "https://a" }, "update"],
    ],
  },
  {
    type: "gcp:projects/service:Service",
    inputs: { service: "pubsub.googleapis.com", disableOnDestroy: false },
    changes: [
      ["service", "iam.googleapis.com", "after"],
      ["disableOnDestroy", true, "update"],
    ],
  },
];

const provider = createProvider(
  { project: "p", region: "us-central1", defaultHostname: "localhost" },
  recordOnly,
);

function without(inputs: Case["inputs"], key: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => name !== key));
}

/** The state that a creation with these inputs leaves. */
function outputsOf(inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const given = without(inputs, "__defaults");
  return { project: "p", ...given, __given: Object.keys(given) };
}

async function effectOf(
  { type, inputs }: Case,
  property: string,
  value: unknown,
): Promise<{ effect: Effect; replaces: readonly string[] }> {
  const others = without(inputs, property);
  const news = value === undefined ? others : { ...others, [property]: value };
  const urn = `urn:pulumi:test::test::${type}::name`;
  const answer = await provider.diff?.("id", urn, outputsOf(inputs), news);
  const replaces = answer?.replaces ?? [];
  if (answer?.changes !== true) return { effect: "same", replaces };
  if (replaces.length === 0) return { effect: "update", replaces };
  return { effect: answer.deleteBeforeReplace === true ? "first" : "after", replaces };
}

describe("a change of", () => {
  for (const one of cases) {
    const made = one.inputs["__defaults"] === undefined ? "" : ", named by the provider";
    it(`${one.type}${made} is what the cloud's provider makes of it`, async () => {
      const expected = one.changes.map(([property, value, effect]) => ({
        ...{ property, value, effect },
        replaces: effect === "after" || effect === "first" ? [property] : [],
      }));
      const actual = await Promise.all(
        one.changes.map(async ([property, value]) => ({
          ...{ property, value },
          ...(await effectOf(one, property, value)),
        })),
      );
      assert.deepEqual(actual, expected);
      const nothing = await effectOf(one, "none", undefined);
      assert.equal(nothing.effect, "same", "the same inputs again");
    });
  }

  it("an application's location is refused in the diff already", async () => {
    const urn = "urn:pulumi:test::test::gcp:appengine/application:Application::app";
    await assert.rejects(
      provider.diff?.("p", urn, outputsOf({ locationId: "us-central" }), {
        locationId: "us-east1",
      }) ?? Promise.resolve(),
      /Cannot change location_id once the resource is created/,
    );
  });

  it("an unknown value that would force a replacement is taken for one", async () => {
    const unknown = unknownValue;
    const one = cases.find(({ type }) => type.endsWith(":StandardAppVersion"));
    assert.ok(one);
    assert.equal((await effectOf(one, "versionId", unknown)).effect, "after");
    assert.equal((await effectOf(one, "envVariables", { A: unknown })).effect, "update");
  });
});
