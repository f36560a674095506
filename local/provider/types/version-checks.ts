/** What can be said of an App Engine version by looking at its settings alone. */
import type { Props } from "../backend.ts";
import { at, isUnknown, listAt, numberAt, objectAt, textAt } from "../values.ts";
import { inRange, matches, oneOf, projectOf } from "./checks.ts";
import type { Place, Report } from "./type.ts";

const name63 =
  "1–63 lowercase letters, digits or hyphens, beginning and ending with a letter or digit";
const namePattern = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Where a version takes its code from. */
export const objectUrl = /^https:\/\/storage\.googleapis\.com\/([^/]+)\/(.+)$/;

function checkVersion(inputs: Props, report: Report, place: Place): void {
  matches(inputs, "service", namePattern, `a service name: ${name63}`, report);
  matches(inputs, "versionId", namePattern, `a version id: ${name63}`, report);
  const [service, version] = [textAt(inputs, "service"), textAt(inputs, "versionId")];
  if (inputs["versionId"] === undefined || inputs["versionId"] === null) {
    report("versionId", "is missing: the provider's default changes with every deployment");
  }
  if (version !== undefined && /^(default|latest|ah-.*)$/.test(version)) {
    report("versionId", `"${version}" is reserved (default, latest and ah-… are)`);
  }
  if (service !== undefined && version !== undefined) {
    const label = [version, service, projectOf(inputs, place)].join("-dot-");
    if (label.length > 63) {
      report(
        "versionId",
        `the host label ${label} has ${label.length} characters; at most 63 are allowed`,
      );
    }
  }
  const url = textAt(inputs, "deployment.zip.sourceUrl");
  if (url !== undefined && !objectUrl.test(url)) {
    report(
      "deployment.zip.sourceUrl",
      `"${url}" is not of the form https://storage.googleapis.com/<bucket>/<object>`,
    );
  } else if (url !== undefined && !/\.(zip|jar|war)$/.test(url)) {
    report(
      "deployment.zip.sourceUrl",
      `"${url}" has no extension that Cloud Build knows: use .zip`,
    );
  }
  matches(
    inputs,
    "serviceAccount",
    /^[^@\s]+@[^@\s]+\.gserviceaccount\.com$/,
    "the e-mail address of a service account",
    report,
  );
  matches(
    inputs,
    "vpcAccessConnector.name",
    /^\/?projects\/[^/]+\/locations\/[^/]+\/connectors\/[^/]+$/,
    "a full name projects/<p>/locations/<l>/connectors/<c>",
    report,
  );
  oneOf(inputs, "vpcAccessConnector.egressSetting", ["ALL_TRAFFIC", "PRIVATE_IP_RANGES"], report);
  for (const [key, value] of Object.entries(objectAt(inputs, "envVariables"))) {
    if (typeof value !== "string") report(`envVariables.${key}`, "is not a string");
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) {
      report(
        `envVariables.${key}`,
        "the name must be letters, digits and _ and not begin with a digit",
      );
    }
    if (/^(GAE_.*|GOOGLE_CLOUD_PROJECT|PORT)$/.test(key)) {
      report(`envVariables.${key}`, "is set by the platform and cannot be overridden");
    }
  }
  inRange(inputs, "manualScaling.instances", 1, 200, report);
}

/** Reports unless exactly one, or where `atMost`, none of the blocks is there; answers the one. */
function scalingBlock(
  inputs: Props,
  blocks: readonly string[],
  atMost: boolean,
  report: Report,
): string | undefined {
  const given = blocks.filter((key) => inputs[key] !== undefined && inputs[key] !== null);
  if (given.length > 1 || (given.length === 0 && !atMost)) {
    report(
      given[1] ?? blocks[0] ?? "",
      `${given.length === 0 ? "no scaling is given" : `${given.join(" and ")} are given`}; exactly one of ${blocks.join(", ")} is allowed`,
    );
  }
  return given[0];
}

const standardRuntimes = /^(nodejs(20|22|24)|python3\d+|go1\d+|java\d+|php8\d+|ruby3\d+)$/;

