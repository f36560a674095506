import { isClosedRange } from "../lib/addresses.ts";
import type { ResourceRule } from "../lib/rule.ts";
import { flexibleVersion } from "../lib/types.ts";
import { type Inputs, isUnknown, listAt, textsAt, valueAt } from "../lib/values.ts";

const policyRules: ReadonlySet<string> = new Set([
  "gcp:compute/firewallPolicyRule:FirewallPolicyRule",
  "gcp:compute/networkFirewallPolicyRule:NetworkFirewallPolicyRule",
  "gcp:compute/regionNetworkFirewallPolicyRule:RegionNetworkFirewallPolicyRule",
]);

/**
 * Who can open a connection to NATS can try keys, and meets whatever mistake the server has. Two halves of the
 * internet are as open as the whole, so every public range is refused, but for those that only Google's
 * health checks and Identity-Aware Proxy come from.
 */
export const noOpenRange: ResourceRule = {
  name: "no-open-range",
  description:
    "No firewall lets in traffic from public addresses but Google's health checks and IAP.",
  remedy:
    "Name private ranges, service accounts or tags; 35.235.240.0/20 for IAP, 130.211.0.0/22 and 35.191.0.0/16 for health checks.",
  severity: "critical",
  check({ type, inputs }) {
    if (type === "gcp:compute/firewall:Firewall") return firewallProblems(inputs);
    if (policyRules.has(type)) return policyProblems(inputs);
    // Past the front door, to machines that have external addresses.
    if (type === flexibleVersion && listAt(inputs, "network", "forwardedPorts").length > 0) {
      return ["network.forwardedPorts opens ports of App Engine's machines"];
    }
    return [];
  },
};

function firewallProblems(inputs: Inputs): string[] {
  // What is refused may come from anywhere; what is left out is INGRESS.
  if (valueAt(inputs, "direction") === "EGRESS" || listAt(inputs, "allows").length === 0) return [];
  const sources = ["sourceRanges", "sourceTags", "sourceServiceAccounts"].map((key) =>
    valueAt(inputs, key),
  );
  if (
    sources.every((source) => !isUnknown(source) && (!Array.isArray(source) || source.length === 0))
  ) {
    return ["no source is named, which is everybody"];
  }
  return openRanges(inputs, "sourceRanges");
}

function policyProblems(inputs: Inputs): string[] {
  if (valueAt(inputs, "direction") === "EGRESS" || valueAt(inputs, "action") === "deny") return [];
  const match = valueAt(inputs, "match");
  const named = ["srcIpRanges", "srcSecureTags", "srcAddressGroups"].some(
    (key) => isUnknown(valueAt(inputs, "match", key)) || listAt(inputs, "match", key).length > 0,
  );
  if (!named && !isUnknown(match)) return ["no source is named, which is everybody"];
  return openRanges(inputs, "match", "srcIpRanges");
}

function openRanges(inputs: Inputs, ...path: readonly string[]): string[] {
  return textsAt(inputs, ...path)
    .filter((range) => !isClosedRange(range))
    .map((range) => `${path.join(".")} has ${range}`);
}
