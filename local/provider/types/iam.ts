/** Accounts, grants, pools of foreign identities, and the project's APIs. */
import type { Props, Resource } from "../backend.ts";
import type { Registry } from "../registry.ts";
import { isUnknown, listAt, objectAt, textAt } from "../values.ts";
import {
  grant,
  grantId,
  grantMustResolve,
  grantOutputs,
  matches,
  mustExist,
  name,
  projectOf,
} from "./checks.ts";
import { numberFrom, projectNumber } from "./numbers.ts";
import type { Place, Report, Types } from "./type.ts";

const account = "gcp:serviceaccount/account:Account";
const pool = "gcp:iam/workloadIdentityPool:WorkloadIdentityPool";

function emailOf(inputs: Props, place: Place): string {
  return `${name(inputs, "accountId")}@${projectOf(inputs, place)}.iam.gserviceaccount.com`;
}

/** 4–32 characters; the prefix gcp- is Google's own. */
const poolName = /^(?!gcp-)[a-z][a-z0-9-]{2,30}[a-z0-9]$/;
const poolRule = "4–32 lowercase letters, digits or hyphens, not beginning with gcp-";

/** Issuers that sign for everybody: without a condition each of their customers would be let in. */
const sharedIssuers = [
  "https://token.actions.githubusercontent.com",
  "https://gitlab.com",
  "https://app.terraform.io",
];

function checkProvider(inputs: Props, report: Report): void {
  const kinds = ["aws", "oidc", "saml", "x509"].filter((key) => inputs[key] !== undefined);
  if (kinds.length !== 1) report("oidc", "exactly one of aws, oidc, saml, x509 must be given");
  matches(inputs, "oidc.issuerUri", /^https:\/\/\S+$/, "an https address", report);
  const mapping = objectAt(inputs, "attributeMapping");
  if (inputs["oidc"] !== undefined && mapping["google.subject"] === undefined) {
    report("attributeMapping", "google.subject must be mapped");
  }
  for (const key of Object.keys(mapping)) {
    if (!/^(google\.(subject|groups)|attribute\.[a-z0-9_]{1,100})$/.test(key)) {
      report(
        `attributeMapping["${key}"]`,
        "is none of google.subject, google.groups and attribute.<a-z, 0-9, _>",
      );
    }
  }
  const issuer = textAt(inputs, "oidc.issuerUri") ?? "";
  const condition = inputs["attributeCondition"];
  if (
    sharedIssuers.includes(issuer) &&
    !isUnknown(condition) &&
    !/\b(assertion|attribute|google)\./.test(typeof condition === "string" ? condition : "")
  ) {
    report(
      "attributeCondition",
      "The attribute condition must reference one of the provider's claims.",
    );
  }
}

