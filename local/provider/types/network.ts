/** Networks, ranges, connectors, firewalls. */
import type { Props, Resource } from "../backend.ts";
import { contains, encloses, overlaps, parseAddress, parseRange } from "../cidr.ts";
import type { Registry } from "../registry.ts";
import { isUnknown, listAt, numberAt, objectAt, textAt } from "../values.ts";
import {
  computeName,
  findByReference,
  inRange,
  labels,
  matches,
  mustExist,
  name,
  oneOf,
  projectOf,
  refuseInUse,
  regionOf,
} from "./checks.ts";
import { Refusal, type Place, type Report, type Types } from "./type.ts";

export const networkToken = "gcp:compute/network:Network";
export const subnetworkToken = "gcp:compute/subnetwork:Subnetwork";
export const connectorToken = "gcp:vpcaccess/connector:Connector";
const router = "gcp:compute/router:Router";

const flexibleToken = "gcp:appengine/flexibleAppVersion:FlexibleAppVersion";
const instanceToken = "gcp:compute/instance:Instance";
const whenNamed = { whenGiven: "name" } as const;

export function selfLink(id: string): string {
  return `https://www.googleapis.com/compute/v1/${id}`;
}

function global(kind: string): (inputs: Props, place: Place) => string {
  return (inputs, place) => `projects/${projectOf(inputs, place)}/global/${kind}/${name(inputs)}`;
}

function regional(kind: string): (inputs: Props, place: Place) => string {
  return (inputs, place) =>
    `projects/${projectOf(inputs, place)}/regions/${regionOf(inputs, place)}/${kind}/${name(inputs)}`;
}

function computed(_inputs: Props, _place: Place, id: string): Props {
  return { selfLink: selfLink(id), creationTimestamp: "2026-01-01T00:00:00.000-00:00" };
}

function networkMustExist(resource: Resource, live: Registry): void {
  const network = textAt(resource.inputs, "network");
  mustExist(live, networkToken, network, `network: network ${String(network)} does not exist`);
}

