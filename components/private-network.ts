import * as compute from "@pulumi/gcp/compute/index.js";
import * as vpcaccess from "@pulumi/gcp/vpcaccess/index.js";
import * as pulumi from "@pulumi/pulumi";
import { refuseProblems } from "./lib/arguments.ts";
import { isPrivate, overlap, parseRange, type AddressRange } from "./lib/cidr.ts";
import { childOf } from "./lib/options.ts";

const connectorMachineTypes: readonly string[] = ["f1-micro", "e2-micro", "e2-standard-4"];

/** The address ranges of the network and the size of its connector. */
export interface NetworkLayout {
  /** The subnet of the NATS machines, e.g. `10.8.0.0/28`. A change replaces everything on it. */
  readonly natsRange: string;
  /** The subnet of the flexible services' machines, e.g. `10.8.16.0/22`. */
  readonly flexRange: string;
  /** How standard services reach the network. */
  readonly connector: {
    /** A /28 that nothing else uses, e.g. `10.8.1.0/28`. A change replaces the connector. */
    readonly range: string;
    /** 2–9. **A smaller number than before replaces the connector**: standard services are cut off meanwhile. */
    readonly minInstances: number;
    /** 3–10 and above `minInstances`. **A smaller number than before replaces the connector.** */
    readonly maxInstances: number;
    /** `f1-micro`, `e2-micro` or `e2-standard-4`; can be changed in place. */
    readonly machineType: string;
  };
}

export interface PrivateNetworkArgs extends NetworkLayout {
  /** The project's id. */
  readonly project: string;
  /** The region of the application, e.g. `us-central1`: a connector in another one is of no use to it. */
  readonly region: string;
  /**
   * Refuses to replace or delete the network, its subnets and the connector. This is also what turns a
   * shrinking of the connector into an error before anything happens.
   */
  readonly protect: boolean;
}

/**
 * What is wrong with a layout, each as `field: what is wrong; what is allowed`. Empty when it is right.
 */
export function networkProblems(layout: NetworkLayout): string[] {
  const { connector } = layout;
  const problems: string[] = [];
  const ranges: { field: string; text: string; range: AddressRange }[] = [];
  for (const [field, text] of [
    ["natsRange", layout.natsRange],
    ["flexRange", layout.flexRange],
    ["connector.range", connector.range],
  ] as const) {
    const range = parseRange(text);
    if (!range) {
      problems.push(
        `${field}: "${text}" is not an IPv4 range; allowed: a.b.c.d/n with no bit set after the first n`,
      );
    } else if (!isPrivate(range)) {
      problems.push(
        `${field}: "${text}" is not private; allowed: inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16`,
      );
    } else {
      ranges.push({ field, text, range });
      if (field === "connector.range" && range.prefix !== 28) {
        problems.push(`${field}: "${text}" is a /${range.prefix}; allowed: a /28`);
      } else if (range.prefix > 29 || range.prefix < 8) {
        problems.push(`${field}: "${text}" is a /${range.prefix}; allowed: /8 to /29`);
      }
    }
  }
  ranges.forEach((a, index) => {
    for (const b of ranges.slice(index + 1)) {
      if (overlap(a.range, b.range)) {
        problems.push(
          `${b.field}: "${b.text}" overlaps ${a.field} "${a.text}"; allowed: ranges that share no address`,
        );
      }
    }
  });
  const { minInstances, maxInstances } = connector;
  if (!Number.isInteger(minInstances) || minInstances < 2 || minInstances > 9) {
    problems.push(`connector.minInstances: ${minInstances}; allowed: 2 to 9`);
  }
  if (!Number.isInteger(maxInstances) || maxInstances < 3 || maxInstances > 10) {
    problems.push(`connector.maxInstances: ${maxInstances}; allowed: 3 to 10`);
  } else if (maxInstances <= minInstances) {
    problems.push(
      `connector.maxInstances: ${maxInstances}; allowed: more than connector.minInstances (${minInstances})`,
    );
  }
  if (!connectorMachineTypes.includes(connector.machineType)) {
    problems.push(
      `connector.machineType: "${connector.machineType}"; allowed: ${connectorMachineTypes.join(", ")}`,
    );
  }
  return problems;
}

