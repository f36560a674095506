import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { recordOnly } from "../../../local/provider/backend.ts";
import { createProvider } from "../../../local/provider/provider.ts";
import { secretSignature, signatureKey, unknownValue } from "../../../local/wire/values.ts";

const provider = createProvider(
  { project: "demo-project", region: "us-central1", defaultHostname: "localhost" },
  recordOnly,
);
const unknown = unknownValue;

async function problemsOf(type: string, inputs: Record<string, unknown>): Promise<string[]> {
  const urn = `urn:pulumi:test::test::${type}::name`;
  const answer = await provider.check?.(urn, {}, inputs);
  return (answer?.failures ?? []).map(({ property, reason }) => `${property}: ${reason}`);
}

interface Rules {
  readonly type: string;
  /** Passes. */
  readonly valid: Readonly<Record<string, unknown>>;
  /** Each change of the valid inputs, and the only problem that it makes. */
  readonly refused: readonly (readonly [change: Record<string, unknown>, problem: string])[];
  /** Changes at a limit, which pass. */
  readonly allowed?: readonly Record<string, unknown>[];
}

const standard = {
  service: "add",
  versionId: "v1",
  runtime: "nodejs24",
  entrypoint: { shell: "node main.js" },
  deployment: { zip: { sourceUrl: "https://storage.googleapis.com/bucket/add/1.zip" } },
};
const flexible = {
  service: "ws",
  versionId: "v1",
  runtime: "nodejs",
  readinessCheck: { path: "/healthz/ready", timeout: "4s" },
  livenessCheck: { path: "/healthz/live" },
  manualScaling: { instances: 1 },
};
const connector = {
  name: "realtime",
  network: "n",
  ipCidrRange: "10.8.0.0/28",
  minInstances: 2,
  maxInstances: 3,
};
const split = {
  service: "add",
  migrateTraffic: false,
  split: { shardBy: "COOKIE", allocations: { v1: "1" } },
};
const rule = { domain: "*", path: "/api/add*", service: "add" };
const ruled = (change: Record<string, unknown>): Record<string, unknown> => ({
  dispatchRules: [{ ...rule, ...change }],
});