export const iam: Types = {
  [account]: {
    replaces: ["accountId", "project"],
    autoNamed: "accountId",
    deleteBeforeReplace: "when named",
    check: (inputs, report) => {
      matches(
        inputs,
        "accountId",
        /^[a-z]([-a-z0-9]{4,28}[a-z0-9])$/,
        "6–30 lowercase letters, digits or hyphens, beginning with a letter and not ending with a hyphen",
        report,
      );
      const shown = textAt(inputs, "displayName");
      if (shown !== undefined && shown.length > 100) {
        report("displayName", `${shown.length} characters; at most 100 are allowed`);
      }
    },
    id: (inputs, place) =>
      `projects/${projectOf(inputs, place)}/serviceAccounts/${emailOf(inputs, place)}`,
    computed: (inputs, place, id) => ({
      email: emailOf(inputs, place),
      member: `serviceAccount:${emailOf(inputs, place)}`,
      name: id,
      uniqueId: numberFrom(id),
      project: projectOf(inputs, place),
    }),
  },
  "gcp:projects/iAMMember:IAMMember": {
    replaces: ["project", "role", "member", "condition"],
    deleteBeforeReplace: "always",
    upsert: true,
    check: grant,
    id: grantId("project"),
    computed: grantOutputs,
    admit: grantMustResolve,
  },
  "gcp:serviceaccount/iAMMember:IAMMember": {
    replaces: ["serviceAccountId", "role", "member", "condition"],
    upsert: true,
    check: (inputs, report) => {
      grant(inputs, report);
      matches(
        inputs,
        "serviceAccountId",
        /^projects\/[^/]+\/serviceAccounts\/[^/]+$/,
        "a full name projects/<p>/serviceAccounts/<email>",
        report,
      );
    },
    id: grantId("serviceAccountId"),
    computed: grantOutputs,
    admit: (resource, live, place) => {
      const given = textAt(resource.inputs, "serviceAccountId");
      // Accounts that Google makes (App Engine's and Compute's defaults) are not resources here.
      if (given?.endsWith(`@${place.project}.iam.gserviceaccount.com`) === true) {
        mustExist(live, account, given, `serviceAccountId: ${given} does not exist`);
      }
      grantMustResolve(resource, live, place);
    },
  },
  "gcp:projects/iAMCustomRole:IAMCustomRole": {
    replaces: ["roleId", "project"],
    check: (inputs, report) => {
      matches(inputs, "roleId", /^[A-Za-z0-9_.]{3,64}$/, "3–64 letters, digits, _ or dots", report);
      listAt(inputs, "permissions").forEach((permission, index) => {
        if (isUnknown(permission) || typeof permission !== "string") return;
        if (!/^[a-z]+\.[A-Za-z]+\.[A-Za-z]+$/.test(permission)) {
          report(`permissions[${index}]`, `"${permission}" is not of the form service.thing.verb`);
        }
      });
      const title = textAt(inputs, "title");
      if (title !== undefined && title.length > 100) {
        report("title", `${title.length} characters; at most 100 are allowed`);
      }
    },
    id: (inputs, place) => `projects/${projectOf(inputs, place)}/roles/${name(inputs, "roleId")}`,
    computed: (_inputs, _place, id) => ({ name: id, deleted: false }),
  },
  [pool]: {
    replaces: ["workloadIdentityPoolId", "project"],
    check: (inputs, report) => {
      matches(inputs, "workloadIdentityPoolId", poolName, poolRule, report);
    },
    id: (inputs, place) =>
      `projects/${projectOf(inputs, place)}/locations/global/workloadIdentityPools/${name(inputs, "workloadIdentityPoolId")}`,
    computed: (inputs, place, id) => ({
      name: `projects/${projectNumber(projectOf(inputs, place))}/${id.split("/").slice(2).join("/")}`,
      state: "ACTIVE",
    }),
  },
  "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": {
    replaces: ["workloadIdentityPoolId", "workloadIdentityPoolProviderId", "project"],
    check: (inputs, report) => {
      matches(inputs, "workloadIdentityPoolProviderId", poolName, poolRule, report);
      checkProvider(inputs, report);
    },
    id: (inputs, place) =>
      `projects/${projectOf(inputs, place)}/locations/global/workloadIdentityPools/${name(inputs, "workloadIdentityPoolId")}/providers/${name(inputs, "workloadIdentityPoolProviderId")}`,
    computed: (inputs, place, id) => ({
      name: `projects/${projectNumber(projectOf(inputs, place))}/${id.split("/").slice(2).join("/")}`,
      state: "ACTIVE",
    }),
    admit: (resource, live) => {
      const given = textAt(resource.inputs, "workloadIdentityPoolId");
      mustExist(live, pool, given, `workloadIdentityPoolId: pool ${String(given)} does not exist`);
    },
  },
  "gcp:projects/service:Service": {
    replaces: ["service", "project"],
    upsert: true,
    check: (inputs, report) => {
      matches(
        inputs,
        "service",
        /^[a-z][a-z0-9-]*\.googleapis\.com$/,
        "the name of an API, for example pubsub.googleapis.com",
        report,
      );
    },
    id: (inputs, place) => `${projectOf(inputs, place)}/${name(inputs, "service")}`,
    onDelete: (resource) => (resource.inputs["disableOnDestroy"] === true ? "delete" : "keep"),
  },
  "gcp:projects/serviceIdentity:ServiceIdentity": {
    replaces: ["service", "project"],
    upsert: true,
    id: (inputs, place) =>
      `projects/${projectOf(inputs, place)}/services/${name(inputs, "service")}`,
    computed: (inputs, place) => {
      const service = name(inputs, "service").split(".")[0] ?? "";
      const email = `service-${projectNumber(projectOf(inputs, place))}@gcp-sa-${service}.iam.gserviceaccount.com`;
      return { email, member: `serviceAccount:${email}` };
    },
    onDelete: () => "keep",
  },
};

/** Refuses a grant on something that is not there. */
export function grantOn(
  type: string,
  property: string,
  missing: (reference: string) => string,
): (resource: Resource, live: Registry, place: Place) => void {
  return (resource, live, place) => {
    const reference = textAt(resource.inputs, property);
    if (reference !== undefined) mustExist(live, type, reference, missing(reference));
    grantMustResolve(resource, live, place);
  };
}
