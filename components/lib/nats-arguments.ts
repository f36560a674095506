/** What a NatsServer is told about its machines and clients, and what may be wrong with it. */
import { parseRange } from "./cidr.ts";
import type { NatsClient } from "./nats-config.ts";
import { hideSeeds, isUserKey } from "./nkey.ts";

/** What the machines are like. */
export interface NatsMachines {
  /** The version of nats-server and of its official image, e.g. `2.15.1`. A change replaces the machines. */
  readonly version: string;
  /**
   * The image's digest, `sha256:…`; with it a tag that was moved changes nothing.
   * @default whatever the version's tag names when a machine first pulls it
   */
  readonly imageDigest?: string;
  /** One zone for each node: one zone, or three different ones for a cluster. */
  readonly zones: readonly string[];
  /** E.g. `e2-small`. A change stops the machine, changes it and starts it. */
  readonly machineType: string;
  /** The size of each data disk in GB, 10 or more. Growing happens in place; shrinking would replace the disk. */
  readonly diskGb: number;
  /** The most that JetStream keeps in memory, in MiB. */
  readonly memoryMb: number;
}

/** Nodes take the addresses from this one on: the network and its router have those before. */
export const firstNodeAddress = 2;

/** What is wrong with the machines, each as `field: what is wrong; what is allowed`. */
export function natsProblems(machines: NatsMachines, region: string): string[] {
  const problems: string[] = [];
  const { zones } = machines;
  if (!/^\d+\.\d+\.\d+$/.test(machines.version)) {
    problems.push(`version: "${machines.version}"; allowed: three numbers, e.g. "2.15.1"`);
  }
  if (machines.imageDigest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(machines.imageDigest)) {
    problems.push(
      `imageDigest: "${machines.imageDigest}"; allowed: "sha256:" and 64 hexadecimal digits in lower case`,
    );
  }
  if (zones.length !== 1 && zones.length !== 3) {
    problems.push(`zones: ${zones.length} zones; allowed: 1, or 3 for a cluster`);
  }
  for (const zone of new Set(zones)) {
    if (!zone.startsWith(`${region}-`) || !/^-[a-z]$/.test(zone.slice(region.length))) {
      problems.push(`zones: "${zone}" is not in the region; allowed: "${region}-a" and the like`);
    }
  }
  if (new Set(zones).size !== zones.length) {
    problems.push(`zones: ${zones.join(", ")}; allowed: each zone once`);
  }
  if (!/^[a-z][a-z0-9]*-[a-z0-9-]*[a-z0-9]$/.test(machines.machineType)) {
    problems.push(`machineType: "${machines.machineType}"; allowed: e.g. "e2-small"`);
  }
  if (!Number.isInteger(machines.diskGb) || machines.diskGb < 10 || machines.diskGb > 65536) {
    problems.push(`diskGb: ${machines.diskGb}; allowed: 10 to 65536`);
  }
  if (!Number.isInteger(machines.memoryMb) || machines.memoryMb < 16) {
    problems.push(
      `memoryMb: ${machines.memoryMb}; allowed: 16 or more, and less than the machine has`,
    );
  }
  return problems;
}

/** What is wrong with the clients' keys, each as `field: what is wrong; what is allowed`. */
export function clientProblems(clients: Readonly<Record<string, NatsClient>>): string[] {
  const problems: string[] = [];
  const seen = new Map<string, string>();
  for (const [service, { publicKey }] of Object.entries(clients)) {
    if (!isUserKey(publicKey)) {
      problems.push(
        `clients.${service}.publicKey: "${hideSeeds(publicKey)}"; allowed: a user's public NKey (U and 55 more characters)`,
      );
    }
    const other = seen.get(publicKey);
    if (other !== undefined) {
      problems.push(
        `clients.${service}.publicKey: the same as ${other}'s; allowed: one key for each`,
      );
    }
    seen.set(publicKey, service);
  }
  return problems;
}

/** What is wrong with the range of the subnet, as `argument: what is wrong; what is allowed`. */
export function rangeProblems(text: string): string[] {
  // A /29 has eight addresses: three nodes beside the four that the cloud keeps.
  return (parseRange(text)?.prefix ?? 32) <= 29
    ? []
    : [`network.range: "${text}"; allowed: an IPv4 range of a /29 or more`];
}

/** What is wrong with the name that all other names derive from. */
export function nameProblems(name: string): string[] {
  return /^[a-z][a-z0-9-]{0,20}$/.test(name)
    ? []
    : [
        `name: "${name}"; allowed: a letter, then at most 20 lower-case letters, digits and hyphens`,
      ];
}