const rules: readonly Rules[] = [
  {
    type: "gcp:appengine/standardAppVersion:StandardAppVersion",
    valid: standard,
    refused: [
      [
        { versionId: "V1" },
        'versionId: "V1" is not a version id: 1–63 lowercase letters, digits or hyphens, beginning and ending with a letter or digit',
      ],
      [{ versionId: "latest" }, 'versionId: "latest" is reserved (default, latest and ah-… are)'],
      [
        { versionId: "v".repeat(39) },
        `versionId: the host label ${"v".repeat(39)}-dot-add-dot-demo-project has 64 characters; at most 63 are allowed`,
      ],
      [{ service: undefined }, "service: is missing"],
      [
        { colour: "red" },
        "colour: is not a property of gcp:appengine/standardAppVersion:StandardAppVersion",
      ],
      [{ runtime: "nodejs8" }, 'runtime: "nodejs8" is not a runtime of the standard environment'],
      [
        { manualScaling: { instances: 1 }, automaticScaling: {} },
        "manualScaling: automaticScaling and manualScaling are given; exactly one of automaticScaling, basicScaling, manualScaling is allowed",
      ],
      [{ manualScaling: { instances: 0 } }, "manualScaling.instances: 0 is not between 1 and 200"],
      [
        { instanceClass: "B1" },
        'instanceClass: "B1" does not go with automaticScaling; use F1, F2, F4, F4_1G',
      ],
      [
        { instanceClass: "F1", manualScaling: { instances: 1 } },
        'instanceClass: "F1" does not go with manualScaling; use B1, B2, B4, B4_1G, B8',
      ],
      [
        { automaticScaling: { standardSchedulerSettings: { minInstances: 3, maxInstances: 2 } } },
        "automaticScaling.standardSchedulerSettings.maxInstances: 2 is below the minimum of 3",
      ],
      [
        { deployment: { zip: { sourceUrl: "gs://bucket/1.zip" } } },
        'deployment.zip.sourceUrl: "gs://bucket/1.zip" is not of the form https://storage.googleapis.com/<bucket>/<object>',
      ],
      [
        { deployment: { zip: { sourceUrl: "https://storage.googleapis.com/bucket/1" } } },
        'deployment.zip.sourceUrl: "https://storage.googleapis.com/bucket/1" has no extension that Cloud Build knows: use .zip',
      ],
      [
        { vpcAccessConnector: { name: "realtime" } },
        'vpcAccessConnector.name: "realtime" is not a full name projects/<p>/locations/<l>/connectors/<c>',
      ],
      [
        { envVariables: { PORT: "1" } },
        "envVariables.PORT: is set by the platform and cannot be overridden",
      ],
      [{ envVariables: { A: 1 } }, "envVariables.A: is not a string"],
      [
        { serviceAccount: "nobody" },
        'serviceAccount: "nobody" is not the e-mail address of a service account',
      ],
    ],
    allowed: [
      { versionId: "v".repeat(38) },
      { versionId: unknown, service: unknown, deployment: unknown },
      { manualScaling: { instances: 200 } },
      { automaticScaling: { standardSchedulerSettings: { minInstances: 3, maxInstances: 3 } } },
    ],
  },
  {
    type: "gcp:appengine/flexibleAppVersion:FlexibleAppVersion",
    valid: flexible,
    refused: [
      [
        { manualScaling: undefined },
        "automaticScaling: no scaling is given; exactly one of automaticScaling, manualScaling is allowed",
      ],
      [
        { readinessCheck: { path: "healthz" } },
        'readinessCheck.path: "healthz" is not a path that begins with /',
      ],
      [{ livenessCheck: {} }, "livenessCheck.path: is missing"],
      [
        { readinessCheck: { path: "/a", timeout: "4" } },
        'readinessCheck.timeout: "4" is not a time such as 30s',
      ],
      [
        { manualScaling: undefined, automaticScaling: { minTotalInstances: 1 } },
        "automaticScaling.cpuUtilization: is missing",
      ],
      [
        {
          manualScaling: undefined,
          automaticScaling: {
            cpuUtilization: { targetUtilization: 0.5 },
            minTotalInstances: 4,
            maxTotalInstances: 2,
          },
        },
        "automaticScaling.maxTotalInstances: 2 is below the minimum of 4",
      ],
      [
        { deployment: { container: { image: "a@sha256:b" } } },
        'runtime: "nodejs" runs no image; an image needs custom',
      ],
      [{ resources: { cpu: 3 } }, "resources.cpu: 3 is neither 1 nor an even number"],
    ],
    allowed: [{ runtime: "custom", deployment: { container: { image: "a@sha256:b" } } }],
  },
  {
    type: "gcp:appengine/engineSplitTraffic:EngineSplitTraffic",
    valid: split,
    refused: [
      [
        { migrateTraffic: undefined },
        'migrateTraffic: must be set, usually to false: unset it is sent as an empty string, which the API refuses (Invalid value (TYPE_BOOL), "")',
      ],
      [
        { split: { allocations: {} } },
        "split.allocations: must give at least one version its share",
      ],
      [
        { split: { shardBy: "COOKIE", allocations: { v1: "0.5", v2: "0.4" } } },
        "split.allocations: the shares sum to 0.9; they must sum to 1",
      ],
      [
        { split: { shardBy: "COOKIE", allocations: { v1: "2" } } },
        'split.allocations.v1: "2" is not a share above 0 up to 1',
      ],
    ],
    allowed: [{ split: { shardBy: "COOKIE", allocations: { v1: "0.995", v2: "0.005" } } }],
  },
  {
    type: "gcp:appengine/applicationUrlDispatchRules:ApplicationUrlDispatchRules",
    valid: { dispatchRules: [rule] },
    refused: [
      [
        { dispatchRules: Array.from({ length: 21 }, () => rule) },
        "dispatchRules: 21 rules; at most 20 are allowed",
      ],
      [ruled({ path: "api" }), 'dispatchRules[0].path: "api" does not begin with /'],
      [
        ruled({ path: "/a*/b" }),
        'dispatchRules[0].path: "/a*/b": a * is allowed only as the last character',
      ],
      [
        ruled({ domain: "a.*.com" }),
        'dispatchRules[0].domain: "a.*.com": a * is allowed alone or as a leading *.',
      ],
      [
        ruled({ domain: "a-dot-b.com" }),
        'dispatchRules[0].domain: "a-dot-b.com": -dot- is not allowed, write plain dots',
      ],
      [
        ruled({ path: `/${"a".repeat(99)}` }),
        "dispatchRules[0].path: domain and path have 101 characters; at most 100 are allowed",
      ],
    ],
    allowed: [
      { dispatchRules: Array.from({ length: 20 }, () => rule) },
      ruled({ path: `/${"a".repeat(98)}` }),
      ruled({ domain: "*.example.com" }),
    ],
  },
  {
    type: "gcp:appengine/application:Application",
    valid: { locationId: "europe-west" },
    refused: [[{ project: "123456" }, "project: must be the project's id, not its number"]],
  },
  {
    type: "gcp:vpcaccess/connector:Connector",
    valid: connector,
    refused: [
      [
        { name: "a-b-c-d-e-f-g-h" },
        'name: "a-b-c-d-e-f-g-h" counts 22 characters (each hyphen counts twice); at most 20 are allowed',
      ],
      [{ ipCidrRange: "10.8.0.0/27" }, 'ipCidrRange: "10.8.0.0/27" is not a /28'],
      [
        { ipCidrRange: "10.8.0.1/28" },
        'ipCidrRange: "10.8.0.1/28" is not an IPv4 range without host bits, for example 10.8.0.0/28',
      ],
      [{ minInstances: 1 }, "minInstances: 1 is not between 2 and 9"],
      [{ maxInstances: 11 }, "maxInstances: 11 is not between 3 and 10"],
      [{ minInstances: 3 }, "maxInstances: 3 is not above minInstances, which is 3"],
      [{ network: undefined }, "network: needs ipCidrRange and network together, or subnet"],
      [
        { minInstances: undefined, maxInstances: undefined },
        "maxInstances: A Connector must specify either max_throughput or max_instances",
      ],
      [
        { machineType: "n1-standard-1" },
        'machineType: "n1-standard-1" is not one of f1-micro, e2-micro, e2-standard-4',
      ],
    ],
    allowed: [{ name: "a-b-c-d-e-f-g" }, { minInstances: 9, maxInstances: 10 }],
  },
  {
    type: "gcp:compute/subnetwork:Subnetwork",
    valid: { name: "nats", network: "n", ipCidrRange: "10.0.0.0/24" },
    refused: [
      [
        { name: "Nats" },
        'name: "Nats" is not 1–63 lowercase letters, digits or hyphens, beginning with a letter and not ending with a hyphen',
      ],
      [{ ipCidrRange: "10.0.0.0/30" }, 'ipCidrRange: "10.0.0.0/30" is smaller than a /29'],
      [
        { ipCidrRange: "300.0.0.0/24" },
        'ipCidrRange: "300.0.0.0/24" is not an IPv4 range without host bits, for example 10.8.0.0/28',
      ],
    ],
  },
  {
    type: "gcp:compute/firewall:Firewall",
    valid: {
      name: "clients",
      network: "n",
      direction: "INGRESS",
      sourceRanges: ["10.8.0.0/28"],
      allows: [{ protocol: "tcp", ports: ["4222", "6222-6223"] }],
    },
    refused: [
      [{ allows: undefined }, "allows: one of allows and denies must be given"],
      [
        { sourceRanges: undefined },
        "sourceRanges: one of sourceRanges, sourceTags, sourceServiceAccounts must be given",
      ],
      [
        { sourceRanges: ["10.8.0.1/28"] },
        'sourceRanges[0]: "10.8.0.1/28" is not an IPv4 range without host bits',
      ],
      [
        { allows: [{ protocol: "tcp", ports: ["70000"] }] },
        'allows[0].ports: "70000" is not a port or a range of ports',
      ],
      [
        { targetTags: ["nats"], targetServiceAccounts: ["a"] },
        "targetTags: tags cannot be mixed with service accounts",
      ],
      [{ priority: 65_536 }, "priority: 65536 is not between 0 and 65535"],
    ],
  },
  {
    type: "gcp:serviceaccount/account:Account",
    valid: { accountId: "a12345" },
    refused: [
      [
        { accountId: "a1234" },
        'accountId: "a1234" is not 6–30 lowercase letters, digits or hyphens, beginning with a letter and not ending with a hyphen',
      ],
      [
        { accountId: "a".repeat(31) },
        `accountId: "${"a".repeat(31)}" is not 6–30 lowercase letters, digits or hyphens, beginning with a letter and not ending with a hyphen`,
      ],
    ],
    allowed: [{ accountId: "a".repeat(30) }],
  },
  {
    type: "gcp:projects/iAMMember:IAMMember",
    valid: { project: "p", role: "roles/vpcaccess.user", member: "user:a@example.com" },
    refused: [
      [
        { role: "vpcaccess.user" },
        'role: "vpcaccess.user" is not of the form roles/<name> or projects/<id>/roles/<name>',
      ],
      [
        { role: "roles/vpcaccess.usr" },
        'role: "roles/vpcaccess.usr" is not a role that the local provider knows (local/provider/types/roles.ts)',
      ],
      [
        { member: "a@example.com" },
        'member: "a@example.com" is not a member, for example serviceAccount:name@project.iam.gserviceaccount.com or user:name@example.com',
      ],
    ],
    allowed: [{ role: "projects/p/roles/own" }, { member: unknown }, { member: "allUsers" }],
  },
  {
    type: "gcp:projects/iAMCustomRole:IAMCustomRole",
    valid: { roleId: "stackReader", title: "Reads", permissions: ["iam.roles.get"] },
    refused: [
      [{ roleId: "stack-reader" }, 'roleId: "stack-reader" is not 3–64 letters, digits, _ or dots'],
      [
        { permissions: ["iam.roles.get", "roles/viewer"] },
        'permissions[1]: "roles/viewer" is not of the form service.thing.verb',
      ],
      [{ title: "a".repeat(101) }, "title: 101 characters; at most 100 are allowed"],
    ],
    allowed: [{ permissions: [unknown] }],
  },
  {
    type: "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
    valid: {
      workloadIdentityPoolId: "github",
      workloadIdentityPoolProviderId: "github",
      attributeMapping: { "google.subject": "assertion.sub", "attribute.ref": "assertion.ref" },
      attributeCondition: "assertion.repository == 'a/b'",
      oidc: { issuerUri: "https://token.actions.githubusercontent.com" },
    },
    refused: [
      [
        { attributeCondition: undefined },
        "attributeCondition: The attribute condition must reference one of the provider's claims.",
      ],
      [
        { attributeCondition: "true" },
        "attributeCondition: The attribute condition must reference one of the provider's claims.",
      ],
      [
        { attributeMapping: { "attribute.ref": "assertion.ref" } },
        "attributeMapping: google.subject must be mapped",
      ],
      [
        { attributeMapping: { "google.subject": "assertion.sub", ref: "assertion.ref" } },
        'attributeMapping["ref"]: is none of google.subject, google.groups and attribute.<a-z, 0-9, _>',
      ],
      [{ saml: {} }, "oidc: exactly one of aws, oidc, saml, x509 must be given"],
      [
        { oidc: { issuerUri: "http://issuer.example" } },
        'oidc.issuerUri: "http://issuer.example" is not an https address',
      ],
    ],
    allowed: [
      { oidc: { issuerUri: "https://issuer.example" }, attributeCondition: undefined },
      { attributeCondition: unknown },
    ],
  },
  {
    type: "gcp:cloudbuild/trigger:Trigger",
    valid: {
      name: "deploy-dev",
      filename: "cloudbuild.yaml",
      github: { owner: "a", name: "b", push: { branch: "^main$" } },
    },
    refused: [
      [{ build: {} }, "filename: exactly one of filename, build, gitFileSource must be given"],
      [
        { webhookConfig: {} },
        "github: exactly one of bitbucketServerTriggerConfig, developerConnectEventConfig, github, pubsubConfig, repositoryEventConfig, sourceToBuild, triggerTemplate, webhookConfig must be given",
      ],
      [
        { github: { owner: "a", name: "b" } },
        "github: exactly one of push and pullRequest must be given",
      ],
      [{ github: { push: { branch: "(" } } }, 'github.push.branch: "(" is no regular expression'],
      [
        { github: { pullRequest: { branch: ".*", commentControl: "NEVER" } } },
        'github.pullRequest.commentControl: "NEVER" is not one of COMMENTS_DISABLED, COMMENTS_ENABLED, COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY',
      ],
      [
        { includeBuildLogs: "YES" },
        'includeBuildLogs: "YES" is not one of INCLUDE_BUILD_LOGS_UNSPECIFIED, INCLUDE_BUILD_LOGS_WITH_STATUS',
      ],
      [
        { substitutions: { STACK: "dev" } },
        "substitutions.STACK: is not _ and A-Z, 0-9, _, as one's own substitutions are",
      ],
      [
        { serviceAccount: "deployer@p.iam.gserviceaccount.com" },
        'serviceAccount: "deployer@p.iam.gserviceaccount.com" is not a full name projects/<p>/serviceAccounts/<email>',
      ],
    ],
    allowed: [
      { github: { push: { tag: "^v" } }, substitutions: { _STACK: "dev" } },
      { serviceAccount: unknown },
    ],
  },
  {
    type: "gcp:pubsub/topic:Topic",
    valid: { name: "abc" },
    refused: [
      [
        { name: "m" },
        'name: "m" is not a topic name: 3–255 letters, digits or -_.~+%, beginning with a letter and not with goog',
      ],
      [
        { messageRetentionDuration: "599s" },
        "messageRetentionDuration: 599s is not between 600s and 2678400s",
      ],
    ],
    allowed: [{ messageRetentionDuration: "600s" }],
  },
  {
    type: "gcp:pubsub/subscription:Subscription",
    valid: { name: "reader", topic: "abc" },
    refused: [
      [{ ackDeadlineSeconds: 9 }, "ackDeadlineSeconds: 9 is not between 10 and 600"],
      [{ expirationPolicy: { ttl: "60s" } }, "expirationPolicy.ttl: 60s is below 86400s"],
      [
        { deadLetterPolicy: { maxDeliveryAttempts: 4 } },
        "deadLetterPolicy.maxDeliveryAttempts: 4 is not between 5 and 100",
      ],
      [
        { deadLetterPolicy: { deadLetterTopic: "dead" } },
        'deadLetterPolicy.deadLetterTopic: "dead" is not a full name projects/<p>/topics/<t>',
      ],
      [
        { retryPolicy: { minimumBackoff: "20s", maximumBackoff: "5s" } },
        "retryPolicy.maximumBackoff: 5s is below the minimum of 20s",
      ],
      [
        { name: "m" },
        'name: "m" is not a subscription name: 3–255 letters, digits or -_.~+%, beginning with a letter and not with goog',
      ],
      [
        { pushConfig: { pushEndpoint: "http://a" } },
        'pushConfig.pushEndpoint: "http://a" is not an https address',
      ],
      [{ filter: "a".repeat(257) }, "filter: is over 256 bytes"],
    ],
    allowed: [
      { expirationPolicy: { ttl: "" } },
      { ackDeadlineSeconds: 600 },
      { retryPolicy: { minimumBackoff: "5s", maximumBackoff: "5s" } },
      { retryPolicy: { minimumBackoff: "20s" } },
      { deadLetterPolicy: { deadLetterTopic: unknown, maxDeliveryAttempts: 5 } },
    ],
  },
  {
    type: "gcp:secretmanager/secret:Secret",
    valid: { secretId: "nats-seed-add", replication: { auto: {} } },
    refused: [
      [{ secretId: "a b" }, 'secretId: "a b" is not 1–255 letters, digits, _ or hyphens'],
      [{ replication: {} }, "replication: exactly one of auto and userManaged must be given"],
    ],
  },
  {
    type: "gcp:storage/bucketObject:BucketObject",
    valid: { name: "add/1.zip", bucket: "b", content: "x" },
    refused: [
      [{ content: undefined }, "source: exactly one of source and content must be given"],
      [{ deletionPolicy: "KEEP" }, 'deletionPolicy: "KEEP" is not one of DELETE, PREVENT, ABANDON'],
    ],
  },
  {
    type: "gcp:projects/service:Service",
    valid: { service: "pubsub.googleapis.com" },
    refused: [
      [
        { service: "pubsub" },
        'service: "pubsub" is not the name of an API, for example pubsub.googleapis.com',
      ],
    ],
  },
];