export const network: Types = {
  [networkToken]: {
    replaces: ["name", "project", "description", "autoCreateSubnetworks"],
    deletedFirst: whenNamed,
    check: (inputs, report) => {
      computeName(inputs, report);
      inRange(inputs, "mtu", 1300, 8896, report);
      oneOf(inputs, "routingMode", ["REGIONAL", "GLOBAL"], report);
    },
    id: global("networks"),
    computed: (inputs, place, id) => ({
      selfLink: selfLink(id),
      networkId: numberFrom(id),
      numericId: numberFrom(id),
      gatewayIpv4: "",
      project: projectOf(inputs, place),
    }),
    farewell: (resource, live) => {
      refuseInUse("network", resource, live, [
        [subnetworkToken, "network"],
        ["gcp:compute/firewall:Firewall", "network"],
        [router, "network"],
        [connectorToken, "network"],
        [instanceToken, "networkInterfaces.*.network"],
        [flexibleToken, "network.name"],
      ]);
      return "delete";
    },
  },
  [subnetworkToken]: {
    replaces: ["name", "project", "region", "description", "network", "purpose"],
    replacesWhen: (before, after) => {
      const [from, to] = [textAt(before, "ipCidrRange"), textAt(after, "ipCidrRange")];
      const [outer, inner] = [parseRange(to ?? ""), parseRange(from ?? "")];
      if (from === to || outer === undefined || inner === undefined) return [];
      return encloses(outer, inner) ? [] : ["ipCidrRange"];
    },
    deletedFirst: whenNamed,
    check: (inputs, report) => {
      computeName(inputs, report);
      range(inputs, "ipCidrRange", report, 29);
    },
    id: regional("subnetworks"),
    computed: (inputs, place, id) => ({
      ...computed(inputs, place, id),
      gatewayAddress: gateway(textAt(inputs, "ipCidrRange")),
      region: regionOf(inputs, place),
      project: projectOf(inputs, place),
    }),
    admit: (resource, live) => {
      networkMustExist(resource, live);
      refuseOverlap(resource, live);
    },
    farewell: (resource, live) => {
      refuseInUse("subnetwork", resource, live, [
        ["gcp:compute/address:Address", "subnetwork"],
        [instanceToken, "networkInterfaces.*.subnetwork"],
        [flexibleToken, "network.subnetwork"],
        [connectorToken, "subnet.name"],
      ]);
      return "delete";
    },
  },
  [connectorToken]: {
    replaces: ["name", "project", "region", "network", "ipCidrRange", "subnet"],
    // A connector grows in place; only a smaller one must be made anew.
    replacesWhen: (before, after) =>
      ["minInstances", "maxInstances", "minThroughput", "maxThroughput"].filter((key) => {
        const [from, to] = [numberAt(before, key), numberAt(after, key)];
        return from !== undefined && to !== undefined && to < from;
      }),
    // What the program stops to say, the cloud keeps.
    quiet: (property, _before, after) =>
      /^(min|max)(Instances|Throughput)$/.test(property) && after[property] === undefined,
    deletedFirst: whenNamed,
    check: checkConnector,
    id: (inputs, place) =>
      `projects/${projectOf(inputs, place)}/locations/${regionOf(inputs, place)}/connectors/${name(inputs)}`,
    computed: (inputs, place, id) => ({
      selfLink: id,
      state: "READY",
      region: regionOf(inputs, place),
      project: projectOf(inputs, place),
      connectedProjects: [],
    }),
    admit: (resource, live) => {
      networkMustExist(resource, live);
      refuseOverlap(resource, live);
    },
  },
  "gcp:compute/firewall:Firewall": {
    replaces: ["name", "project", "direction"],
    deletedFirst: whenNamed,
    check: checkFirewall,
    id: global("firewalls"),
    computed,
    admit: networkMustExist,
  },
  "gcp:compute/address:Address": {
    replaces: [
      ...["name", "project", "region", "description", "address", "purpose", "subnetwork"],
      ...["addressType", "network", "networkTier", "prefixLength"],
    ],
    deletedFirst: whenNamed,
    check: (inputs, report) => {
      computeName(inputs, report);
      labels(inputs, report);
      oneOf(inputs, "addressType", ["INTERNAL", "EXTERNAL"], report);
      const address = textAt(inputs, "address");
      if (address !== undefined && parseAddress(address) === undefined) {
        report("address", `"${address}" is not an IPv4 address`);
      }
    },
    id: regional("addresses"),
    computed: (inputs, place, id) => ({
      ...computed(inputs, place, id),
      addressType: textAt(inputs, "addressType") ?? "EXTERNAL",
      region: regionOf(inputs, place),
      users: [],
    }),
    admit: admitAddress,
    farewell: (resource, live) => {
      const address = textAt(resource.inputs, "address");
      const user = live.find(instanceToken, ({ inputs }) =>
        listAt(inputs, "networkInterfaces").some(
          (nic) => address !== undefined && textAt(nic, "networkIp") === address,
        ),
      );
      if (user !== undefined) {
        throw new Refusal(
          `The address resource '${resource.id}' is already being used by '${user.id}'`,
        );
      }
      return "delete";
    },
  },
  [router]: {
    replaces: ["name", "project", "region", "network"],
    deletedFirst: whenNamed,
    check: (inputs, report) => {
      computeName(inputs, report);
    },
    id: regional("routers"),
    computed,
    admit: networkMustExist,
    farewell: (resource, live) => {
      refuseInUse("router", resource, live, [["gcp:compute/routerNat:RouterNat", "router"]]);
      return "delete";
    },
  },
  "gcp:compute/routerNat:RouterNat": {
    replaces: ["name", "project", "region", "router"],
    deletedFirst: whenNamed,
    check: (inputs, report) => {
      computeName(inputs, report);
      oneOf(inputs, "natIpAllocateOption", ["AUTO_ONLY", "MANUAL_ONLY"], report);
      oneOf(
        inputs,
        "sourceSubnetworkIpRangesToNat",
        [
          "ALL_SUBNETWORKS_ALL_IP_RANGES",
          "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES",
          "LIST_OF_SUBNETWORKS",
        ],
        report,
      );
    },
    id: (inputs, place) =>
      [
        projectOf(inputs, place),
        regionOf(inputs, place),
        name(inputs, "router"),
        name(inputs),
      ].join("/"),
    admit: (resource, live) => {
      const given = textAt(resource.inputs, "router");
      mustExist(live, router, given, `router: router ${String(given)} does not exist`);
    },
  },
  "gcp:compute/route:Route": {
    replaces: ["name", "project", "network", "destRange", "priority", "tags", "description"],
    deletedFirst: whenNamed,
    check: (inputs, report) => {
      computeName(inputs, report);
    },
    id: global("routes"),
    computed,
    admit: networkMustExist,
  },
};

