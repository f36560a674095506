/** App Engine: the application, traffic, ingress, dispatch rules. Versions are in versions.ts. */
import type { Props } from "../backend.ts";
import type { Registry } from "../registry.ts";
import { isUnknown, listAt, objectAt, textAt } from "../values.ts";
import { inRange, name, oneOf, projectOf } from "./checks.ts";
import { Refusal, type Report, type Types } from "./type.ts";
import { flexible, serviceExists, split, standard, versionsOf } from "./versions.ts";

const application = "gcp:appengine/application:Application";

/** Locations that App Engine offers; two of them lack the digit of their region. */
const locations =
  "asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-southeast1 asia-southeast2 australia-southeast1 europe-central2 europe-west europe-west2 europe-west3 europe-west6 northamerica-northeast1 southamerica-east1 us-central us-east1 us-east4 us-west1 us-west2 us-west3 us-west4".split(
    " ",
  );

/**
 * Google's codes of some locations, which are in an application's host name
 * (https://cloud.google.com/appengine/docs/standard/how-requests-are-routed#region-id).
 */
const regionCodes: Readonly<Record<string, string>> = {
  "us-central": "uc",
  "us-east1": "ue",
  "europe-west": "ew",
  "europe-west2": "nw",
  "europe-west3": "ey",
  "asia-northeast1": "an",
  "australia-southeast1": "ts",
  "southamerica-east1": "rj",
};

/** The host without a region's code leads to every application too. */
function cloudHostname(project: string, location: string | undefined): string {
  const code = regionCodes[location ?? ""];
  return code === undefined ? `${project}.appspot.com` : `${project}.${code}.r.appspot.com`;
}

export const appEngine: Types = {
  [application]: {
    replaces: [],
    customizeDiff: (before, after) => {
      const [from, to] = [before["locationId"], after["locationId"]];
      if (from !== to && !isUnknown(to)) {
        throw new Refusal("locationId: Cannot change location_id once the resource is created.");
      }
    },
    check: (inputs, report) => {
      oneOf(inputs, "locationId", locations, report);
      oneOf(
        inputs,
        "databaseType",
        ["CLOUD_FIRESTORE", "CLOUD_DATASTORE_COMPATIBILITY", "CLOUD_DATASTORE"],
        report,
      );
      oneOf(
        inputs,
        "servingStatus",
        ["UNSPECIFIED", "SERVING", "USER_DISABLED", "SYSTEM_DISABLED"],
        report,
      );
      const project = textAt(inputs, "project");
      if (project !== undefined && /^\d+$/.test(project)) {
        report("project", "must be the project's id, not its number");
      }
    },
    id: projectOf,
    computed: (inputs, place, id) => ({
      appId: id,
      name: `apps/${id}`,
      defaultHostname: place.defaultHostname ?? cloudHostname(id, textAt(inputs, "locationId")),
      codeBucket: `staging.${id}.appspot.com`,
      defaultBucket: `${id}.appspot.com`,
      gcrDomain: "gcr.io",
      urlDispatchRules: [],
      authDomain: textAt(inputs, "authDomain") ?? "gmail.com",
    }),
    onDelete: () => "keep",
  },
  [split]: {
    replaces: [],
    upsert: true,
    check: checkSplit,
    id: (inputs, place) => `apps/${projectOf(inputs, place)}/services/${name(inputs, "service")}`,
    admit: (resource, live) => {
      const service = name(resource.inputs, "service");
      serviceMustExist(service, live);
      for (const version of Object.keys(objectAt(resource.inputs, "split.allocations"))) {
        if (!versionsOf(service, live).some((v) => textAt(v.inputs, "versionId") === version)) {
          throw new Refusal(
            `split.allocations: version "${version}" of service "${service}" does not exist`,
          );
        }
      }
    },
    onDelete: () => "keep",
  },
  "gcp:appengine/serviceNetworkSettings:ServiceNetworkSettings": {
    replaces: [],
    upsert: true,
    check: (inputs, report) => {
      oneOf(
        inputs,
        "networkSettings.ingressTrafficAllowed",
        [
          "INGRESS_TRAFFIC_ALLOWED_UNSPECIFIED",
          "INGRESS_TRAFFIC_ALLOWED_ALL",
          "INGRESS_TRAFFIC_ALLOWED_INTERNAL_ONLY",
          "INGRESS_TRAFFIC_ALLOWED_INTERNAL_AND_LB",
        ],
        report,
      );
    },
    id: (inputs, place) => `apps/${projectOf(inputs, place)}/services/${name(inputs, "service")}`,
    admit: (resource, live) => {
      serviceMustExist(name(resource.inputs, "service"), live);
    },
    onDelete: () => "keep",
  },
  "gcp:appengine/applicationUrlDispatchRules:ApplicationUrlDispatchRules": {
    replaces: ["project"],
    upsert: true,
    check: checkDispatchRules,
    id: projectOf,
    admit: (resource, live) => {
      listAt(resource.inputs, "dispatchRules").forEach((rule, index) => {
        const service = textAt(rule, "service");
        if (service !== undefined && !serviceExists(service, live)) {
          throw new Refusal(
            `dispatchRules[${index}].service: service "${service}" does not exist in this application`,
          );
        }
      });
    },
  },
  "gcp:appengine/firewallRule:FirewallRule": {
    replaces: ["project", "priority"],
    check: (inputs, report) => {
      oneOf(inputs, "action", ["UNSPECIFIED_ACTION", "ALLOW", "DENY"], report);
      inRange(inputs, "priority", 1, 2_147_483_647, report);
    },
    id: (inputs, place) =>
      `apps/${projectOf(inputs, place)}/firewall/ingressRules/${String(inputs["priority"])}`,
  },
  ...standard,
  ...flexible,
};