export function checkStandard(inputs: Props, report: Report, place: Place): void {
  checkVersion(inputs, report, place);
  matches(inputs, "runtime", standardRuntimes, "a runtime of the standard environment", report);
  const deployment = objectAt(inputs, "deployment");
  if (deployment["zip"] === undefined && deployment["files"] === undefined) {
    if (!isUnknown(inputs["deployment"])) report("deployment", "needs zip or files");
  }
  const blocks = ["automaticScaling", "basicScaling", "manualScaling"];
  const scaling = scalingBlock(inputs, blocks, true, report) ?? "automaticScaling";
  inRange(inputs, "basicScaling.maxInstances", 1, 200, report);
  const scheduler = "automaticScaling.standardSchedulerSettings";
  orderedCounts(inputs, `${scheduler}.minInstances`, `${scheduler}.maxInstances`, 0, report);
  inRange(inputs, `${scheduler}.targetCpuUtilization`, 0.5, 0.95, report);
  inRange(inputs, `${scheduler}.targetThroughputUtilization`, 0.5, 0.95, report);
  inRange(inputs, "automaticScaling.maxConcurrentRequests", 1, 1000, report);
  const classes =
    scaling === "automaticScaling"
      ? ["F1", "F2", "F4", "F4_1G"]
      : ["B1", "B2", "B4", "B4_1G", "B8"];
  const given = textAt(inputs, "instanceClass");
  if (given !== undefined && !classes.includes(given)) {
    report("instanceClass", `"${given}" does not go with ${scaling}; use ${classes.join(", ")}`);
  }
  for (const [index, service] of listAt(inputs, "inboundServices").entries()) {
    if (typeof service === "string" && !/^INBOUND_SERVICE_[A-Z_]+$|^[0-9a-f-]{36}$/.test(service)) {
      report(`inboundServices[${index}]`, `"${service}" is not of the form INBOUND_SERVICE_…`);
    }
  }
  if (inputs["appEngineApis"] !== undefined && inputs["appEngineBundledServices"] !== undefined) {
    report("appEngineApis", "cannot go together with appEngineBundledServices");
  }
}

export function checkFlexible(inputs: Props, report: Report, place: Place): void {
  checkVersion(inputs, report, place);
  scalingBlock(inputs, ["automaticScaling", "manualScaling"], false, report);
  for (const check of ["readinessCheck", "livenessCheck"]) {
    matches(inputs, `${check}.path`, /^\//, "a path that begins with /", report);
    if (at(inputs, `${check}.path`) === undefined && !isUnknown(inputs[check])) {
      report(`${check}.path`, "is missing");
    }
    for (const time of ["checkInterval", "timeout", "initialDelay", "appStartTimeout"]) {
      matches(inputs, `${check}.${time}`, /^\d+(\.\d+)?s$/, "a time such as 30s", report);
    }
  }
  const automatic = objectAt(inputs, "automaticScaling");
  if (inputs["automaticScaling"] !== undefined && automatic["cpuUtilization"] === undefined) {
    if (!isUnknown(inputs["automaticScaling"])) {
      report("automaticScaling.cpuUtilization", "is missing");
    }
  }
  inRange(inputs, "automaticScaling.cpuUtilization.targetUtilization", 0.01, 1, report);
  orderedCounts(
    inputs,
    "automaticScaling.minTotalInstances",
    "automaticScaling.maxTotalInstances",
    1,
    report,
  );
  oneOf(inputs, "servingStatus", ["SERVING", "STOPPED"], report);
  const image = textAt(inputs, "deployment.container.image");
  if (image !== undefined && textAt(inputs, "runtime") !== "custom") {
    report("runtime", `"${textAt(inputs, "runtime") ?? ""}" runs no image; an image needs custom`);
  }
  inRange(inputs, "resources.cpu", 1, 80, report);
  const cpu = numberAt(inputs, "resources.cpu");
  if (cpu !== undefined && cpu !== 1 && cpu % 2 !== 0) {
    report("resources.cpu", `${cpu} is neither 1 nor an even number`);
  }
  inRange(inputs, "resources.diskGb", 10, 10_240, report);
}

function orderedCounts(
  inputs: Props,
  low: string,
  high: string,
  least: number,
  report: Report,
): void {
  const [min, max] = [numberAt(inputs, low), numberAt(inputs, high)];
  inRange(inputs, low, least, 1_000, report);
  // 0 is how the standard environment spells "no limit of its own".
  if (min !== undefined && max !== undefined && max > 0 && max < min) {
    report(high, `${max} is below the minimum of ${min}`);
  }
}
