import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { createUser } from "nkeys.js";
import { decodeSettings as decode, namespace, needsApproval, readSettings } from "../../config.ts";

const [addKey = "", wsKey = "", mKey = ""] = [1, 2, 3].map(() => createUser().getPublicKey());
const keys = { add: addKey, ws: wsKey, m: mKey };

const decodeSettings = (raw: Readonly<Record<string, string>>, stack = "dev") => decode(raw, stack);

/** A right value for every key, as a program would want to write it. */
const right = {
  location: "us-central",
  protect: false,
  adopt: { application: false, database: false },
  network: {
    natsRange: "10.8.0.0/28",
    flexRange: "10.8.4.0/22",
    connector: {
      range: "10.8.1.0/28",
      minInstances: 2,
      maxInstances: 3,
      machineType: "e2-micro",
    },
  },
  nats: {
    version: "2.15.1",
    zones: ["us-central1-a"],
    machineType: "e2-small",
    diskGb: 10,
    memoryMb: 256,
  },
  natsKeys: keys,
  web: { scaling: { instanceClass: "F1", minInstances: 0, maxInstances: 2 } },
  add: { scaling: { instanceClass: "F1", minInstances: 0, maxInstances: 2 } },
  ws: {
    machine: { cpu: 1, memoryGb: 0.6, diskGb: 10 },
    scaling: { minInstances: 1, maxInstances: 2 },
  },
  m: { instanceClass: "B1", instances: 3 },
  build: {},
};

/** The settings as Pulumi hands them over. Undefined takes a key away. */
function raw(
  changes: Record<string, unknown> = {},
  gcp: Record<string, string | undefined> = {},
): Record<string, string> {
  const own = Object.entries({ ...right, ...changes }).map(
    ([key, value]: [string, unknown]): [string, string | undefined] => [
      `${namespace}:${key}`,
      typeof value === "string" || value === undefined ? value : JSON.stringify(value),
    ],
  );
  const all = { "gcp:project": "my-project", "gcp:region": "us-central1", ...gcp };
  const texts: Record<string, string> = {};
  for (const [key, value] of [...Object.entries(all), ...own]) {
    if (value !== undefined) texts[key] = value;
  }
  return texts;
}

/** The problems that the settings are refused with. */
function problemsOf(settings: Record<string, string>, stack?: string): string[] {
  try {
    decodeSettings(settings, stack);
  } catch (error) {
    const [first, ...lines] = (error as Error).message.split("\n");
    assert.equal(first, "The settings of this stack are wrong:");
    return lines.map((line) => line.replace(/^ {2}- /, "").replace(`${namespace}:`, ""));
  }
  return assert.fail("the settings were accepted");
}
const refused = (changes: Record<string, unknown>, gcp?: Record<string, string | undefined>) =>
  problemsOf(raw(changes, gcp));

const github = { owner: "octo-org", repository: "realtime", repositoryId: "74" };