function serviceMustExist(service: string, live: Registry): void {
  if (!serviceExists(service, live)) {
    throw new Refusal(`service: service "${service}" does not exist in this application`);
  }
}

function checkSplit(inputs: Props, report: Report): void {
  oneOf(inputs, "split.shardBy", ["UNSPECIFIED", "COOKIE", "IP", "RANDOM"], report);
  if (inputs["migrateTraffic"] === undefined || inputs["migrateTraffic"] === null) {
    report(
      "migrateTraffic",
      'must be set, usually to false: unset it is sent as an empty string, which the API refuses (Invalid value (TYPE_BOOL), "")',
    );
  }
  const entries = Object.entries(objectAt(inputs, "split.allocations"));
  if (entries.length === 0) {
    report("split.allocations", "must give at least one version its share");
    return;
  }
  if (entries.some(([version, share]) => isUnknown(version) || isUnknown(share))) return;
  const decimals = textAt(inputs, "split.shardBy") === "COOKIE" ? 3 : 2;
  let thousandths = 0;
  for (const [version, text] of entries) {
    const share = Number(text);
    if (!(share > 0 && share <= 1)) {
      report(`split.allocations.${version}`, `"${String(text)}" is not a share above 0 up to 1`);
      return;
    }
    if (Math.abs(share * 10 ** decimals - Math.round(share * 10 ** decimals)) > 1e-6) {
      report(
        `split.allocations.${version}`,
        `"${String(text)}" has more than ${decimals} decimals, which this way of splitting allows`,
      );
    }
    thousandths += Math.round(share * 1000);
  }
  if (thousandths !== 1000) {
    report("split.allocations", `the shares sum to ${thousandths / 1000}; they must sum to 1`);
  }
}

function checkDispatchRules(inputs: Props, report: Report): void {
  const rules = listAt(inputs, "dispatchRules");
  if (rules.length > 20) report("dispatchRules", `${rules.length} rules; at most 20 are allowed`);
  rules.forEach((rule, index) => {
    const at = (key: string): string => `dispatchRules[${index}].${key}`;
    const path = textAt(rule, "path");
    const domain = textAt(rule, "domain") ?? "*";
    if (textAt(rule, "service") === "") report(at("service"), "is empty");
    if (path === undefined) {
      if (!isUnknown(objectAt({ rule }, "rule")["path"])) report(at("path"), "is missing");
      return;
    }
    if (!path.startsWith("/")) report(at("path"), `"${path}" does not begin with /`);
    if (path.slice(0, -1).includes("*")) {
      report(at("path"), `"${path}": a * is allowed only as the last character`);
    }
    if (domain !== "*" && domain.replace(/^\*\./, "").includes("*")) {
      report(at("domain"), `"${domain}": a * is allowed alone or as a leading *.`);
    }
    if (domain.includes("-dot-")) {
      report(at("domain"), `"${domain}": -dot- is not allowed, write plain dots`);
    }
    if (domain.length + path.length > 100) {
      report(
        at("path"),
        `domain and path have ${domain.length + path.length} characters; at most 100 are allowed`,
      );
    }
  });
}
