/** App Engine versions, standard and flexible. */
import type { Props, Resource } from "../backend.ts";
import type { Registry } from "../registry.ts";
import { at, isUnknown, lastSegment, objectAt, textAt } from "../values.ts";
import { accountMustExist, findByReference, mustExist, name, projectOf } from "./checks.ts";
import { Refusal, type Place, type ResourceType, type Types } from "./type.ts";
import { checkFlexible, checkStandard, objectUrl } from "./version-checks.ts";

const standardToken = "gcp:appengine/standardAppVersion:StandardAppVersion";
const flexibleToken = "gcp:appengine/flexibleAppVersion:FlexibleAppVersion";
export const split = "gcp:appengine/engineSplitTraffic:EngineSplitTraffic";

const common = {
  id: (inputs: Props, place: Place): string =>
    `apps/${projectOf(inputs, place)}/services/${name(inputs, "service")}/versions/${name(inputs, "versionId")}`,
  computed: (_inputs: Props, _place: Place, id: string): Props => ({ name: id }),
  // POSTing a version id again redeploys that version in place.
  upsert: true,
  // The kind of scaling changes by another block, not by leaving this one out.
  suppressDiff: (property: string, _before: Props, after: Props): boolean =>
    property === "automaticScaling" && after[property] === undefined,
  admit: admitVersion,
  onDelete: onDeleteOfVersion,
  alsoDeleted: (resource: Resource, live: Registry): readonly Resource[] =>
    resource.inputs["deleteServiceOnDestroy"] === true
      ? [
          ...versionsOf(name(resource.inputs, "service"), live).filter((v) => v.id !== resource.id),
          ...live.all(split).filter((s) => s.inputs["service"] === resource.inputs["service"]),
        ]
      : [],
} satisfies Partial<ResourceType>;

export const standard: Types = {
  [standardToken]: {
    ...common,
    replaces: ["versionId", "project", "appEngineApis", "appEngineBundledServices"],
    check: checkStandard,
  },
};

export const flexible: Types = {
  [flexibleToken]: { ...common, replaces: ["versionId", "project"], check: checkFlexible },
};

/** All versions of a service that the cloud has, oldest first, standard and flexible. */
export function versionsOf(service: string, live: Registry): Resource[] {
  return [...live.all(standardToken), ...live.all(flexibleToken)].filter(
    (version) => version.inputs["service"] === service,
  );
}

export function serviceExists(service: string, live: Registry): boolean {
  return versionsOf(service, live).length > 0;
}

function hasTraffic(version: Resource, live: Registry): boolean {
  const service = name(version.inputs, "service");
  const settings = live.find(split, (s) => s.inputs["service"] === service);
  const id = name(version.inputs, "versionId");
  // Until traffic is split for the first time, the first version of a service has all of it.
  if (settings === undefined) return versionsOf(service, live)[0]?.id === version.id;
  return Number(objectAt(settings.inputs, "split.allocations")[id] ?? 0) > 0;
}

function onDeleteOfVersion(version: Resource, live: Registry): "keep" | "delete" {
  if (version.inputs["noopOnDestroy"] === true) return "keep";
  const service = name(version.inputs, "service");
  if (version.inputs["deleteServiceOnDestroy"] === true) {
    if (service === "default") {
      throw new Refusal("The default service (module) may not be deleted.");
    }
    return "delete";
  }
  if (hasTraffic(version, live)) {
    throw new Refusal(
      `Cannot delete a version with a non-zero traffic allocation: ${name(version.inputs, "versionId")} of service ${service}`,
    );
  }
  if (versionsOf(service, live).length === 1) {
    throw new Refusal(
      `Cannot delete the last version of service ${service}; delete the service instead`,
    );
  }
  return "delete";
}

function admitVersion(version: Resource, live: Registry, place: Place): void {
  const { inputs } = version;
  const project = projectOf(inputs, place);
  if (live.get("gcp:appengine/application:Application", project) === undefined) {
    throw new Refusal(`project ${project} does not contain an App Engine application`);
  }
  if (name(inputs, "service") !== "default" && !serviceExists("default", live)) {
    throw new Refusal(
      "The first service (module) you upload to a new application must be the 'default' service (module). Please upload a version of the 'default' service (module) before uploading a version for the other ones.",
    );
  }
  accountMustExist(live, textAt(inputs, "serviceAccount"), "serviceAccount", place);
  const connector = textAt(inputs, "vpcAccessConnector.name");
  mustExist(
    live,
    "gcp:vpcaccess/connector:Connector",
    connector,
    `vpcAccessConnector.name: VPC connector ${String(connector)} does not exist`,
  );
  objectMustExist(textAt(inputs, "deployment.zip.sourceUrl"), live);
  const network = textAt(inputs, "network.name");
  mustExist(
    live,
    "gcp:compute/network:Network",
    network === "default" ? undefined : network,
    `network.name: network ${String(network)} does not exist`,
  );
  const subnetwork = textAt(inputs, "network.subnetwork");
  mustExist(
    live,
    "gcp:compute/subnetwork:Subnetwork",
    subnetwork,
    `network.subnetwork: subnetwork ${String(subnetwork)} does not exist`,
  );
  subnetworkOfCustomNetwork(network, subnetwork, inputs, live);
}

/** A network without automatic subnetworks leaves the platform no choice of its own. */
function subnetworkOfCustomNetwork(
  reference: string | undefined,
  subnetwork: string | undefined,
  inputs: Props,
  live: Registry,
): void {
  if (reference === undefined || subnetwork !== undefined) return;
  if (isUnknown(at(inputs, "network.subnetwork"))) return;
  const network = findByReference(live, "gcp:compute/network:Network", reference);
  if (network?.inputs["autoCreateSubnetworks"] === false) {
    throw new Refusal(
      `network.subnetwork: must be given, for network ${lastSegment(network.id)} has custom subnetworks`,
    );
  }
}

function objectMustExist(url: string | undefined, live: Registry): void {
  const [, bucket, object] = objectUrl.exec(url ?? "") ?? [];
  if (bucket === undefined || object === undefined) return;
  const found = live.find(
    "gcp:storage/bucketObject:BucketObject",
    ({ inputs, outputs }) => inputs["bucket"] === bucket && textAt(outputs, "name") === object,
  );
  if (found === undefined) {
    throw new Refusal(
      `deployment.zip.sourceUrl: object ${object} in bucket ${bucket} does not exist`,
    );
  }
}
