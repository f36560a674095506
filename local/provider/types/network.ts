/** Networks, subnetworks, routers. */
import { encloses, parseRange } from "../cidr.ts";
import { textAt } from "../values.ts";
import {
  computeName,
  inRange,
  mustExist,
  name,
  oneOf,
  projectOf,
  refuseInUse,
  regionOf,
} from "./checks.ts";
import { computed, global, regional, selfLink } from "./names.ts";
import { numberFrom } from "./numbers.ts";
import {
  connectorToken,
  networkMustExist,
  networkToken,
  range,
  refuseOverlap,
  subnetworkToken,
} from "./ranges.ts";
import type { Types } from "./type.ts";

const router = "gcp:compute/router:Router";
const flexibleToken = "gcp:appengine/flexibleAppVersion:FlexibleAppVersion";
const instanceToken = "gcp:compute/instance:Instance";
const whenNamed = { autoNamed: "name", deleteBeforeReplace: "when named" } as const;

export const network: Types = {
  [networkToken]: {
    replaces: ["name", "project", "description", "autoCreateSubnetworks"],
    ...whenNamed,
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
    onDelete: (resource, live) => {
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
    ...whenNamed,
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
    onDelete: (resource, live) => {
      refuseInUse("subnetwork", resource, live, [
        ["gcp:compute/address:Address", "subnetwork"],
        [instanceToken, "networkInterfaces.*.subnetwork"],
        [flexibleToken, "network.subnetwork"],
        [connectorToken, "subnet.name"],
      ]);
      return "delete";
    },
  },
  [router]: {
    replaces: ["name", "project", "region", "network"],
    ...whenNamed,
    check: (inputs, report) => {
      computeName(inputs, report);
    },
    id: regional("routers"),
    computed,
    admit: networkMustExist,
    onDelete: (resource, live) => {
      refuseInUse("router", resource, live, [["gcp:compute/routerNat:RouterNat", "router"]]);
      return "delete";
    },
  },
  "gcp:compute/routerNat:RouterNat": {
    replaces: ["name", "project", "region", "router"],
    ...whenNamed,
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
    ...whenNamed,
    check: (inputs, report) => {
      computeName(inputs, report);
    },
    id: global("routes"),
    computed,
    admit: networkMustExist,
  },
};

function gateway(rangeText: string | undefined): string {
  const parsed = parseRange(rangeText ?? "");
  if (parsed === undefined) return "";
  const address = parsed.first + 1;
  return [24, 16, 8, 0].map((bits) => Math.floor(address / 2 ** bits) % 256).join(".");
}