describe("the provider's check", () => {
  for (const { type, valid, refused, allowed = [] } of rules) {
    it(`refuses what the cloud would refuse of ${type}`, async () => {
      assert.deepEqual(await problemsOf(type, valid), []);
      for (const [change, problem] of refused) {
        assert.deepEqual(await problemsOf(type, { ...valid, ...change }), [problem]);
      }
      for (const change of allowed) {
        assert.deepEqual(await problemsOf(type, { ...valid, ...change }), []);
      }
    });
  }

  it("refuses a type that it does not know, by name", async () => {
    assert.deepEqual(await problemsOf("gcp:redis/instance:Instance", {}), [
      ": the local provider does not know the resource type gcp:redis/instance:Instance; describe it in local/provider/types",
    ]);
  });

  it("reports every problem of a resource at once", async () => {
    const problems = await problemsOf("gcp:vpcaccess/connector:Connector", {
      ...connector,
      name: "A",
      ipCidrRange: "10.8.0.0/24",
      minInstances: 12,
    });
    assert.equal(problems.length, 4);
  });

  it("looks through secrets and hands them on as they are", async () => {
    const secret = {
      [signatureKey]: secretSignature,
      value: "m",
    };
    const urn = "urn:pulumi:test::test::gcp:pubsub/topic:Topic::name";
    const answer = await provider.check?.(urn, {}, { name: secret });
    assert.ok(answer);
    assert.equal(answer.failures?.length, 1);
    assert.deepEqual((answer.inputs as Record<string, unknown>)["name"], secret);
  });

  it("makes up a name that is left out, and keeps it", async () => {
    const urn = "urn:pulumi:test::test::gcp:compute/network:Network::net";
    const first = (await provider.check?.(urn, {}, {}))?.inputs as Record<string, unknown>;
    assert.match(String(first["name"]), /^net-[0-9a-f]{7}$/);
    const second = (await provider.check?.(urn, first, {}))?.inputs as Record<string, unknown>;
    assert.equal(second["name"], first["name"]);
    const other = (await provider.check?.(urn, {}, {}))?.inputs as Record<string, unknown>;
    assert.notEqual(other["name"], first["name"]);
  });
});
