import type { ResourceRule } from "../lib/rule.ts";
import { flexibleVersion, standardVersion } from "../lib/types.ts";
import { isUnknown } from "../lib/values.ts";

/**
 * A changed version with another id is created beside the old one, and a failed creation is repeated; a failed
 * change of one in place is taken for done and forgotten. The flags are read from the state when a version is
 * replaced, so they have to be right from the first deployment: `deleteServiceOnDestroy` would take the whole
 * service along with its new version, and a version that is kept costs money unless it can scale to nothing.
 */
export const immutableVersions: ResourceRule = {
  name: "immutable-versions",
  description:
    "Every version is named by what defines it, and the old one goes as its scaling allows.",
  remedy:
    "Let StandardService, FlexibleService or ReplicatedService declare the version: they name it and set its flags.",
  severity: "high",
  check({ type, inputs }) {
    if (type !== standardVersion && type !== flexibleVersion) return [];
    const { versionId, noopOnDestroy, deleteServiceOnDestroy } = inputs;
    const keeps = type === standardVersion && inputs["automaticScaling"] !== undefined;
    const problems: string[] = [];
    if (!isUnknown(versionId) && !/^v[0-9a-f]{10}$/.test(String(versionId))) {
      problems.push(`versionId is ${String(versionId)}, which is no digest`);
    }
    if (!isUnknown(noopOnDestroy) && noopOnDestroy !== keeps) {
      problems.push(
        `noopOnDestroy is not ${String(keeps)}: ${keeps ? "there would be no quick rollback" : "its instances would go on costing money"}`,
      );
    }
    if (!isUnknown(deleteServiceOnDestroy) && deleteServiceOnDestroy !== false) {
      problems.push("deleteServiceOnDestroy is not false: the next version would go with this one");
    }
    return problems;
  },
};