describe("settings", () => {
  it("are decoded into plain values with what derives from them", () => {
    assert.deepEqual(decodeSettings(raw()), {
      ...right,
      project: "my-project",
      region: "us-central1",
      databaseLocation: "nam5",
    });
  });

  it("keep what is optional and given", () => {
    const imageDigest = `sha256:${"0".repeat(64)}`;
    const image = `europe-docker.pkg.dev/p/services/ws@${imageDigest}`;
    const settings = decodeSettings(
      raw({
        nats: { ...right.nats, imageDigest },
        web: { ...right.web, trafficVersion: "v0123456789" },
        ws: { ...right.ws, image },
        build: { legacyProjectNumber: "123456789012", github },
      }),
    );
    assert.equal(settings.nats.imageDigest, imageDigest);
    assert.equal(settings.web.trafficVersion, "v0123456789");
    assert.equal(settings.ws.image, image);
    assert.equal(settings.build.legacyProjectNumber, "123456789012");
    assert.deepEqual(settings.build.github, github);
  });

  it("wait for an approval of releases, unless they say otherwise or GitHub alone deploys", () => {
    const of = (build: object) => decodeSettings(raw({ build })).build;
    const release = { ...github, deployEnvironment: "prod" };
    assert.equal(needsApproval(of({ github })), false);
    assert.equal(needsApproval(of({ github, approval: true })), true);
    assert.equal(needsApproval(of({ github: release })), true);
    assert.equal(needsApproval(of({ github: release, approval: false })), false);
    of({ github: { ...release, deployFromGithub: true, deployTrigger: false } });
    of({ github: { ...release, deployFromGithub: true }, approval: false });
    of({ github: { ...github, deployFromGithub: true } });
  });

  it("have no replicated memory where a stack leaves it out, or where a null takes it away", () => {
    for (const m of [undefined, null]) {
      const settings = decodeSettings(raw({ m }));
      assert(!("m" in settings));
      assert.equal(settings.natsKeys.m, keys.m);
      // Its key may be missing then, too.
      const { add, ws } = keys;
      assert.deepEqual(decodeSettings(raw({ m, natsKeys: { add, ws } })).natsKeys, { add, ws });
    }
  });

  it("are frozen through and through", () => {
    const settings = decodeSettings(raw());
    assert(Object.isFrozen(settings));
    assert.throws(() => {
      Object.assign(settings.network.connector, { range: "10.0.0.0/28" });
    }, TypeError);
    assert.throws(() => {
      settings.nats.zones.push("us-central1-b");
    }, TypeError);
  });

  it("take the region and the database of each location from the location", () => {
    const of = (location: string, region: string) =>
      decodeSettings(
        raw(
          { location, nats: { ...right.nats, zones: [`${region}-b`] } },
          { "gcp:region": region },
        ),
      ).databaseLocation;
    assert.equal(of("europe-west", "europe-west1"), "eur3");
    assert.equal(of("us-central", "us-central1"), "nam5");
    assert.equal(of("asia-south1", "asia-south1"), "asia-south1");
  });

  it("leave the keys of other namespaces alone", () => {
    decodeSettings({ ...raw(), "gcp:zone": "x", "pulumi:tags": "{}" });
  });

  it("are taken from Pulumi's configuration of the running program", () => {
    pulumi.runtime.setAllConfig(raw({ protect: true }));
    assert.equal(readSettings().protect, true);
  });

  it("know the stack by its name, which no setting changes", async () => {
    const mocks = { call: () => ({}), newResource: () => ({ id: "", state: {} }) };
    const gateway = { client: { insecure: true } };
    const settings = raw({ ws: { ...right.ws, gateway } });
    await pulumi.runtime.setMocks(mocks, namespace, "dev");
    pulumi.runtime.setAllConfig(settings);
    assert.deepEqual(readSettings().ws.gateway, gateway);
    await pulumi.runtime.setMocks(mocks, namespace, "prod");
    pulumi.runtime.setAllConfig(settings);
    assert.throws(readSettings, /ws\.gateway\.client\.insecure: is refused/);
  });
});

