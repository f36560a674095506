/** Firewall rules of a network. */
import type { Props } from "../backend.ts";
import { parseAddress, parseRange } from "../cidr.ts";
import { isUnknown, listAt, textAt } from "../values.ts";
import { computeName, inRange, oneOf } from "./checks.ts";
import { computed, global } from "./names.ts";
import { networkMustExist } from "./ranges.ts";
import type { Report, Types } from "./type.ts";

export const firewall: Types = {
  "gcp:compute/firewall:Firewall": {
    replaces: ["name", "project", "direction"],
    autoNamed: "name",
    deleteBeforeReplace: "when named",
    check: checkFirewall,
    id: global("firewalls"),
    computed,
    admit: networkMustExist,
  },
};

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
