/** Static addresses. */
import type { Resource } from "../backend.ts";
import { contains, parseAddress, parseRange } from "../cidr.ts";
import type { Registry } from "../registry.ts";
import { listAt, textAt } from "../values.ts";
import { computeName, findByReference, labels, mustExist, oneOf, regionOf } from "./checks.ts";
import { computed, regional } from "./names.ts";
import { subnetworkToken } from "./ranges.ts";
import { Refusal, type Types } from "./type.ts";

const token = "gcp:compute/address:Address";
const instance = "gcp:compute/instance:Instance";

export const address: Types = {
  [token]: {
    replaces: [
      ...["name", "project", "region", "description", "address", "purpose", "subnetwork"],
      ...["addressType", "network", "networkTier", "prefixLength"],
    ],
    autoNamed: "name",
    deleteBeforeReplace: "when named",
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
    onDelete: (resource, live) => {
      const address = textAt(resource.inputs, "address");
      const user = live.find(instance, ({ inputs }) =>
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
};

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
    token,
    (other) => other.id !== resource.id && other.inputs["address"] === text,
  );
  if (taken !== undefined) {
    throw new Refusal(`address: IP address ${text} is already being used by ${taken.id}`);
  }
}
