/** For every rule: resources that hold it, and resources that break it with what is said about them. */
import type { Options, Resource } from "../../policies/lib/rule.ts";

/** What is not known before the update, as the engine says it. */
export const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export interface Examples {
  readonly hold: Readonly<Record<string, readonly Resource[]>>;
  /** The problems are those of all resources together. */
  readonly breaks: Readonly<
    Record<
      string,
      { readonly resources: readonly Resource[]; readonly problems: readonly string[] }
    >
  >;
  readonly options?: Options;
}

interface Extra {
  readonly stack?: string;
  readonly protect?: boolean;
}

function resource(type: string, inputs: Resource["inputs"], extra: Extra = {}): Resource {
  const { stack = "prod", protect = false } = extra;
  const token = `gcp:${type}`;
  return {
    type: token,
    name: "it",
    urn: `urn:pulumi:${stack}::shop::${token}::it`,
    inputs,
    protect,
  };
}
const breaking = (one: Resource, ...problems: readonly string[]) => ({
  resources: [one],
  problems,
});

const instance = (inputs: Resource["inputs"]): Resource =>
  resource("compute/instance:Instance", inputs);
const address = (inputs: Resource["inputs"]): Resource =>
  resource("compute/address:Address", inputs);
const firewall = (inputs: Resource["inputs"]): Resource =>
  resource("compute/firewall:Firewall", {
    allows: [{ protocol: "tcp", ports: ["4222"] }],
    ...inputs,
  });
const standard = (inputs: Resource["inputs"]): Resource =>
  resource("appengine/standardAppVersion:StandardAppVersion", {
    service: "add",
    serviceAccount: "add-service@shop.iam.gserviceaccount.com",
    ...inputs,
  });
const flexible = (inputs: Resource["inputs"]): Resource =>
  resource("appengine/flexibleAppVersion:FlexibleAppVersion", {
    service: "ws",
    serviceAccount: "ws-service@shop.iam.gserviceaccount.com",
    ...inputs,
  });
const grant = (inputs: Resource["inputs"], type = "projects/iAMMember:IAMMember"): Resource =>
  resource(type, {
    role: "roles/logging.logWriter",
    member: "serviceAccount:a@shop.iam.gserviceaccount.com",
    ...inputs,
  });
const subscription = (inputs: Resource["inputs"]): Resource =>
  resource("pubsub/subscription:Subscription", {
    topic: "projects/shop/topics/changes",
    expirationPolicy: { ttl: "" },
    deadLetterPolicy: { deadLetterTopic: "projects/shop/topics/dead" },
    ...inputs,
  });
const bucket = (inputs: Resource["inputs"], extra: Extra = {}): Resource =>
  resource("storage/bucket:Bucket", { name: "shop-files", ...inputs }, extra);
const secret = (inputs: Resource["inputs"], extra: Extra = {}): Resource =>
  resource("secretmanager/secret:Secret", inputs, extra);
const ingress = (service: string, ingressTrafficAllowed?: string): Resource =>
  resource("appengine/serviceNetworkSettings:ServiceNetworkSettings", {
    service,
    networkSettings: { ingressTrafficAllowed },
  });
const application = (locationId: string): Resource =>
  resource("appengine/application:Application", { locationId });
const connector = (region: string): Resource =>
  resource("vpcaccess/connector:Connector", { region });
const identityProvider = (inputs: Resource["inputs"]): Resource =>
  resource("iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider", {
    attributeCondition: "assertion.repository == 'owner/name'",
    attributeMapping: { "google.subject": "assertion.sub" },
    ...inputs,
  });
const withEnv = (name: string, value: string): Resource =>
  standard({ envVariables: { [name]: value } });

const stack = (outputs: Resource["inputs"]): Resource => ({
  ...resource("", outputs),
  type: "pulumi:pulumi:Stack",
});

const seed = `SU${"A".repeat(56)}`;
const pool =
  "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/github";
const labelled = { app: "shop", stack: "prod", component: "nats" };
const hardened = {
  shieldedInstanceConfig: {
    enableSecureBoot: true,
    enableVtpm: true,
    enableIntegrityMonitoring: true,
  },
  metadata: { "enable-oslogin": "TRUE", "block-project-ssh-keys": "TRUE" },
};
const kept = {
  versionId: "v0123456789",
  noopOnDestroy: true,
  deleteServiceOnDestroy: false,
  automaticScaling: {},
};