function checkConnector(inputs: Props, report: Report): void {
  const given = textAt(inputs, "name");
  matches(
    inputs,
    "name",
    /^[a-z]([-a-z0-9]*[a-z0-9])?$/,
    "lowercase letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
    report,
  );
  if (given !== undefined) {
    const length = given.length + (given.match(/-/g)?.length ?? 0);
    if (length > 20) {
      report(
        "name",
        `"${given}" counts ${length} characters (each hyphen counts twice); at most 20 are allowed`,
      );
    }
  }
  const text = textAt(inputs, "ipCidrRange");
  range(inputs, "ipCidrRange", report, 28);
  if (text !== undefined && parseRange(text) !== undefined && parseRange(text)?.prefix !== 28) {
    report("ipCidrRange", `"${text}" is not a /28`);
  }
  const subnet = inputs["subnet"] ?? undefined;
  const [ranged, networked] = [inputs["ipCidrRange"], inputs["network"]];
  if (subnet === undefined && (ranged === undefined || networked === undefined)) {
    report("network", "needs ipCidrRange and network together, or subnet");
  }
  inRange(inputs, "minInstances", 2, 9, report);
  inRange(inputs, "maxInstances", 3, 10, report);
  const [min, max] = [numberAt(inputs, "minInstances"), numberAt(inputs, "maxInstances")];
  if (min !== undefined && max !== undefined && max <= min) {
    report("maxInstances", `${max} is not above minInstances, which is ${min}`);
  }
  const throughput = inputs["maxThroughput"] ?? undefined;
  if (inputs["maxInstances"] === undefined && throughput === undefined) {
    report("maxInstances", "A Connector must specify either max_throughput or max_instances");
  }
  if ((inputs["minInstances"] === undefined) !== (inputs["maxInstances"] === undefined)) {
    report("minInstances", "minInstances and maxInstances must be given together");
  }
  oneOf(inputs, "machineType", ["f1-micro", "e2-micro", "e2-standard-4"], report);
}

function checkFirewall(inputs: Props, report: Report): void {
  computeName(inputs, report);
  oneOf(inputs, "direction", ["INGRESS", "EGRESS"], report);
  inRange(inputs, "priority", 0, 65_535, report);
  for (const key of ["sourceRanges", "destinationRanges"]) {
    listAt(inputs, key).forEach((value, index) => {
      if (typeof value !== "string" || isUnknown(value)) return;
      const plain = value.includes("/") ? parseRange(value) : parseAddress(value);
      if (plain === undefined && !value.includes(":")) {
        report(`${key}[${index}]`, `"${value}" is not an IPv4 range without host bits`);
      }
    });
  }
  const has = (key: string): boolean => (inputs[key] ?? undefined) !== undefined;
  if (!has("allows") && !has("denies")) report("allows", "one of allows and denies must be given");
  if (has("allows") && has("denies")) report("denies", "cannot go together with allows");
  const inward = textAt(inputs, "direction") !== "EGRESS";
  if (inward && !has("sourceRanges") && !has("sourceTags") && !has("sourceServiceAccounts")) {
    report("sourceRanges", "one of sourceRanges, sourceTags, sourceServiceAccounts must be given");
  }
  const accounts = has("sourceServiceAccounts") || has("targetServiceAccounts");
  if (accounts && (has("sourceTags") || has("targetTags"))) {
    report("targetTags", "tags cannot be mixed with service accounts");
  }
  listAt(inputs, "allows").forEach((rule, index) => {
    listAt(rule, "ports").forEach((port) => {
      const [from, to = from] = String(port).split("-").map(Number);
      const valid = (n: number | undefined): boolean =>
        n !== undefined && Number.isInteger(n) && n >= 0 && n <= 65_535;
      if (!isUnknown(port) && !(valid(from) && valid(to))) {
        report(`allows[${index}].ports`, `"${String(port)}" is not a port or a range of ports`);
      }
    });
  });
}

