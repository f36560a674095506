/** Networks and their ranges, as far as other resources refer to them. */
import type { Props, Resource } from "../backend.ts";
import { contains, overlaps, parseAddress, parseRange } from "../cidr.ts";
import type { Registry } from "../registry.ts";
import { listAt, textAt } from "../values.ts";
import { findByReference, mustExist } from "./checks.ts";
import { Refusal, type Report } from "./type.ts";

export const networkToken = "gcp:compute/network:Network";
export const subnetworkToken = "gcp:compute/subnetwork:Subnetwork";
export const connectorToken = "gcp:vpcaccess/connector:Connector";

export function networkMustExist(resource: Resource, live: Registry): void {
  const network = textAt(resource.inputs, "network");
  mustExist(live, networkToken, network, `network: network ${String(network)} does not exist`);
}

/** Reports a range that is none, is not private, or is narrower than `longest`. */
export function range(inputs: Props, path: string, report: Report, longest: number): void {
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
export function refuseOverlap(resource: Resource, live: Registry): void {
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

/** For machines: the networks of their interfaces, and the addresses in them. */
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
    const home = parseRange(textAt(subnet?.inputs, "ipCidrRange") ?? "");
    if (home !== undefined && !contains(home, address)) {
      throw new Refusal(
        `${at}.networkIp: ${String(textAt(nic, "networkIp"))} is not in the range of ${String(subnet?.id)}`,
      );
    }
  });
}