export const examples: Readonly<Record<string, Examples>> = {
  "known-types": {
    hold: {
      "a type that the rules were written for": [instance({}), standard({})],
      "the stack, its provider and its components": [
        "pulumi:pulumi:Stack",
        "pulumi:providers:gcp",
        "appengine-realtime:nats:NatsServer",
      ].map((type) => ({ ...instance({}), type })),
    },
    breaks: Object.fromEntries(
      [
        "gcp:compute/networkFirewallPolicyWithRules:NetworkFirewallPolicyWithRules",
        "gcp:compute/projectMetadata:ProjectMetadata",
        "gcp:bigquery/dataset:Dataset",
        "random:index/randomPassword:RandomPassword",
        "pulumi-nodejs:dynamic:Resource",
      ].map((type) => [type, breaking({ ...instance({}), type }, `no rule knows ${type}`)]),
    ),
  },
  "no-external-address": {
    hold: {
      "a machine inside": [instance({ networkInterfaces: [{ subnetwork: "s" }] })],
      "a machine without any list": [
        instance({ networkInterfaces: [{ subnetwork: "s", accessConfigs: [] }] }),
      ],
      "an internal address": [address({ addressType: "INTERNAL" })],
      "an address of which the kind is not known yet": [address({ addressType: unknown })],
    },
    breaks: {
      "an empty configuration": breaking(
        instance({ networkInterfaces: [{ subnetwork: "s" }, { accessConfigs: [{}] }] }),
        "networkInterfaces[1].accessConfigs asks for an external address",
      ),
      "an IPv6 configuration beside what is not known yet": breaking(
        instance({
          networkInterfaces: [
            { subnetwork: unknown, ipv6AccessConfigs: [{ networkTier: "PREMIUM" }] },
          ],
        }),
        "networkInterfaces[0].ipv6AccessConfigs asks for an external address",
      ),
      "a machine made from an image of another": breaking(
        resource("compute/instanceFromMachineImage:InstanceFromMachineImage", {
          networkInterfaces: [{ accessConfigs: [{}] }],
        }),
        "networkInterfaces[0].accessConfigs asks for an external address",
      ),
      "a template": breaking(
        resource("compute/instanceTemplate:InstanceTemplate", {
          networkInterfaces: [{ accessConfigs: [{ natIp: unknown }] }],
        }),
        "networkInterfaces[0].accessConfigs asks for an external address",
      ),
      "an address that says nothing": breaking(
        address({ region: "us-central1" }),
        "addressType is not INTERNAL, and left out it is EXTERNAL",
      ),
    },
  },
  "no-open-range": {
    hold: {
      "private ranges": [
        firewall({
          sourceRanges: ["10.8.1.0/28", "172.31.0.0/16", "192.168.7.1", "10.0.0.0/8", "fd00::/8"],
        }),
      ],
      "Google's health checks and IAP": [
        firewall({ sourceRanges: ["130.211.0.0/22", "35.191.0.0/16", "35.235.240.0/20"] }),
      ],
      "an account": [firewall({ sourceServiceAccounts: ["nats@shop.iam.gserviceaccount.com"] })],
      "sources that are not known yet": [
        firewall({ sourceRanges: unknown }),
        firewall({ sourceRanges: [unknown] }),
      ],
      "what goes out": [firewall({ direction: "EGRESS", destinationRanges: ["0.0.0.0/0"] })],
      "what is refused": [
        resource("compute/firewall:Firewall", {
          denies: [{ protocol: "all" }],
          sourceRanges: ["0.0.0.0/0"],
        }),
      ],
      "the ends of private ranges": [
        firewall({ sourceRanges: ["192.168.255.255", "10.255.255.255/32", "fc00::/7"] }),
      ],
      "a flexible version without ports": [flexible({ network: { name: "realtime" } })],
      "rules of a policy about what goes out, and about what is refused": [
        resource("compute/networkFirewallPolicyRule:NetworkFirewallPolicyRule", {
          action: "allow",
          direction: "EGRESS",
          match: { destIpRanges: ["0.0.0.0/0"] },
        }),
        resource("compute/networkFirewallPolicyRule:NetworkFirewallPolicyRule", {
          action: "deny",
          direction: "INGRESS",
          match: { srcIpRanges: ["0.0.0.0/0"] },
        }),
      ],
      "a rule of a policy": [
        resource("compute/networkFirewallPolicyRule:NetworkFirewallPolicyRule", {
          action: "allow",
          direction: "INGRESS",
          match: { srcIpRanges: ["10.0.0.0/9"] },
        }),
      ],
    },
    breaks: {
      "the internet": breaking(
        firewall({ sourceRanges: ["10.8.1.0/28", "0.0.0.0/0"] }),
        "sourceRanges has 0.0.0.0/0",
      ),
      "a public network of the other internet": breaking(
        firewall({ sourceRanges: ["2001:db8::/32", "fc00::/6"] }),
        "sourceRanges has 2001:db8::/32",
        "sourceRanges has fc00::/6",
      ),
      "the other internet": breaking(firewall({ sourceRanges: ["::/0"] }), "sourceRanges has ::/0"),
      "both halves of it": breaking(
        firewall({ sourceRanges: ["0.0.0.0/1", "128.0.0.0/1"] }),
        "sourceRanges has 0.0.0.0/1",
        "sourceRanges has 128.0.0.0/1",
      ),
      "more than a private network": breaking(
        firewall({
          sourceRanges: [
            "10.0.0.0/7",
            "172.32.0.0/12",
            "192.168.0.0/15",
            "10.0.0.0/x",
            "10.0.0.256",
          ],
        }),
        ...["10.0.0.0/7", "172.32.0.0/12", "192.168.0.0/15", "10.0.0.0/x", "10.0.0.256"].map(
          (r) => `sourceRanges has ${r}`,
        ),
      ),
      "more than Google's": breaking(
        firewall({ sourceRanges: ["35.191.0.0/15"] }),
        "sourceRanges has 35.191.0.0/15",
      ),
      "an open range beside one that is not known yet": breaking(
        firewall({ network: unknown, sourceRanges: [unknown, "0.0.0.0/0"] }),
        "sourceRanges has 0.0.0.0/0",
      ),
      "ports past the front door": breaking(
        flexible({ network: { name: "realtime", forwardedPorts: ["4222"] } }),
        "network.forwardedPorts opens ports of App Engine's machines",
      ),
      "no source": breaking(
        firewall({ sourceRanges: [] }),
        "no source is named, which is everybody",
      ),
      "a rule of a policy": breaking(
        resource("compute/networkFirewallPolicyRule:NetworkFirewallPolicyRule", {
          action: "allow",
          direction: "INGRESS",
          match: { srcIpRanges: ["0.0.0.0/0"] },
        }),
        "match.srcIpRanges has 0.0.0.0/0",
      ),
      "a rule of a policy without any source": breaking(
        resource("compute/regionNetworkFirewallPolicyRule:RegionNetworkFirewallPolicyRule", {
          action: "goto_next",
          match: { layer4Configs: [] },
        }),
        "no source is named, which is everybody",
      ),
    },
  },
  "hardened-machines": {
    hold: {
      "a shielded machine": [instance(hardened)],
      "one with all said": [
        instance({
          ...hardened,
          canIpForward: false,
          metadata: { ...hardened.metadata, "serial-port-enable": "FALSE" },
        }),
      ],
      "one of which nothing is known yet": [
        instance({ shieldedInstanceConfig: unknown, metadata: unknown }),
      ],
    },
    breaks: {
      "a machine that says nothing": breaking(
        instance({}),
        "shieldedInstanceConfig.enableSecureBoot is not true",
        "shieldedInstanceConfig.enableVtpm is not true",
        "shieldedInstanceConfig.enableIntegrityMonitoring is not true",
        "metadata.enable-oslogin is not true",
        "metadata.block-project-ssh-keys is not true",
      ),
      "an open port, and forwarding": breaking(
        instance({
          ...hardened,
          canIpForward: true,
          metadata: { ...hardened.metadata, "serial-port-enable": "TRUE" },
        }),
        "metadata.serial-port-enable is not false",
        "canIpForward is not false",
      ),
    },
  },
  "no-default-account": {
    hold: {
      "versions and machines with an account": [
        standard({}),
        flexible({ serviceAccount: unknown }),
        instance({ serviceAccount: { email: unknown, scopes: ["cloud-platform"] } }),
      ],
      "a machine without any": [instance({})],
      "a build with an account": [
        resource("cloudbuild/trigger:Trigger", {
          serviceAccount: "projects/shop/serviceAccounts/deployer@shop.iam.gserviceaccount.com",
        }),
      ],
    },
    breaks: {
      "a version without an account": breaking(
        standard({ serviceAccount: undefined }),
        "serviceAccount is not given, so it is a default account",
      ),
      "a build without an account": breaking(
        resource("cloudbuild/trigger:Trigger", { filename: "cloudbuild.yaml" }),
        "serviceAccount is not given, so it is a default account",
      ),
      "a machine whose account has no name": breaking(
        instance({ serviceAccount: { scopes: ["cloud-platform"] } }),
        "serviceAccount.email is not given, so it is a default account",
      ),
      "a version with App Engine's": breaking(
        standard({ serviceAccount: "shop@appspot.gserviceaccount.com" }),
        "serviceAccount is a default account",
      ),
      "a grant to Compute Engine's": breaking(
        grant({ member: "serviceAccount:123-compute@developer.gserviceaccount.com" }),
        "member is a default account",
      ),
      "a grant to the agent of all APIs": breaking(
        grant({ member: "serviceAccount:123@cloudservices.gserviceaccount.com" }),
        "member is a default account",
      ),
      "a grant on it": breaking(
        grant(
          {
            serviceAccountId:
              "projects/shop/serviceAccounts/123-compute@developer.gserviceaccount.com",
          },
          "serviceaccount/iAMMember:IAMMember",
        ),
        "serviceAccountId is a default account",
      ),
    },
  },
  "no-basic-role": {
    hold: {
      "predefined and own roles": [grant({}), grant({ role: "projects/shop/roles/editor" })],
      "a role that is not known yet": [grant({ role: unknown })],
      "the right to act as one account": [
        grant({ role: "roles/iam.serviceAccountUser" }, "serviceaccount/iAMMember:IAMMember"),
      ],
      "a role of one's own that reads": [
        resource("projects/iAMCustomRole:IAMCustomRole", {
          permissions: ["iam.serviceAccounts.get", "pubsub.topics.getIamPolicy"],
        }),
      ],
      "a text of another type": [resource("logging/metric:Metric", { role: "roles/owner" })],
    },
    breaks: {
      ...Object.fromEntries(
        ["owner", "editor", "viewer", "browser", "admin", "writer", "reader"].map((role) => [
          `the ${role}, whoever it is`,
          breaking(grant({ role: `roles/${role}`, member: unknown }), `roles/${role} is granted`),
        ]),
      ),
      ...Object.fromEntries(
        ["iam.securityAdmin", "resourcemanager.projectIamAdmin", "iam.roleAdmin"].map((role) => [
          role,
          breaking(grant({ role: `roles/${role}` }), `roles/${role} is granted`),
        ]),
      ),
      ...Object.fromEntries(
        ["serviceAccountUser", "serviceAccountTokenCreator", "workloadIdentityUser"].map((role) => [
          `the right to act as every account (${role})`,
          breaking(
            grant({ role: `roles/iam.${role}` }),
            `roles/iam.${role} is granted in the whole project`,
          ),
        ]),
      ),
      "a role of one's own that grants and acts": breaking(
        resource("projects/iAMCustomRole:IAMCustomRole", {
          permissions: [
            "pubsub.topics.get",
            "resourcemanager.projects.setIamPolicy",
            "iam.serviceAccounts.getAccessToken",
          ],
        }),
        "permissions has resourcemanager.projects.setIamPolicy",
        "permissions has iam.serviceAccounts.getAccessToken",
      ),
    },
  },
  "named-members": {
    hold: {
      "an account, a person, a group": [
        grant({}),
        grant({ member: "user:ada@example.com" }),
        grant({ member: "group:operators@example.com" }),
      ],
      "one repository": [grant({ member: `${pool}/attribute.repository/owner/name` })],
      "one subject": [
        grant({
          member: `${pool.replace("principalSet", "principal")}/subject/repo:owner/name:ref:refs/heads/main`,
        }),
      ],
      "the runs that may deploy this stack": [grant({ member: `${pool}/attribute.deploys/prod` })],
      "an identity provider for one repository": [
        identityProvider({}),
        identityProvider({ attributeCondition: unknown, attributeMapping: unknown }),
      ],
      "somebody who is not known yet": [grant({ member: unknown })],
      "one in an access list": [
        resource("storage/bucketAccessControl:BucketAccessControl", {
          entity: "user-ada@example.com",
          role: "READER",
        }),
      ],
    },
    breaks: {
      ...Object.fromEntries(
        [
          "allUsers",
          "allAuthenticatedUsers",
          "domain:example.com",
          "projectOwner:shop",
          "deleted:user:ada@example.com?uid=1",
          `${pool}/*`,
          `${pool}/attribute.repository/*`,
          `${pool}/attribute.deploys/none`,
          `${pool}/attribute.deploys/dev`,
          `${pool}/attribute.iss/https://token.actions.githubusercontent.com`,
        ].map((member) => [
          member,
          breaking(grant({ member }), `${member} is not one identity with a name`),
        ]),
      ),
      "an identity provider for all of GitHub": breaking(
        identityProvider({ attributeCondition: undefined }),
        "attributeCondition names no repository",
      ),
      "an identity provider to which all are the same": breaking(
        identityProvider({ attributeMapping: { "attribute.deploys": "'prod'" } }),
        "attributeMapping.attribute.deploys is the same for everybody",
      ),
      "an access list": breaking(
        resource("storage/defaultObjectAccessControl:DefaultObjectAccessControl", {
          entity: "allUsers",
          role: "READER",
        }),
        "allUsers is not one identity with a name",
      ),
      "an old access list": breaking(
        resource("storage/bucketACL:BucketACL", {
          roleEntities: ["OWNER:user-ada@example.com", "READER:allUsers"],
        }),
        "allUsers is not one identity with a name",
      ),
      "a binding": breaking(
        resource("storage/bucketIAMBinding:BucketIAMBinding", {
          role: "roles/storage.objectViewer",
          members: ["user:ada@example.com", "allUsers"],
        }),
        "BucketIAMBinding takes away what is granted elsewhere",
        "allUsers is not one identity with a name",
      ),
      "a policy that says nothing, or nothing yet": {
        resources: ["{}", "[]", "no JSON", unknown].map((policyData) =>
          resource("secretmanager/secretIamPolicy:SecretIamPolicy", { policyData }),
        ),
        problems: Array<string>(4).fill("SecretIamPolicy takes away what is granted elsewhere"),
      },
      "a policy": breaking(
        resource("secretmanager/secretIamPolicy:SecretIamPolicy", {
          policyData: JSON.stringify({ bindings: [{ role: "roles/x", members: ["allUsers"] }] }),
        }),
        "SecretIamPolicy takes away what is granted elsewhere",
        "allUsers is not one identity with a name",
      ),
    },
  },
  "no-secret-value": {
    hold: {
      "the name of a secret": [
        withEnv("NATS_SEED_SECRET", "projects/shop/secrets/nats-seed-add"),
        withEnv("API_TOKEN", "projects/shop/secrets/api/versions/7"),
      ],
      "options that name one": [
        withEnv(
          "WS_CONFIG",
          JSON.stringify({ token: { hmac_secret_key: { secret: "projects/shop/secrets/hmac" } } }),
        ),
      ],
      "options about tokens": [
        withEnv(
          "WS_CONFIG",
          JSON.stringify({
            allow_anonymous_connect_without_token: true,
            token: { audience: "shop" },
          }),
        ),
      ],
      "a secret without a version": [secret({ secretId: "nats-seed-add" })],
      "names and numbers about secrets": [
        withEnv("TOKEN_AUDIENCE", "shop"),
        withEnv("TOKEN_TTL", "one hour"),
        withEnv("RSA_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----"),
        withEnv("MAX_TOKENS", "100"),
        withEnv("COMPASS", "north"),
        instance({ metadata: { "block-project-ssh-keys": "TRUE" } }),
      ],
      "a text that looks like a variable": [withEnv("OPTIONS", "AUTH=off")],
      "a script that reads one": [
        instance({ metadata: { "user-data": "password: $PASSWORD\nTOKEN=$(cat /token) x\n" } }),
      ],
      "a public key": [instance({ metadata: { "user-data": `nkey: U${"A".repeat(55)}` } })],
      "an address": [
        withEnv("NATS_URL", "nats://10.8.0.2:4222"),
        withEnv("SITE", "https://example.com/@ada"),
      ],
      "a variable that is empty or not known yet": [
        withEnv("PASSWORD", ""),
        withEnv("PASSWORD", unknown),
      ],
    },
    breaks: {
      ...Object.fromEntries(
        (
          [
            ["an NKey seed", seed],
            ["a private key", "-----BEGIN RSA PRIVATE KEY-----\nMIIB"],
            ["a private key", "-----BEGIN PRIVATE KEY-----\nMIIB"],
            ["a JSON web token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmVk"],
            ["a Google API key", `AIza${"x".repeat(35)}`],
            ["an OAuth client secret", `GOCSPX-${"x".repeat(28)}`],
            ["an access token of Google", `ya29.${"x".repeat(40)}`],
            ["a GitHub token", `ghp_${"x".repeat(36)}`],
            ["a Slack token", "xoxb-1234567890-abc"],
            ["a Pulumi token", `pul-${"0".repeat(40)}`],
            ["the address of a Slack hook", "https://hooks.slack.com/services/T0/B0/x"],
            ["a header that authorizes", "Authorization: Bearer abcdefghijklmnop"],
            ["a password", "password: hunter2"],
            ["a password", "DB_PASSWORD=hunter2 node main.js"],
            ["a variable with a secret", "API_TOKEN=abc node main.js"],
            ["a password in a URL", "nats://ws:hunter2@10.8.0.2:4222"],
            ["a password in a URL", "redis://hunter2@10.8.0.2"],
          ] as const
        ).map(([what, text]) => [
          `${what} (${text.slice(0, 12)}…), deep in a text`,
          breaking(
            instance({ networkInterfaces: unknown, metadata: { "user-data": `a: ${text}\n` } }),
            `metadata.user-data holds ${what}`,
          ),
        ]),
      ),
      "a seed as a name": breaking(withEnv(seed, "x"), "the name of an input holds an NKey seed"),
      "a variable that says SECRET": breaking(
        withEnv("SEED_SECRET", "correct horse"),
        "envVariables.SEED_SECRET is called a secret and is no reference to one",
      ),
      ...Object.fromEntries(
        [
          ...[
            "DB_PASS",
            "ENCRYPTION_KEY",
            "NATS_NKEY",
            "AUTH",
            "TOKENS",
            "SEED_NATS",
            "DSN",
            "KEY",
          ],
          ...["TOKEN_HMAC", "apiKey", "CREDENTIALS_JSON"],
        ].map((name) => [
          `a variable that is called ${name}`,
          breaking(
            withEnv(name, "correct horse"),
            `envVariables.${name} is called a secret and is no reference to one`,
          ),
        ]),
      ),
      "a header": breaking(
        resource("monitoring/uptimeCheckConfig:UptimeCheckConfig", {
          httpCheck: { headers: { Authorization: "x" } },
        }),
        "httpCheck.headers.Authorization is secret and goes into the state",
      ),
      "a variable that ends in TOKEN": breaking(
        withEnv("API_TOKEN", "abc"),
        "envVariables.API_TOKEN is called a secret and is no reference to one",
      ),
      "the substitution of a build": breaking(
        resource("cloudbuild/trigger:Trigger", {
          serviceAccount: "d@shop.iam.gserviceaccount.com",
          substitutions: { _PASSWORD: "x" },
        }),
        "substitutions._PASSWORD is called a secret and is no reference to one",
      ),
      "a variable of a build's step": breaking(
        resource("cloudbuild/trigger:Trigger", {
          serviceAccount: "d@shop.iam.gserviceaccount.com",
          build: { steps: [{ envs: ["HOME=/root", "DB_PASS=abc"], env: ["A=b"] }] },
        }),
        "build.steps.0.envs.1 (DB_PASS) is called a secret and is no reference to one",
      ),
      "options that hold one": breaking(
        withEnv(
          "WS_CONFIG",
          JSON.stringify({ client: { token: { hmac_secret_key: "correct horse" } } }),
        ),
        "envVariables.WS_CONFIG: client.token.hmac_secret_key is called a secret and is no reference to one",
      ),
      "the version of a secret": breaking(
        resource("secretmanager/secretVersion:SecretVersion", {
          secret: "s",
          secretDataWo: unknown,
        }),
        "SecretVersion keeps a secret in the state",
      ),
      "the key of an account": breaking(
        resource("serviceaccount/key:Key", { serviceAccountId: "a" }),
        "Key keeps a secret in the state",
      ),
      "a password of any type": breaking(
        resource("sql/user:User", { name: "ada", password: "x" }),
        "password is secret and goes into the state",
      ),
      "the token of a channel": breaking(
        resource("monitoring/notificationChannel:NotificationChannel", {
          sensitiveLabels: { authToken: "x" },
        }),
        "sensitiveLabels.authToken is secret and goes into the state",
      ),
    },
  },
  "no-secret-output": {
    hold: {
      "addresses and names": [
        stack({ url: "https://shop.example.com", seedSecret: "projects/shop/secrets/seed" }),
      ],
      "what is not known yet": [stack({ apiToken: unknown })],
      "a number, whatever it is called": [stack({ tokens: 3 })],
    },
    breaks: {
      "a seed in an object": breaking(stack({ nats: { user: seed } }), "nats.user is an NKey seed"),
      "a part of what is called a secret": breaking(
        stack({ credentials: { user: "ada" } }),
        "credentials.user is a secret, by its name",
      ),
      "what is called a secret": breaking(
        stack({ apiToken: "correct horse" }),
        "apiToken is a secret, by its name",
      ),
    },
  },
  "closed-buckets": {
    hold: {
      "a closed bucket": [
        bucket({ uniformBucketLevelAccess: true, publicAccessPrevention: "enforced" }),
      ],
    },
    breaks: {
      "a bucket that says nothing": breaking(
        bucket({}),
        "uniformBucketLevelAccess is not true",
        'publicAccessPrevention is not "enforced"',
      ),
      "one that may become public": breaking(
        bucket({ uniformBucketLevelAccess: true, publicAccessPrevention: "inherited" }),
        'publicAccessPrevention is not "enforced"',
      ),
    },
  },
  "protected-data": {
    options: { mayLose: ["old-data"] },
    hold: {
      "protected data": [
        resource("compute/disk:Disk", {}, { protect: true }),
        resource("compute/network:Network", {}, { protect: true }),
        secret({ deletionProtection: true }, { protect: true }),
        resource(
          "firestore/database:Database",
          { deleteProtectionState: "DELETE_PROTECTION_ENABLED", deletionPolicy: "PREVENT" },
          { protect: true },
        ),
        bucket({ forceDestroy: false }, { protect: true }),
      ],
      "what can be made again": [bucket({ forceDestroy: true }), standard({}), instance({})],
      "what one deployment may delete": [
        { ...resource("compute/disk:Disk", {}, { stack: "dev" }), name: "old-data" },
      ],
      "another stack": [
        resource("compute/disk:Disk", {}, { stack: "dev" }),
        bucket({}, { stack: "dev" }),
      ],
    },
    breaks: {
      ...Object.fromEntries(
        [
          "appengine/application:Application",
          "compute/disk:Disk",
          "compute/network:Network",
          "compute/subnetwork:Subnetwork",
          "vpcaccess/connector:Connector",
        ].map((type) => [type, breaking(resource(type, {}), "is not protected")]),
      ),
      "a database that only Pulumi guards": breaking(
        resource("firestore/database:Database", { deletionPolicy: "DELETE" }, { protect: true }),
        "deleteProtectionState is not DELETE_PROTECTION_ENABLED",
        "deletionPolicy is not PREVENT",
      ),
      "a secret that nothing guards": breaking(
        secret({ deletionProtection: false }),
        "deletionProtection is not true",
        "is not protected",
      ),
      "one disk of two, whatever the stack is called": {
        resources: [true, false].map((protect) =>
          resource("compute/disk:Disk", {}, { stack: "shop-eu", protect }),
        ),
        problems: ["is not protected"],
      },
      "a bucket with files": breaking(bucket({}), "is not protected"),
    },
  },
  "bounded-scaling": {
    hold: {
      "each kind of standard": [
        standard({ automaticScaling: { standardSchedulerSettings: { maxInstances: 2 } } }),
        standard({ basicScaling: { maxInstances: 2 } }),
        standard({ manualScaling: { instances: 2 } }),
      ],
      "each kind of flexible": [
        flexible({ automaticScaling: { maxTotalInstances: 2 } }),
        flexible({ manualScaling: { instances: unknown } }),
        flexible({ manualScaling: { instances: 1000 } }),
      ],
    },
    breaks: {
      "no scaling": breaking(standard({}), "no kind of scaling is given"),
      two: breaking(
        standard({ basicScaling: { maxInstances: 1 }, manualScaling: { instances: 1 } }),
        "more than one kind of scaling is given",
      ),
      "a maximum that is turned off": breaking(
        standard({ automaticScaling: { standardSchedulerSettings: { maxInstances: 0 } } }),
        "automaticScaling.standardSchedulerSettings.maxInstances is no maximum",
      ),
      "a maximum that is none": breaking(
        flexible({ automaticScaling: { maxTotalInstances: 1e9 } }),
        "automaticScaling.maxTotalInstances is no maximum",
      ),
      "the maximum of the other environment": breaking(
        flexible({ automaticScaling: { standardSchedulerSettings: { maxInstances: 2 } } }),
        "automaticScaling.maxTotalInstances is no maximum",
      ),
    },
  },
  "immutable-versions": {
    hold: {
      "one that is kept": [standard(kept)],
      "ones that cost": [
        standard({ ...kept, automaticScaling: undefined, manualScaling: {}, noopOnDestroy: false }),
        flexible({ ...kept, noopOnDestroy: false }),
      ],
      "one with an id that is not known yet": [standard({ ...kept, versionId: unknown })],
    },
    breaks: {
      "a name by hand": breaking(
        standard({ ...kept, versionId: "v2" }),
        "versionId is v2, which is no digest",
      ),
      none: breaking(
        standard({ ...kept, versionId: undefined }),
        "versionId is undefined, which is no digest",
      ),
      "a machine that goes on": breaking(
        flexible(kept),
        "noopOnDestroy is not false: its instances would go on costing money",
      ),
      "a version that is gone": breaking(
        standard({ ...kept, noopOnDestroy: false }),
        "noopOnDestroy is not true: there would be no quick rollback",
      ),
      "a service that is gone": breaking(
        standard({ ...kept, deleteServiceOnDestroy: true }),
        "deleteServiceOnDestroy is not false: the next version would go with this one",
      ),
    },
  },
  "explicit-ingress": {
    hold: {
      "services that say it": [
        standard({}),
        flexible({}),
        ingress("add", "INGRESS_TRAFFIC_ALLOWED_ALL"),
        ingress("ws", "INGRESS_TRAFFIC_ALLOWED_INTERNAL_AND_LB"),
      ],
    },
    breaks: {
      "a service without settings": {
        resources: [standard({}), flexible({}), ingress("ws", "INGRESS_TRAFFIC_ALLOWED_ALL")],
        problems: ["the service add has no ServiceNetworkSettings"],
      },
      "a flexible service without settings": breaking(
        flexible({}),
        "the service ws has no ServiceNetworkSettings",
      ),
      "settings that say nothing": breaking(
        ingress("add", "INGRESS_TRAFFIC_ALLOWED_UNSPECIFIED"),
        "networkSettings.ingressTrafficAllowed is not given",
      ),
    },
  },
  "lasting-subscriptions": {
    hold: {
      "one that lasts": [subscription({})],
      "one of which the topics are not known yet": [
        subscription({ topic: unknown, deadLetterPolicy: { deadLetterTopic: unknown } }),
      ],
    },
    breaks: {
      "one that says nothing": breaking(
        subscription({ expirationPolicy: undefined, deadLetterPolicy: undefined }),
        'expirationPolicy.ttl is not "", so it expires',
        "deadLetterPolicy.deadLetterTopic is not given",
      ),
      "one that ends": breaking(
        subscription({ topic: unknown, expirationPolicy: { ttl: "2678400s" } }),
        'expirationPolicy.ttl is not "", so it expires',
      ),
      "one that pushes in the open": breaking(
        subscription({ pushConfig: { pushEndpoint: "http://example.com" } }),
        "pushConfig.pushEndpoint is not https",
      ),
      "one of which the dead letters go elsewhere": breaking(
        subscription({
          project: "shop",
          deadLetterPolicy: { deadLetterTopic: "projects/other/topics/x" },
        }),
        "deadLetterPolicy.deadLetterTopic is in another project",
      ),
      "one that goes in circles": breaking(
        subscription({ deadLetterPolicy: { deadLetterTopic: "projects/shop/topics/changes" } }),
        "deadLetterPolicy.deadLetterTopic is the topic itself",
      ),
    },
  },
  "one-region": {
    options: { otherRegions: ["europe-west4"] },
    hold: {
      "all in one": [
        application("europe-west3"),
        connector("europe-west3"),
        instance({ zone: "europe-west3-a" }),
      ],
      "a location that is called otherwise": [
        application("us-central"),
        connector("us-central1"),
        address({
          region: "https://www.googleapis.com/compute/v1/projects/shop/regions/us-central1",
        }),
      ],
      "a region that is allowed": [
        application("europe-west3"),
        instance({ zone: "europe-west4-b" }),
      ],
      "a part of the stack": [connector("asia-east1")],
      "a place that is not given": [
        application("us-east1"),
        resource("vpcaccess/connector:Connector", {}),
      ],
      "a place that is not known yet": [application("us-east1"), connector(unknown)],
    },
    breaks: {
      "a connector elsewhere": {
        resources: [application("europe-west3"), connector("us-central1")],
        problems: ["region is us-central1, the application is in europe-west3"],
      },
      "a machine elsewhere": {
        resources: [instance({ zone: "europe-west2-a" }), application("europe-west")],
        problems: ["zone is europe-west2-a, the application is in europe-west1"],
      },
    },
  },
  labels: {
    hold: {
      "all three": [
        instance({ labels: labelled }),
        resource("monitoring/alertPolicy:AlertPolicy", { userLabels: labelled }),
        resource("monitoring/dashboard:Dashboard", {
          dashboardJson: JSON.stringify({ labels: { shop: "", prod: "", operations: "" } }),
        }),
      ],
      "what is not known yet": [
        instance({ labels: unknown }),
        resource("monitoring/dashboard:Dashboard", { dashboardJson: unknown }),
      ],
      "what has none": [resource("compute/network:Network", {})],
    },
    breaks: {
      none: breaking(instance({}), "labels has no app, no stack, no component"),
      two: breaking(secret({ labels: { ...labelled, component: "" } }), "labels has no component"),
      "another stack's": breaking(
        instance({ labels: { ...labelled, stack: "dev" } }),
        'labels.stack is "dev" in the stack prod',
      ),
      "those of a channel's address": breaking(
        resource("monitoring/notificationChannel:NotificationChannel", { labels: labelled }),
        "userLabels has no app, no stack, no component",
      ),
      "a dashboard without": breaking(
        resource("monitoring/dashboard:Dashboard", { dashboardJson: "{}" }),
        "dashboardJson.labels are not app, stack and component, of which the stack is prod",
      ),
      "a dashboard of another stack": breaking(
        resource("monitoring/dashboard:Dashboard", {
          dashboardJson: JSON.stringify({ labels: { shop: "", dev: "", operations: "" } }),
        }),
        "dashboardJson.labels are not app, stack and component, of which the stack is prod",
      ),
    },
  },
};