describe("wrong settings", () => {
  it("are all reported at once, each with its key, its value and what is allowed", () => {
    assert.deepEqual(
      problemsOf({
        ...raw(
          {
            location: "mars",
            protect: "yes",
            adopt: undefined,
            network: { ...right.network, natsRange: "10.8.0.1/28" },
            web: { scaling: { instanceClass: "B1", minInstances: "2", maxInstances: 2 } },
          },
          { "gcp:project": "My project" },
        ),
        [`${namespace}:netwrok`]: "{}",
      }),
      [
        "netwrok: is not known; allowed: location, protect, adopt, network, nats, natsKeys, web, add, ws, m, alerts, build",
        'gcp:project: "My project"; allowed: a project\'s id: 6 to 30 lower-case letters, digits and hyphens, a letter first',
        'location: "mars"; allowed: us-central, us-west1, us-west2, us-west3, us-west4, us-east1, us-east4, northamerica-northeast1, southamerica-east1, europe-west, europe-west2, europe-west3, europe-west6, europe-central2, asia-east1, asia-east2, asia-northeast1, asia-northeast2, asia-northeast3, asia-south1, asia-southeast1, asia-southeast2, australia-southeast1',
        'protect: "yes"; allowed: true or false',
        "adopt: is missing; allowed: an object with application, database",
        'web.scaling.instanceClass: "B1"; allowed: F1, F2, F4, F4_1G',
        'web.scaling.minInstances: "2"; allowed: a whole number',
        'network.natsRange: "10.8.0.1/28" is not an IPv4 range; allowed: a.b.c.d/n with no bit set after the first n',
      ],
    );
  });

  it("name a misspelt key and the key that it was meant for together", () => {
    assert.deepEqual(
      problemsOf({ ...raw({ location: undefined }), [`${namespace}:loaction`]: "us-central" }).map(
        (problem) => problem.split("; allowed")[0],
      ),
      ["loaction: is not known", "location: is missing"],
    );
  });

  it("name every key that is missing", () => {
    const problems = problemsOf({});
    assert.deepEqual(
      problems.map((problem) => problem.split("; allowed")[0]),
      ["gcp:project", "gcp:region", ...Object.keys(right).filter((key) => key !== "m")].map(
        (key) => `${key}: is missing`,
      ),
    );
  });

  it("give tokens to nobody where anything is protected, or in prod, or without a key for them", () => {
    const gateway = { client: { token: { hmac_secret_key: { secret: "ws-token-hmac" } } } };
    const settings = (demoTokens: boolean, changes: Record<string, unknown> = {}) =>
      raw({ web: { ...right.web, demoTokens }, ws: { ...right.ws, gateway }, ...changes });
    const strict =
      "web.demoTokens: is refused where `protect` is true and in stack prod; allowed: false";
    assert.deepEqual(problemsOf(settings(true, { protect: true }), "dev"), [strict]);
    assert.deepEqual(problemsOf(settings(true), "prod"), [strict]);
    assert.deepEqual(problemsOf(settings(true, { ws: right.ws }), "dev"), [
      "web.demoTokens: true; allowed: only with ws.gateway.client.token.hmac_secret_key, which signs them",
    ]);
    decodeSettings(settings(true), "dev");
    decodeSettings(settings(false, { protect: true, ws: right.ws }), "prod");
  });

  describe("of the gateway", () => {
    const withGateway = (gateway: unknown, changes: Record<string, unknown> = {}) =>
      raw({ ws: { ...right.ws, gateway }, ...changes });

    for (const [what, path] of [
      ["clients without a token", ["client", "insecure"]],
      ["tokens that nobody signed", ["client", "insecure_skip_token_signature_verify"]],
      ["a server API without a key", ["http_api", "insecure"]],
    ] as const) {
      const [block, option] = path;
      const settings = (value: unknown, protect: boolean) =>
        withGateway({ [block]: { [option]: value } }, { protect });
      const problem = `ws.gateway.${block}.${option}: is refused where \`protect\` is true and in stack prod; allowed: false`;

      it(`must not let in ${what} where anything is protected, or in prod`, () => {
        for (const value of [true, "true", 1, null]) {
          assert.deepEqual(problemsOf(settings(value, true), "dev"), [problem]);
          assert.deepEqual(problemsOf(settings(value, true), "prod"), [problem]);
          // `protect` is turned off in prod, too, for a deployment that deletes something.
          assert.deepEqual(problemsOf(settings(value, false), "prod"), [problem]);
        }
        decodeSettings(settings(true, false), "dev");
        decodeSettings(settings(false, true), "prod");
      });
    }

    it("must not hold a secret, and the message does not repeat it", () => {
      const secret = "correct-horse-battery-staple";
      const problems = problemsOf(
        withGateway({
          client: {
            token: { hmac_secret_key: secret, rsa_public_key: "no secret" },
            subscription_token: { hmac_previous_secret_key: { secret: "nats-seed-m" } },
          },
          http_api: { key: { secret: "ws-api-key", value: secret } },
        }),
      );
      const rule = "allowed: {secret: ws-…}, the id of a secret in Secret Manager";
      assert.deepEqual(problems, [
        `ws.gateway.client.token.hmac_secret_key: is in plain text; ${rule}`,
        `ws.gateway.client.subscription_token.hmac_previous_secret_key: is no reference; ${rule}`,
        `ws.gateway.http_api.key: is no reference; ${rule}`,
      ]);
    });

    it("are an object, which is not shown when it is none", () => {
      const problem = "ws.gateway: is no object; allowed: the gateway's options by name";
      for (const gateway of ['{"http_api": 1}', null, ["x"], 1]) {
        assert.deepEqual(problemsOf(withGateway(gateway)), [problem]);
      }
      const key = `${namespace}:ws`;
      for (const ws of ["{http_api: s3cret", '["s3cret"]']) {
        assert.deepEqual(problemsOf({ ...raw(), [key]: ws }), [
          "ws: (not shown); allowed: an object with machine, scaling, image, gateway",
        ]);
      }
    });
  });

  it("never repeat a seed", () => {
    const seed = new TextDecoder().decode(createUser().getSeed());
    const places: Record<string, unknown>[] = [
      { natsKeys: { add: seed, ws: keys.ws } },
      { natsKeys: { add: { seed }, ws: keys.ws } },
      { natsKeys: seed },
      { natsKeys: { ...keys, [seed]: "add" } },
      { natsKeys: { ...keys, add: { [seed]: "add" } } },
      { [seed]: "add" },
      { nats: { ...right.nats, machineType: seed } },
      { nats: { ...right.nats, zones: [seed] } },
      { network: { ...right.network, natsRange: seed } },
    ];
    for (const changes of places) {
      const problems = refused(changes).join("\n");
      assert(!problems.includes(seed) && problems.includes("a seed, which is secret"), problems);
    }
  });

  it("include fields that nobody reads", () => {
    assert.deepEqual(
      refused({ network: { ...right.network, connecter: {} }, build: { by: "me" } }),
      [
        "network.connecter: is not known; allowed: natsRange, flexRange, connector",
        "build.by: is not known; allowed: legacyProjectNumber, github, approval",
      ],
    );
  });

  it("show a number that is none as it is, not as the null that JSON has for it", () => {
    const settings = raw();
    const ws = '{"machine":{"cpu":1e999,"memoryGb":1,"diskGb":10},"scaling":[1e999]}';
    assert.deepEqual(problemsOf({ ...settings, [`${namespace}:ws`]: ws }), [
      "ws.machine.cpu: Infinity; allowed: a whole number",
      'ws.scaling: ["Infinity"]; allowed: an object with minInstances, maxInstances',
    ]);
  });

  it("end the program without a stack trace, which would hide them", () => {
    assert.throws(
      () => decodeSettings({}),
      (error) => pulumi.RunError.isInstance(error),
    );
  });

  const { network, nats, web, ws } = right;
  const { connector } = network;
  const region = { "gcp:region": "us-east1" };
  const eachRefused: [
    string,
    Record<string, unknown>,
    Record<string, string> | undefined,
    string,
  ][] = [
    [
      "a region that is not the location's",
      { nats: { ...nats, zones: ["us-east1-b"] } },
      region,
      'gcp:region: "us-east1"; allowed with location us-central: us-central1',
    ],
    [
      "a zone of another region",
      { nats: { ...nats, zones: ["us-east1-b"] } },
      undefined,
      'nats.zones: "us-east1-b" is not in the region; allowed: "us-central1-a" and the like',
    ],
    [
      "two nodes",
      { nats: { ...nats, zones: ["us-central1-a", "us-central1-b"] } },
      undefined,
      "nats.zones: 2 zones; allowed: 1, or 3 for a cluster",
    ],
    [
      "two nodes in one zone",
      { nats: { ...nats, zones: ["us-central1-a", "us-central1-b", "us-central1-a"] } },
      undefined,
      "nats.zones: us-central1-a, us-central1-b, us-central1-a; allowed: each zone once",
    ],
    [
      "a digest that is not one",
      { nats: { ...nats, imageDigest: "sha256:12" } },
      undefined,
      'nats.imageDigest: "sha256:12"; allowed: "sha256:" and 64 hexadecimal digits in lower case',
    ],
    [
      "a version that is a number",
      { nats: { ...nats, version: 2.15 } },
      undefined,
      'nats.version: 2.15; allowed: three numbers in quotes, e.g. "2.15.1"',
    ],
    [
      "a version that is a tag",
      { nats: { ...nats, version: "latest" } },
      undefined,
      'nats.version: "latest"; allowed: three numbers, e.g. "2.15.1"',
    ],
    [
      "a connector range that is not a /28",
      { network: { ...network, connector: { ...connector, range: "10.8.1.0/27" } } },
      undefined,
      'network.connector.range: "10.8.1.0/27" is a /27; allowed: a /28',
    ],
    [
      "ranges that overlap",
      { network: { ...network, connector: { ...connector, range: "10.8.4.16/28" } } },
      undefined,
      'network.connector.range: "10.8.4.16/28" overlaps flexRange "10.8.4.0/22"; allowed: ranges that share no address',
    ],
    [
      "a public range",
      { network: { ...network, flexRange: "8.8.0.0/22" } },
      undefined,
      'network.flexRange: "8.8.0.0/22" is not private; allowed: inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16',
    ],
    [
      "a subnet without room for the nodes",
      {
        network: { ...network, natsRange: "10.8.0.0/30" },
      },
      undefined,
      'network.natsRange: "10.8.0.0/30" is a /30; allowed: /8 to /29',
    ],
    [
      "a connector of one instance",
      { network: { ...network, connector: { ...connector, minInstances: 1 } } },
      undefined,
      "network.connector.minInstances: 1; allowed: 2 to 9",
    ],
    [
      "a connector with more instances than one may have",
      { network: { ...network, connector: { ...connector, maxInstances: 11 } } },
      undefined,
      "network.connector.maxInstances: 11; allowed: 3 to 10",
    ],
    [
      "a connector's machine type that there is not",
      { network: { ...network, connector: { ...connector, machineType: "n1-huge" } } },
      undefined,
      'network.connector.machineType: "n1-huge"; allowed: f1-micro, e2-micro, e2-standard-4',
    ],
    [
      "a disk that is too small",
      { nats: { ...nats, diskGb: 5 } },
      undefined,
      "nats.diskGb: 5; allowed: 10 to 65536",
    ],
    [
      "a connector that cannot grow",
      { network: { ...network, connector: { ...connector, minInstances: 3 } } },
      undefined,
      "network.connector.maxInstances: 3; allowed: more than connector.minInstances (3)",
    ],
    [
      "a key that is a seed or misspelt",
      { natsKeys: { ...keys, add: "SUAKEY" } },
      undefined,
      'natsKeys.add: "SUAKEY"; allowed: a user\'s public NKey (U and 55 more characters), as `npm run nats-keys` writes it',
    ],
    [
      "one key for two services",
      { natsKeys: { ...keys, add: keys.ws } },
      undefined,
      "natsKeys.ws: the same as natsKeys.add; allowed: one key for each service",
    ],
    [
      "the key of another service for m",
      { natsKeys: { ...keys, m: keys.ws } },
      undefined,
      "natsKeys.m: the same as natsKeys.ws; allowed: one key for each service",
    ],
    [
      "the key of the first service for m",
      { natsKeys: { ...keys, m: keys.add } },
      undefined,
      "natsKeys.m: the same as natsKeys.add; allowed: one key for each service",
    ],
    [
      "replicated memory without a key",
      { natsKeys: { add: keys.add, ws: keys.ws } },
      undefined,
      "natsKeys.m: is missing; allowed with m: a user's public NKey (U and 55 more characters), as `npm run nats-keys` writes it",
    ],
    [
      "no instances of m",
      { m: { ...right.m, instances: 0 } },
      undefined,
      "m.instances: 0 is not possible; 1 to 200",
    ],
    [
      "more instances of m than there may be",
      { m: { ...right.m, instances: 201 } },
      undefined,
      "m.instances: 201 is not possible; 1 to 200",
    ],
    [
      "half an instance of m",
      { m: { ...right.m, instances: 2.5 } },
      undefined,
      "m.instances: 2.5; allowed: a whole number",
    ],
    [
      "a class for m that goes to sleep",
      { m: { ...right.m, instanceClass: "F1" } },
      undefined,
      'm.instanceClass: "F1"; allowed: B1, B2, B4, B4_1G, B8',
    ],
    [
      "replicated memory without its size",
      { m: {} },
      undefined,
      "m.instances: is missing; allowed: a whole number",
    ],
    [
      "a null for what must be there",
      { ws: null },
      undefined,
      "ws: is missing; allowed: an object with machine, scaling, image, gateway",
    ],
    [
      "fewer instances at most than at least",
      { web: { scaling: { ...web.scaling, minInstances: 3 } } },
      undefined,
      "web.scaling.maxInstances: 2 is not possible; 1 to 1000, and no less than minInstances",
    ],
    [
      "fewer instances than none",
      { add: { scaling: { ...web.scaling, minInstances: -1 } } },
      undefined,
      "add.scaling.minInstances: -1 is not possible; 0 to 1000",
    ],
    [
      "more instances than a service may have",
      { add: { scaling: { ...web.scaling, maxInstances: 1001 } } },
      undefined,
      "add.scaling.maxInstances: 1001 is not possible; 1 to 1000, and no less than minInstances",
    ],
    [
      "half an instance",
      { web: { scaling: { ...web.scaling, maxInstances: 1.5 } } },
      undefined,
      "web.scaling.maxInstances: 1.5; allowed: a whole number",
    ],
    [
      "a flexible service without instances",
      { ws: { ...ws, scaling: { minInstances: 0, maxInstances: 1 } } },
      undefined,
      "ws.scaling.minInstances: 0 is not possible; 1 to 1000",
    ],
    [
      "fewer flexible instances at most than at least",
      { ws: { ...ws, scaling: { minInstances: 3, maxInstances: 2 } } },
      undefined,
      "ws.scaling.maxInstances: 2 is not possible; minInstances to 1000",
    ],
    [
      "a version to go back to that this program cannot have made",
      { web: { ...web, trafficVersion: "20260102t030405" } },
      undefined,
      'web.trafficVersion: "20260102t030405"; allowed: a version\'s id, e.g. v0a1b2c3d4e',
    ],
    [
      "a project's id where its number belongs",
      { build: { legacyProjectNumber: "my-project" } },
      undefined,
      'build.legacyProjectNumber: "my-project"; allowed: the project\'s number in quotes, e.g. "123456789012"',
    ],
    [
      "a repository with its owner in its name",
      { build: { github: { ...github, repository: "octo-org/realtime" } } },
      undefined,
      'build.github.repository: "octo-org/realtime"; allowed: a repository\'s name without its owner',
    ],
    [
      "an owner that is no account of GitHub",
      { build: { github: { ...github, owner: "octo_org" } } },
      undefined,
      'build.github.owner: "octo_org"; allowed: a user or an organization of GitHub',
    ],
    [
      "a repository's number without quotes",
      { build: { github: { ...github, repositoryId: 74 } } },
      undefined,
      'build.github.repositoryId: 74; allowed: the repository\'s number in quotes, e.g. "123456789"',
    ],
    [
      "a pattern where one branch deploys",
      { build: { github: { ...github, deployBranch: "release/*" } } },
      undefined,
      'build.github.deployBranch: "release/*"; allowed: a branch, no pattern',
    ],
    [
      "an environment with a quote in it",
      { build: { github: { ...github, deployEnvironment: "prod'" } } },
      undefined,
      'build.github.deployEnvironment: "prod\'"; allowed: an environment of GitHub, e.g. prod',
    ],
    [
      "a branch and an environment that both deploy",
      { build: { github: { ...github, deployBranch: "main", deployEnvironment: "prod" } } },
      undefined,
      'build.github.deployEnvironment: "prod"; allowed: not together with deployBranch',
    ],
    [
      "a repository without an owner",
      { build: { github: { repository: "realtime", repositoryId: "74" } } },
      undefined,
      "build.github.owner: is missing; allowed: a user or an organization of GitHub",
    ],
    [
      "a repository that only its name tells from others",
      { build: { github: { owner: "octo-org", repository: "realtime" } } },
      undefined,
      'build.github.repositoryId: is missing; allowed: the repository\'s number in quotes, e.g. "123456789"',
    ],
    [
      "a way around the approval of releases",
      { build: { github: { ...github, deployEnvironment: "prod", deployFromGithub: true } } },
      undefined,
      "build.github.deployFromGithub: true; allowed: not beside a trigger that waits for an approval, which it would go around",
    ],
    [
      "a way around an approval",
      { build: { approval: true, github: { ...github, deployFromGithub: true } } },
      undefined,
      "build.github.deployFromGithub: true; allowed: not beside a trigger that waits for an approval, which it would go around",
    ],
    [
      "an approval of what nothing starts",
      { build: { approval: true } },
      undefined,
      "build.approval: true; allowed: only with build.github",
    ],
    [
      "an image by its tag",
      { ws: { ...ws, image: "europe-docker.pkg.dev/p/services/ws:latest" } },
      undefined,
      'ws.image: "europe-docker.pkg.dev/p/services/ws:latest"; allowed: an image pinned by its digest: registry/name@sha256: and 64 hexadecimal digits',
    ],
    [
      "a machine with three processors",
      { ws: { ...ws, machine: { cpu: 3, memoryGb: 4, diskGb: 10 } } },
      undefined,
      "ws.machine.cpu: 3 is not possible; 1, or an even number to 96",
    ],
    [
      "a machine with more memory than its processors may have",
      { ws: { ...ws, machine: { cpu: 1, memoryGb: 8, diskGb: 10 } } },
      undefined,
      "ws.machine.memoryGb: 8 is not possible with 1 processors; 0.6 to 6.1",
    ],
    [
      "text where an object belongs",
      { build: "me" },
      undefined,
      'build: "me"; allowed: an object with legacyProjectNumber, github, approval',
    ],
  ];
  for (const [what, changes, gcp, message] of eachRefused) {
    it(`include ${what}`, () => {
      const problems = refused(changes, gcp);
      assert(problems.includes(message), JSON.stringify(problems, null, 2));
    });
  }
});
