import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatRange, overlap, parseRange } from "../../components/lib/cidr.ts";
import {
  networkProblems,
  PrivateNetwork,
  type PrivateNetworkArgs,
} from "../../components/private-network.ts";
import { record, refuses } from "../support/pulumi.ts";

const args: PrivateNetworkArgs = {
  project: "my-project",
  region: "europe-west1",
  natsRange: "10.8.0.0/28",
  flexRange: "10.8.4.0/22",
  connector: {
    range: "10.8.1.0/28",
    minInstances: 2,
    maxInstances: 3,
    machineType: "e2-micro",
  },
  protect: true,
};
const connector = (change: Partial<PrivateNetworkArgs["connector"]>): PrivateNetworkArgs => ({
  ...args,
  connector: { ...args.connector, ...change },
});

describe("PrivateNetwork", () => {
  it("declares a network with two subnets that reach Google's APIs from inside", async () => {
    const { one } = await record(() => new PrivateNetwork("realtime", args));
    // A description would be a trap: a change of it replaces the network.
    assert.deepEqual(one("Network").inputs, {
      project: "my-project",
      name: "realtime",
      autoCreateSubnetworks: false,
      routingMode: "REGIONAL",
    });
    for (const [name, range] of [
      ["realtime-nats", "10.8.0.0/28"],
      ["realtime-flex", "10.8.4.0/22"],
    ]) {
      assert.deepEqual(one("Subnetwork", name).inputs, {
        project: "my-project",
        region: "europe-west1",
        name,
        network: "realtime-network-id",
        ipCidrRange: range,
        privateIpGoogleAccess: true,
      });
    }
  });

  it("declares a connector with a name and with both sizes, never a throughput", async () => {
    const { one } = await record(() => new PrivateNetwork("realtime", args));
    assert.deepEqual(one("Connector").inputs, {
      project: "my-project",
      region: "europe-west1",
      name: "realtime",
      network: "realtime",
      ipCidrRange: "10.8.1.0/28",
      minInstances: 2,
      maxInstances: 3,
      machineType: "e2-micro",
    });
  });

  it("tells others its names as plain text, in a preview too", async () => {
    const { result } = await record(() => new PrivateNetwork("realtime", args), { preview: true });
    assert.equal(result.networkName, "realtime");
    assert.equal(result.flexSubnetName, "realtime-flex");
    assert.equal(
      result.connectorName,
      "projects/my-project/locations/europe-west1/connectors/realtime",
    );
    assert.deepEqual(result.clientRanges, ["10.8.1.0/28", "10.8.4.0/22"]);
  });

  for (const protect of [true, false]) {
    it(`${protect ? "refuses" : "allows"} to replace any of it where protection is ${protect ? "on" : "off"}`, async () => {
      const { resources } = await record(
        () => new PrivateNetwork("realtime", { ...args, protect }),
      );
      const own = resources.filter(({ custom }) => custom);
      assert.equal(own.length, 4);
      for (const resource of own) {
        assert.equal(resource.protect, protect, resource.name);
        // The names are taken: the other order could only fail.
        assert.equal(resource.deleteBeforeReplace, true, resource.name);
      }
    });
  }

  it("declares no router and no address that can be reached from outside", async () => {
    const { resources } = await record(() => new PrivateNetwork("realtime", args));
    assert.deepEqual(resources.map(({ type }) => type.split(":").at(-1)).sort(), [
      "Connector",
      "Network",
      "PrivateNetwork",
      "Subnetwork",
      "Subnetwork",
    ]);
  });

  it("refuses a name that App Engine does not take for a connector", async () => {
    // 20 and 21 characters, hyphens counting as two.
    await record(() => new PrivateNetwork("realtime-a-b-netw", args));
    for (const name of ["realtime-a-b-netwo", "abcdefghijklmnopqrstu", "Realtime", "real_time"]) {
      await refuses(
        () => new PrivateNetwork(name, args),
        `PrivateNetwork "${name}" cannot be declared:\n` +
          `  - name: "${name}" cannot name a connector; allowed: lower-case letters, digits and ` +
          "hyphens, 20 characters at most where a hyphen counts as two",
      );
    }
  });

  it("refuses a wrong layout with all that is wrong, before anything is declared", async () => {
    await refuses(
      () =>
        new PrivateNetwork("realtime", {
          ...args,
          natsRange: "10.8.0.0",
          flexRange: "8.8.8.0/24",
          connector: {
            range: "10.8.0.0/27",
            minInstances: 1,
            maxInstances: 11,
            machineType: "n2",
          },
        }),
      [
        'PrivateNetwork "realtime" cannot be declared:',
        '  - natsRange: "10.8.0.0" is not an IPv4 range; allowed: a.b.c.d/n with no bit set after the first n',
        '  - flexRange: "8.8.8.0/24" is not private; allowed: inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16',
        '  - connector.range: "10.8.0.0/27" is a /27; allowed: a /28',
        "  - connector.minInstances: 1; allowed: 2 to 9",
        "  - connector.maxInstances: 11; allowed: 3 to 10",
        '  - connector.machineType: "n2"; allowed: f1-micro, e2-micro, e2-standard-4',
      ].join("\n"),
    );
  });
});

describe("a network's layout", () => {
  it("is right at each limit", () => {
    for (const layout of [
      args,
      { ...args, natsRange: "10.9.0.0/29" },
      connector({ minInstances: 9, maxInstances: 10 }),
      connector({ machineType: "f1-micro" }),
    ]) {
      assert.deepEqual(networkProblems(layout), []);
    }
  });

  it("is wrong one beyond each limit", () => {
    const wrong: [PrivateNetworkArgs, string][] = [
      [
        { ...args, natsRange: "10.9.0.0/30" },
        'natsRange: "10.9.0.0/30" is a /30; allowed: /8 to /29',
      ],
      [connector({ minInstances: 10 }), "connector.minInstances: 10; allowed: 2 to 9"],
      [connector({ minInstances: 2.5 }), "connector.minInstances: 2.5; allowed: 2 to 9"],
      [connector({ maxInstances: 2 }), "connector.maxInstances: 2; allowed: 3 to 10"],
      [
        connector({ minInstances: 3 }),
        "connector.maxInstances: 3; allowed: more than connector.minInstances (3)",
      ],
      [
        connector({ range: "10.8.0.0/28" }),
        'connector.range: "10.8.0.0/28" overlaps natsRange "10.8.0.0/28"; allowed: ranges that share no address',
      ],
    ];
    for (const [layout, problem] of wrong) {
      assert(networkProblems(layout).includes(problem), networkProblems(layout).join("\n"));
    }
  });

  it("is refused for every two ranges that share an address, and only for these", () => {
    const range = fc
      .record({ block: fc.nat({ max: 31 }), prefix: fc.integer({ min: 24, max: 28 }) })
      .map(({ block, prefix }) => {
        const size = 2 ** (32 - prefix);
        const first = 10 * 2 ** 24 + Math.floor((block * 16) / size) * size;
        return formatRange({ first, prefix });
      });
    fc.assert(
      fc.property(range, range, range, (natsRange, flexRange, block) => {
        const connectorRange = block.replace(/\d+$/, "28");
        const layout = { ...connector({ range: connectorRange }), natsRange, flexRange };
        const all = [natsRange, flexRange, connectorRange].map(
          (text) => parseRange(text) ?? assert.fail(text),
        );
        const shared = all.flatMap((a, i) => all.slice(i + 1).filter((b) => overlap(a, b)));
        assert.equal(networkProblems(layout).length, shared.length);
      }),
    );
  });
});
