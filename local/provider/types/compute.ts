/** Machines and disks. */
import type { Props } from "../backend.ts";
import { lastSegment, listAt, numberAt, objectAt, textAt } from "../values.ts";
import {
  accountMustExist,
  computeName,
  inRange,
  labels,
  matches,
  mustExist,
  name,
  projectOf,
  refuseInUse,
  regionOf,
} from "./checks.ts";
import { selfLink } from "./names.ts";
import { numberFrom } from "./numbers.ts";
import { interfacesMustExist } from "./ranges.ts";
import { Refusal, type Place, type Report, type Types } from "./type.ts";

const disk = "gcp:compute/disk:Disk";
const instance = "gcp:compute/instance:Instance";
const policy = "gcp:compute/resourcePolicy:ResourcePolicy";
const whenNamed = { autoNamed: "name", deleteBeforeReplace: "when named" } as const;

function zoneOf(inputs: Props, place: Place): string {
  return textAt(inputs, "zone") ?? `${place.region}-b`;
}

function zonal(kind: string): (inputs: Props, place: Place) => string {
  return (inputs, place) =>
    `projects/${projectOf(inputs, place)}/zones/${zoneOf(inputs, place)}/${kind}/${name(inputs)}`;
}

export const compute: Types = {
  [disk]: {
    replaces: [
      ...["name", "project", "zone", "type", "image", "snapshot", "sourceDisk", "description"],
      ...["diskEncryptionKey", "physicalBlockSizeBytes"],
    ],
    replacesWhen: (before, after) => {
      const [from, to] = [numberAt(before, "size"), numberAt(after, "size")];
      return from !== undefined && to !== undefined && to < from ? ["size"] : [];
    },
    ...whenNamed,
    check: (inputs, report) => {
      computeName(inputs, report);
      labels(inputs, report);
      zone(inputs, report);
      inRange(inputs, "size", 1, 65_536, report);
    },
    id: zonal("disks"),
    computed: (inputs, place, id) => ({
      selfLink: selfLink(id),
      diskId: numberFrom(id),
      zone: zoneOf(inputs, place),
      type: textAt(inputs, "type") ?? "pd-standard",
      size: numberAt(inputs, "size") ?? 10,
      users: [],
    }),
    onDelete: (resource, live) => {
      refuseInUse("disk", resource, live, [[instance, "attachedDisks.*.source"]]);
      return "delete";
    },
  },
  [instance]: {
    replaces: [
      ...["name", "project", "zone", "metadataStartupScript", "hostname", "description"],
      ...["bootDisk.initializeParams.image", "bootDisk.source", "scheduling.preemptible"],
    ],
    ...whenNamed,
    check: checkInstance,
    id: zonal("instances"),
    computed: (inputs, place, id) => ({
      selfLink: selfLink(id),
      instanceId: numberFrom(id),
      currentStatus: "RUNNING",
      cpuPlatform: "Unknown CPU Platform",
      zone: zoneOf(inputs, place),
    }),
    admit: (resource, live, place) => {
      interfacesMustExist(resource, live);
      accountMustExist(
        live,
        textAt(resource.inputs, "serviceAccount.email"),
        "serviceAccount",
        place,
      );
      listAt(resource.inputs, "attachedDisks").forEach((attached, index) => {
        const source = textAt(attached, "source");
        const missing = `attachedDisks[${index}].source: disk ${String(source)} does not exist`;
        mustExist(live, disk, source, missing);
        const user = live.find(
          instance,
          ({ id, inputs }) =>
            id !== resource.id &&
            source !== undefined &&
            listAt(inputs, "attachedDisks").some((other) => textAt(other, "source") === source),
        );
        if (user !== undefined && textAt(attached, "mode") !== "READ_ONLY") {
          throw new Refusal(
            `attachedDisks[${index}].source: The disk resource '${lastSegment(source ?? "")}' is already being used by '${user.id}'`,
          );
        }
      });
    },
    onDelete: (resource) => {
      if (resource.inputs["deletionProtection"] === true) {
        throw new Refusal(
          `Invalid resource usage: 'Resource cannot be deleted if it's protected against deletion.' (deletionProtection of ${resource.id})`,
        );
      }
      return "delete";
    },
  },
  [policy]: {
    replaces: ["name", "project", "region", "description", "groupPlacementPolicy"],
    ...whenNamed,
    check: (inputs, report) => {
      computeName(inputs, report);
    },
    id: (inputs, place) =>
      `projects/${projectOf(inputs, place)}/regions/${regionOf(inputs, place)}/resourcePolicies/${name(inputs)}`,
    computed: (_inputs, _place, id) => ({ selfLink: selfLink(id) }),
  },
  "gcp:compute/diskResourcePolicyAttachment:DiskResourcePolicyAttachment": {
    replaces: ["name", "project", "zone", "disk"],
    ...whenNamed,
    id: (inputs, place) =>
      `${projectOf(inputs, place)}/${zoneOf(inputs, place)}/${name(inputs, "disk")}/${name(inputs)}`,
    admit: (resource, live) => {
      const target = textAt(resource.inputs, "disk");
      mustExist(live, disk, target, `disk: disk ${String(target)} does not exist`);
      const wanted = textAt(resource.inputs, "name");
      mustExist(live, policy, wanted, `name: resource policy ${String(wanted)} does not exist`);
    },
  },
};

function zone(inputs: Props, report: Report): void {
  matches(inputs, "zone", /^[a-z]+-[a-z]+\d+-[a-z]$/, "a zone, for example europe-west1-b", report);
}

function checkInstance(inputs: Props, report: Report): void {
  computeName(inputs, report);
  labels(inputs, report);
  zone(inputs, report);
  matches(
    inputs,
    "machineType",
    /^[a-z]\d[a-z]?-[a-z0-9-]+$|^custom-\d+-\d+$/,
    "a machine type",
    report,
  );
  if (
    listAt(inputs, "networkInterfaces").length === 0 &&
    Array.isArray(inputs["networkInterfaces"])
  ) {
    report("networkInterfaces", "must hold at least one interface");
  }
  const account = objectAt(inputs, "serviceAccount");
  if (inputs["serviceAccount"] !== undefined && account["scopes"] === undefined) {
    report("serviceAccount.scopes", "is missing");
  }
  for (const [key, value] of Object.entries(objectAt(inputs, "metadata"))) {
    if (typeof value !== "string") report(`metadata.${key}`, "is not a string");
    else if (Buffer.byteLength(value) > 256 * 1024) {
      report(`metadata.${key}`, `${Buffer.byteLength(value)} bytes; at most 262144 are allowed`);
    }
  }
  listAt(inputs, "tags").forEach((tag, index) => {
    if (typeof tag === "string" && tag.length > 63)
      report(`tags[${index}]`, "is over 63 characters");
  });
}
