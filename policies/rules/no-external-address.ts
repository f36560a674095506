import type { ResourceRule } from "../lib/rule.ts";
import { machines } from "../lib/types.ts";
import { isObject, isUnknown, listAt, valueAt } from "../lib/values.ts";

const reserved: ReadonlySet<string> = new Set([
  "gcp:compute/address:Address",
  "gcp:compute/globalAddress:GlobalAddress",
]);

/**
 * Everything in the network is reached from inside: services come through the connector or stand on a subnet, people
 * come through Identity-Aware Proxy. A machine with an address of its own can be reached by everybody whom
 * one wrong firewall rule lets in. (The machines of flexible services are App Engine's, not ours.)
 */
export const noExternalAddress: ResourceRule = {
  name: "no-external-address",
  description: "No virtual machine has an external address, and none is reserved.",
  remedy:
    "Leave out accessConfigs and ipv6AccessConfigs, give an address addressType INTERNAL; reach machines through IAP.",
  severity: "critical",
  check({ type, inputs }) {
    if (reserved.has(type)) {
      const addressType = valueAt(inputs, "addressType");
      return addressType === "INTERNAL" || isUnknown(addressType)
        ? []
        : ["addressType is not INTERNAL, and left out it is EXTERNAL"];
    }
    if (!machines.has(type)) return [];
    return listAt(inputs, "networkInterfaces").flatMap((nic, index) =>
      ["accessConfigs", "ipv6AccessConfigs"]
        // An empty configuration is one, too: it asks for an address that lasts as long as the machine.
        .filter((key) => isObject(nic) && listAt(nic, key).length > 0)
        .map((key) => `networkInterfaces[${index}].${key} asks for an external address`),
    );
  },
};