/** App Engine takes connector names of at most 20 characters, of which a hyphen counts as two. */
function connectorNameProblems(name: string): string[] {
  const length = name.length + (name.split("-").length - 1);
  return /^[a-z][a-z0-9-]*[a-z0-9]$/.test(name) && length < 21
    ? []
    : [
        `name: "${name}" cannot name a connector; allowed: lower-case letters, digits and hyphens, ` +
          "20 characters at most where a hyphen counts as two",
      ];
}

/**
 * The network that NATS is on and the two ways into it: a connector for standard services, and a subnet
 * that the machines of flexible services stand in. Who may reach which port is said by the component
 * that owns the port.
 *
 * There is no router and no NAT, since nothing here needs one: NATS machines have no way out but to
 * Google's own APIs (Private Google Access), flexible machines have external addresses of their own,
 * and standard services send only traffic for private ranges through the connector. App Engine itself
 * opens the ports on which it reaches flexible machines.
 *
 * The names are explicit, because versions of services carry them in their settings. A resource of which
 * the name is taken can only be replaced by deleting it first: here that is what must happen anyway
 * (a second connector would need a second range), and `protect` keeps it from happening unasked.
 * No description anywhere: a change of one would replace the network and all that stands on it.
 */
export class PrivateNetwork extends pulumi.ComponentResource {
  /** The network's id, for resources on it. */
  readonly networkId: pulumi.Output<string>;
  /** The id of the NATS machines' subnet. */
  readonly natsSubnetId: pulumi.Output<string>;
  /** The network's short name, as flexible versions want it. */
  readonly networkName: string;
  /** The short name of the flexible services' subnet. */
  readonly flexSubnetName: string;
  /** The connector as a standard version names it: `projects/P/locations/R/connectors/C`. */
  readonly connectorName: string;
  /** Where connections to NATS may come from: the connector's range and the flexible subnet's. */
  readonly clientRanges: readonly string[];

  /** @param name also the name of network and connector, so 20 characters at most, hyphens counting as two */
  constructor(name: string, args: PrivateNetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProblems("PrivateNetwork", name, [
      ...connectorNameProblems(name),
      ...networkProblems(args),
    ]);
    super("appengine-realtime:network:PrivateNetwork", name, {}, opts);
    const { project, region, protect, connector } = args;
    const own = childOf(this, opts, { protect, deleteBeforeReplace: true });

    const network = new compute.Network(
      `${name}-network`,
      { project, name, autoCreateSubnetworks: false, routingMode: "REGIONAL" },
      own,
    );
    const subnet = (purpose: string, ipCidrRange: string): compute.Subnetwork =>
      new compute.Subnetwork(
        `${name}-${purpose}`,
        {
          project,
          region,
          name: `${name}-${purpose}`,
          network: network.id,
          ipCidrRange,
          privateIpGoogleAccess: true,
        },
        own,
      );
    const natsSubnet = subnet("nats", args.natsRange);
    subnet("flex", args.flexRange);
    new vpcaccess.Connector(
      `${name}-connector`,
      {
        project,
        region,
        name,
        network: network.name,
        ipCidrRange: connector.range,
        // Both are needed: with neither them nor a throughput the API refuses the connector.
        minInstances: connector.minInstances,
        maxInstances: connector.maxInstances,
        machineType: connector.machineType,
      },
      own,
    );

    this.networkId = network.id;
    this.natsSubnetId = natsSubnet.id;
    this.networkName = name;
    this.flexSubnetName = `${name}-flex`;
    this.connectorName = `projects/${project}/locations/${region}/connectors/${name}`;
    this.clientRanges = [connector.range, args.flexRange];
    this.registerOutputs({
      networkId: this.networkId,
      natsSubnetId: this.natsSubnetId,
      networkName: this.networkName,
      flexSubnetName: this.flexSubnetName,
      connectorName: this.connectorName,
      clientRanges: this.clientRanges,
    });
  }
}
