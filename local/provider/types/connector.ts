/** The connector through which standard services reach the network. */
import type { Props } from "../backend.ts";
import { parseRange } from "../cidr.ts";
import { numberAt, textAt } from "../values.ts";
import { inRange, matches, name, oneOf, projectOf, regionOf } from "./checks.ts";
import { connectorToken, networkMustExist, range, refuseOverlap } from "./ranges.ts";
import type { Report, Types } from "./type.ts";

export const connector: Types = {
  [connectorToken]: {
    replaces: ["name", "project", "region", "network", "ipCidrRange", "subnet"],
    // A connector grows in place; only a smaller one must be made anew.
    replacesWhen: (before, after) =>
      ["minInstances", "maxInstances", "minThroughput", "maxThroughput"].filter((key) => {
        const [from, to] = [numberAt(before, key), numberAt(after, key)];
        return from !== undefined && to !== undefined && to < from;
      }),
    // What the program stops to say, the cloud keeps.
    suppressDiff: (property, _before, after) =>
      /^(min|max)(Instances|Throughput)$/.test(property) && after[property] === undefined,
    autoNamed: "name",
    deleteBeforeReplace: "when named",
    check: checkConnector,
    id: (inputs, place) =>
      `projects/${projectOf(inputs, place)}/locations/${regionOf(inputs, place)}/connectors/${name(inputs)}`,
    computed: (inputs, place, id) => ({
      selfLink: id,
      state: "READY",
      region: regionOf(inputs, place),
      project: projectOf(inputs, place),
      connectedProjects: [],
    }),
    admit: (resource, live) => {
      networkMustExist(resource, live);
      refuseOverlap(resource, live);
    },
  },
};

function checkConnector(inputs: Props, report: Report): void {
  const given = textAt(inputs, "name");
  matches(
    inputs,
    "name",
    /^[a-z]([-a-z0-9]*[a-z0-9])?$/,
    "lowercase letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
    report,
  );
  if (given !== undefined) {
    const length = given.length + (given.match(/-/g)?.length ?? 0);
    if (length > 20) {
      report(
        "name",
        `"${given}" counts ${length} characters (each hyphen counts twice); at most 20 are allowed`,
      );
    }
  }
  const text = textAt(inputs, "ipCidrRange");
  range(inputs, "ipCidrRange", report, 28);
  if (text !== undefined && parseRange(text) !== undefined && parseRange(text)?.prefix !== 28) {
    report("ipCidrRange", `"${text}" is not a /28`);
  }
  const subnet = inputs["subnet"] ?? undefined;
  const [ranged, networked] = [inputs["ipCidrRange"], inputs["network"]];
  if (subnet === undefined && (ranged === undefined || networked === undefined)) {
    report("network", "needs ipCidrRange and network together, or subnet");
  }
  inRange(inputs, "minInstances", 2, 9, report);
  inRange(inputs, "maxInstances", 3, 10, report);
  const [min, max] = [numberAt(inputs, "minInstances"), numberAt(inputs, "maxInstances")];
  if (min !== undefined && max !== undefined && max <= min) {
    report("maxInstances", `${max} is not above minInstances, which is ${min}`);
  }
  const throughput = inputs["maxThroughput"] ?? undefined;
  if (inputs["maxInstances"] === undefined && throughput === undefined) {
    report("maxInstances", "A Connector must specify either max_throughput or max_instances");
  }
  if ((inputs["minInstances"] === undefined) !== (inputs["maxInstances"] === undefined)) {
    report("minInstances", "minInstances and maxInstances must be given together");
  }
  oneOf(inputs, "machineType", ["f1-micro", "e2-micro", "e2-standard-4"], report);
}
