import type { ResourceRule } from "../lib/rule.ts";
import { machines } from "../lib/types.ts";
import { isUnknown, valueAt } from "../lib/values.ts";

/** Where, what it must be, and whether leaving it out is as good. Metadata are texts; their case does not count. */
const wanted: readonly (readonly [path: readonly string[], value: string, optional: boolean])[] = [
  [["shieldedInstanceConfig", "enableSecureBoot"], "true", false],
  [["shieldedInstanceConfig", "enableVtpm"], "true", false],
  [["shieldedInstanceConfig", "enableIntegrityMonitoring"], "true", false],
  [["metadata", "enable-oslogin"], "true", false],
  [["metadata", "block-project-ssh-keys"], "true", false],
  [["metadata", "serial-port-enable"], "false", true],
  [["canIpForward"], "false", true],
];

/**
 * Who may log in to a machine is then said by IAM alone, is taken away with the account, and is written down; a
 * key in some metadata is none of that. And the machine starts nothing that is not signed.
 */
export const hardenedMachines: ResourceRule = {
  name: "hardened-machines",
  description: "Every virtual machine is shielded, and IAM says who logs in.",
  remedy:
    "Turn on all of shieldedInstanceConfig, set enable-oslogin and block-project-ssh-keys to TRUE; no serial port, no forwarding.",
  severity: "high",
  check({ type, inputs }) {
    if (!machines.has(type)) return [];
    return wanted.flatMap(([path, value, optional]) => {
      const found = path.map((_, index) => valueAt(inputs, ...path.slice(0, index + 1)));
      const last = found.at(-1);
      if (found.some(isUnknown) || (optional && last === undefined)) return [];
      return String(last).toLowerCase() === value ? [] : [`${path.join(".")} is not ${value}`];
    });
  },
};
