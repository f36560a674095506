/**
 * Predefined roles, spelled as the cloud spells them. Only roles that a stack of this kind may need:
 * a name that is missing here is refused, so that a misspelt role is found before a deployment.
 */
const roles: Readonly<Record<string, string>> = {
  appengine:
    "appAdmin appCreator appViewer codeViewer debugger deployer memcacheDataAdmin serviceAdmin",
  appengineflex: "serviceAgent",
  artifactregistry:
    "admin createOnPushWriter reader repoAdmin serverlessReader serviceAgent viewer writer",
  browser: "",
  cloudbuild:
    "builds.approver builds.builder builds.editor builds.viewer connectionAdmin connectionViewer readTokenAccessor serviceAgent workerPoolUser",
  cloudkms: "cryptoKeyDecrypter cryptoKeyEncrypter cryptoKeyEncrypterDecrypter viewer",
  cloudtrace: "agent user",
  compute:
    "admin instanceAdmin instanceAdmin.v1 networkAdmin networkUser networkViewer osAdminLogin osLogin securityAdmin storageAdmin viewer",
  datastore: "importExportAdmin indexAdmin owner user viewer",
  editor: "",
  errorreporting: "writer viewer",
  firebaserules: "system",
  iam: "securityAdmin securityReviewer serviceAccountAdmin serviceAccountCreator serviceAccountDeleter serviceAccountKeyAdmin serviceAccountOpenIdTokenCreator serviceAccountTokenCreator serviceAccountUser serviceAccountViewer workloadIdentityPoolAdmin workloadIdentityPoolViewer workloadIdentityUser roleAdmin roleViewer",
  iap: "httpsResourceAccessor tunnelResourceAccessor",
  logging: "admin bucketWriter configWriter logWriter privateLogViewer viewer",
  monitoring:
    "admin alertPolicyEditor alertPolicyViewer dashboardEditor dashboardViewer editor metricWriter notificationChannelEditor notificationChannelViewer uptimeCheckConfigEditor uptimeCheckConfigViewer viewer",
  owner: "",
  pubsub: "admin editor publisher subscriber viewer",
  resourcemanager: "projectIamAdmin projectCreator projectDeleter tagUser",
  run: "admin developer invoker viewer",
  secretmanager: "admin secretAccessor secretVersionAdder secretVersionManager viewer",
  serviceusage: "apiKeysAdmin serviceUsageAdmin serviceUsageConsumer serviceUsageViewer",
  storage:
    "admin bucketViewer folderAdmin insightsCollectorService legacyBucketOwner legacyBucketReader legacyBucketWriter legacyObjectOwner legacyObjectReader objectAdmin objectCreator objectUser objectViewer",
  viewer: "",
  vpcaccess: "admin serviceAgent user viewer",
};

const all = new Set(
  Object.entries(roles).flatMap(([service, names]) =>
    names === ""
      ? [`roles/${service}`]
      : names.split(" ").map((role) => `roles/${service}.${role}`),
  ),
);

/** @param role in the form `roles/…` */
export function knownRole(role: string): boolean {
  return all.has(role);
}