/** Reports a range that is none, is not private, or is narrower than `longest`. */
function range(inputs: Props, path: string, report: Report, longest: number): void {
  const text = textAt(inputs, path);
  if (text === undefined) return;
  const parsed = parseRange(text);
  if (parsed === undefined) {
    report(path, `"${text}" is not an IPv4 range without host bits, for example 10.8.0.0/28`);
  } else if (parsed.prefix > longest) {
    report(path, `"${text}" is smaller than a /${longest}`);
  }
}

/** Ranges of one network must not overlap: neither of subnetworks nor of connectors. */
function refuseOverlap(resource: Resource, live: Registry): void {
  const own = parseRange(textAt(resource.inputs, "ipCidrRange") ?? "");
  const home = networkOf(resource, live);
  if (own === undefined || home === undefined) return;
  for (const other of [...live.all(subnetworkToken), ...live.all(connectorToken)]) {
    if (other.id === resource.id || networkOf(other, live)?.id !== home.id) continue;
    const text = textAt(other.inputs, "ipCidrRange") ?? "";
    const theirs = parseRange(text);
    if (theirs !== undefined && overlaps(own, theirs)) {
      throw new Refusal(
        `ipCidrRange: ${String(resource.inputs["ipCidrRange"])} conflicts with ${text} of ${other.id}`,
      );
    }
  }
}

function networkOf(resource: Resource, live: Registry): Resource | undefined {
  const reference = textAt(resource.inputs, "network");
  return reference === undefined ? undefined : findByReference(live, networkToken, reference);
}

function admitAddress(resource: Resource, live: Registry): void {
  const reference = textAt(resource.inputs, "subnetwork");
  const missing = `subnetwork: subnetwork ${String(reference)} does not exist`;
  mustExist(live, subnetworkToken, reference, missing);
  const text = textAt(resource.inputs, "address");
  const address = parseAddress(text ?? "");
  if (text === undefined || address === undefined) return;
  const subnet =
    reference === undefined ? undefined : findByReference(live, subnetworkToken, reference);
  const home = parseRange(textAt(subnet?.inputs, "ipCidrRange") ?? "");
  if (home !== undefined && !contains(home, address)) {
    throw new Refusal(
      `address: ${text} is not in the range ${String(subnet?.inputs["ipCidrRange"])} of ${String(subnet?.id)}`,
    );
  }
  const taken = live.find(
    "gcp:compute/address:Address",
    (other) => other.id !== resource.id && other.inputs["address"] === text,
  );
  if (taken !== undefined) {
    throw new Refusal(`address: IP address ${text} is already being used by ${taken.id}`);
  }
}

function gateway(rangeText: string | undefined): string {
  const parsed = parseRange(rangeText ?? "");
  if (parsed === undefined) return "";
  const address = parsed.first + 1;
  return [24, 16, 8, 0].map((bits) => Math.floor(address / 2 ** bits) % 256).join(".");
}

/** A stable number for an id: the cloud gives each thing one. */
export function numberFrom(id: string): string {
  let value = 7n;
  for (const char of id) value = (value * 31n + BigInt(char.codePointAt(0) ?? 0)) % 10n ** 18n;
  return String(value + 10n ** 18n);
}

/** Used by instances, which sit on the same networks. */
export function interfacesMustExist(resource: Resource, live: Registry): void {
  listAt(resource.inputs, "networkInterfaces").forEach((nic, index) => {
    const at = `networkInterfaces[${index}]`;
    const reference = textAt(nic, "network");
    mustExist(live, networkToken, reference, `${at}.network: ${String(reference)} does not exist`);
    const subnetReference = textAt(nic, "subnetwork");
    mustExist(
      live,
      subnetworkToken,
      subnetReference,
      `${at}.subnetwork: ${String(subnetReference)} does not exist`,
    );
    const address = parseAddress(textAt(nic, "networkIp") ?? "");
    if (address === undefined || subnetReference === undefined) return;
    const subnet = findByReference(live, subnetworkToken, subnetReference);
    const home = parseRange(
      textAt(objectAt({ inputs: subnet?.inputs }, "inputs"), "ipCidrRange") ?? "",
    );
    if (home !== undefined && !contains(home, address)) {
      throw new Refusal(
        `${at}.networkIp: ${String(textAt(nic, "networkIp"))} is not in the range of ${String(subnet?.id)}`,
      );
    }
  });
}
