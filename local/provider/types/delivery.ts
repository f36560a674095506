/** What builds: Artifact Registry, Cloud Build. */
import type { Props } from "../backend.ts";
import { lastSegment, objectAt, textAt } from "../values.ts";
import {
  accountMustExist,
  computeName,
  grant,
  grantId,
  grantOutputs,
  matches,
  name,
  oneOf,
  projectOf,
  regionOf,
} from "./checks.ts";
import { grantOn } from "./iam.ts";
import { numberFrom } from "./numbers.ts";
import { subnetworkToken } from "./ranges.ts";
import type { Place, Report, Types } from "./type.ts";

const repository = "gcp:artifactregistry/repository:Repository";

function locationOf(inputs: Props, place: Place): string {
  return textAt(inputs, "location") ?? place.region;
}

/** What may start a trigger. */
const events = [
  ...["bitbucketServerTriggerConfig", "developerConnectEventConfig", "github", "pubsubConfig"],
  ...["repositoryEventConfig", "sourceToBuild", "triggerTemplate", "webhookConfig"],
];

function checkTrigger(inputs: Props, report: Report): void {
  if (events.filter((key) => inputs[key] !== undefined).length !== 1) {
    report("github", `exactly one of ${events.join(", ")} must be given`);
  }
  oneOf(
    inputs,
    "includeBuildLogs",
    ["INCLUDE_BUILD_LOGS_UNSPECIFIED", "INCLUDE_BUILD_LOGS_WITH_STATUS"],
    report,
  );
  for (const key of Object.keys(objectAt(inputs, "substitutions"))) {
    if (!/^_[A-Z0-9_]+$/.test(key)) {
      report(`substitutions.${key}`, "is not _ and A-Z, 0-9, _, as one's own substitutions are");
    }
  }
  for (const event of ["github", "repositoryEventConfig"]) {
    if (inputs[event] === undefined) continue;
    const kinds = ["push", "pullRequest"].filter(
      (kind) => Object.keys(objectAt(inputs, `${event}.${kind}`)).length > 0,
    );
    if (kinds.length !== 1) report(event, "exactly one of push and pullRequest must be given");
    oneOf(
      inputs,
      `${event}.pullRequest.commentControl`,
      ["COMMENTS_DISABLED", "COMMENTS_ENABLED", "COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY"],
      report,
    );
    for (const path of ["push.branch", "push.tag", "pullRequest.branch"]) {
      const pattern = textAt(inputs, `${event}.${path}`);
      if (pattern === undefined || isRegExp(pattern)) continue;
      report(`${event}.${path}`, `"${pattern}" is no regular expression`);
    }
  }
}

/** The cloud's expressions are RE2, of which those here are a part that both understand. */
function isRegExp(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}

export const delivery: Types = {
  [repository]: {
    replaces: ["repositoryId", "project", "location", "mode", "format", "remoteRepositoryConfig"],
    check: (inputs, report) => {
      computeName(inputs, report, "repositoryId");
      oneOf(
        inputs,
        "mode",
        ["STANDARD_REPOSITORY", "VIRTUAL_REPOSITORY", "REMOTE_REPOSITORY"],
        report,
      );
      oneOf(
        inputs,
        "format",
        ["DOCKER", "MAVEN", "NPM", "APT", "YUM", "PYTHON", "KFP", "GO", "GENERIC"],
        report,
      );
    },
    id: (inputs, place) =>
      `projects/${projectOf(inputs, place)}/locations/${locationOf(inputs, place)}/repositories/${name(inputs, "repositoryId")}`,
    computed: (inputs, place) => ({
      name: name(inputs, "repositoryId"),
      location: locationOf(inputs, place),
      project: projectOf(inputs, place),
      registryUri: `${locationOf(inputs, place)}-docker.pkg.dev/${projectOf(inputs, place)}/${name(inputs, "repositoryId")}`,
    }),
  },
  "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": {
    replaces: ["project", "location", "repository", "role", "member", "condition"],
    upsert: true,
    check: grant,
    id: grantId("repository"),
    computed: grantOutputs,
    admit: grantOn(repository, "repository", (r) => `repository: repository ${r} does not exist`),
  },
  "gcp:compute/subnetworkIAMMember:SubnetworkIAMMember": {
    replaces: ["project", "region", "subnetwork", "role", "member", "condition"],
    upsert: true,
    check: grant,
    id: (inputs, place) => `${regionOf(inputs, place)}/${grantId("subnetwork")(inputs)}`,
    computed: grantOutputs,
    admit: grantOn(subnetworkToken, "subnetwork", (r) => `subnetwork: ${r} does not exist`),
  },
  "gcp:cloudbuild/trigger:Trigger": {
    replaces: ["project", "location"],
    autoNamed: "name",
    deleteBeforeReplace: "when named",
    check: (inputs, report) => {
      matches(
        inputs,
        "name",
        /^[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?$/,
        "1–64 letters, digits or hyphens",
        report,
      );
      matches(
        inputs,
        "serviceAccount",
        /^projects\/[^/]+\/serviceAccounts\/[^/]+$/,
        "a full name projects/<p>/serviceAccounts/<email>",
        report,
      );
      const kinds = ["filename", "build", "gitFileSource"].filter(
        (key) => inputs[key] !== undefined,
      );
      if (kinds.length !== 1) {
        report("filename", "exactly one of filename, build, gitFileSource must be given");
      }
      checkTrigger(inputs, report);
    },
    id: (inputs, place) =>
      `projects/${projectOf(inputs, place)}/locations/${textAt(inputs, "location") ?? "global"}/triggers/${numberFrom(name(inputs))}`,
    computed: (inputs) => ({ triggerId: numberFrom(name(inputs)) }),
    admit: (resource, live, place) => {
      const email = lastSegment(textAt(resource.inputs, "serviceAccount") ?? "");
      accountMustExist(live, email, "serviceAccount", place);
    },
  },
};
