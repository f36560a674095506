/**
 * What a deployment may do: resource type → what `pulumi up` calls for it → permissions → roles.
 *
 * The deployer changes what every deployment changes: versions, traffic, messaging, what is watched. It
 * grants nothing to anybody and makes no identity, network or machine, for an identity that may do that is
 * as powerful as an owner: those are changed by a person with `founderRoles`.
 *
 * Where the facts are from: which permission a method needs is in Google's reference of each API, and what
 * a role contains in its reference of roles ("IAM roles and permissions", read in published copies of both).
 * Which methods the provider calls was seen in its traffic against a double of the APIs. None of it was
 * tried against Google Cloud; what rests on less than that says so where it stands.
 */

/** What a resource of some type needs. */
export interface TypePermissions {
  /** Who creates, changes and deletes resources of this type: the deployer, or a person. */
  readonly changedBy: "deployer" | "person";
  /** What a refresh calls, asked for in the project; whoever previews or deploys needs it for every type. */
  readonly read: readonly string[];
  /** What creating, changing and deleting calls, asked for in the project. */
  readonly write: readonly string[];
  /** The same, asked for on what a property of the resource names: property path → permissions. */
  readonly readOn?: Readonly<Record<string, readonly string[]>>;
  readonly writeOn?: Readonly<Record<string, readonly string[]>>;
  /** Roles that a guide of Google's asks of whoever deploys this, without a word on the permissions. */
  readonly guideRoles?: readonly string[];
}

/** The three verbs that most resources are written with. */
const changes = (thing: string): string[] =>
  ["create", "delete", "update"].map((verb) => `${thing}.${verb}`);

type Further = Pick<TypePermissions, "readOn" | "writeOn" | "guideRoles">;
const byPerson = (
  read: readonly string[],
  write: readonly string[],
  further: Further = {},
): TypePermissions => ({ changedBy: "person", read, write, ...further });
const byDeployer = (
  read: readonly string[],
  write: readonly string[],
  further: Further = {},
): TypePermissions => ({ changedBy: "deployer", read, write, ...further });

/** A grant on something: its policy is read, changed and written back. */
const grantOn = (thing: string): TypePermissions =>
  byPerson([`${thing}.getIamPolicy`], [`${thing}.setIamPolicy`]);

const actAs = ["iam.serviceAccounts.actAs"];
/** App Engine starts a build for each version, in the name of who deploys it. */
const versionWrites = [...changes("appengine.versions"), "cloudbuild.builds.create"];

/** Full type token of every gcp resource that a stack may declare → what it needs. */
export const typePermissions: Readonly<Record<string, TypePermissions>> = {
  "gcp:appengine/application:Application": byPerson(
    ["appengine.applications.get"],
    ["appengine.applications.create", "appengine.applications.update"],
  ),
  "gcp:appengine/applicationUrlDispatchRules:ApplicationUrlDispatchRules": byDeployer(
    ["appengine.applications.get"],
    ["appengine.applications.update"],
  ),
  "gcp:appengine/engineSplitTraffic:EngineSplitTraffic": byDeployer(
    ["appengine.services.get"],
    ["appengine.services.update"],
  ),
  "gcp:appengine/serviceNetworkSettings:ServiceNetworkSettings": byDeployer(
    ["appengine.services.get"],
    ["appengine.services.update"],
  ),
  "gcp:appengine/standardAppVersion:StandardAppVersion": byDeployer(
    ["appengine.versions.get"],
    [...versionWrites, "vpcaccess.connectors.use"],
    {
      writeOn: { serviceAccount: actAs },
      // For a version with a connector: "Serverless VPC Access User and Compute Viewer".
      guideRoles: ["roles/vpcaccess.user", "roles/compute.viewer"],
    },
  ),
  "gcp:appengine/flexibleAppVersion:FlexibleAppVersion": byDeployer(
    ["appengine.versions.get"],
    // The machines stand in a subnet of ours. Who of deployer and App Engine's own account is asked for it
    // is not written anywhere; the original gives the role.
    [...versionWrites, "compute.subnetworks.use"],
    { writeOn: { serviceAccount: actAs } },
  ),
  "gcp:artifactregistry/repository:Repository": byPerson(
    ["artifactregistry.repositories.get"],
    changes("artifactregistry.repositories"),
  ),
  "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": grantOn(
    "artifactregistry.repositories",
  ),
  // Triggers have no permissions of their own: the ones for builds are asked for.
  "gcp:cloudbuild/trigger:Trigger": byPerson(
    ["cloudbuild.builds.get"],
    ["cloudbuild.builds.create", "cloudbuild.builds.update"],
    { writeOn: { serviceAccount: actAs } },
  ),
  "gcp:compute/address:Address": byPerson(
    ["compute.addresses.get"],
    [
      ...["compute.addresses.createInternal", "compute.addresses.deleteInternal"],
      "compute.subnetworks.use",
    ],
  ),
  "gcp:compute/disk:Disk": byPerson(["compute.disks.get"], changes("compute.disks")),
  "gcp:compute/firewall:Firewall": byPerson(
    ["compute.firewalls.get"],
    [...changes("compute.firewalls"), "compute.networks.updatePolicy"],
  ),
  "gcp:compute/instance:Instance": byPerson(
    // The disks are read one by one.
    ["compute.instances.get", "compute.disks.get"],
    [
      ...["compute.instances.create", "compute.instances.delete", "compute.instances.update"],
      ...["compute.disks.create", "compute.disks.use", "compute.subnetworks.use"],
      ...["compute.instances.setMetadata", "compute.instances.setTags"],
      ...["compute.instances.setLabels", "compute.instances.setServiceAccount"],
    ],
    { writeOn: { "serviceAccount.email": actAs } },
  ),
  "gcp:compute/network:Network": byPerson(["compute.networks.get"], changes("compute.networks")),
  "gcp:compute/subnetwork:Subnetwork": byPerson(
    ["compute.subnetworks.get"],
    changes("compute.subnetworks"),
  ),
  // Not `databases.get`, which comes with a role that reads the data.
  "gcp:firestore/database:Database": byPerson(
    ["datastore.databases.getMetadata"],
    changes("datastore.databases"),
  ),
  // Spelled like this in the roles that contain them. Whether a custom role takes them is not verified.
  "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": byPerson(
    ["iam.googleapis.com/workloadIdentityPools.get"],
    changes("iam.googleapis.com/workloadIdentityPools"),
  ),
  "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": byPerson(
    ["iam.googleapis.com/workloadIdentityPoolProviders.get"],
    changes("iam.googleapis.com/workloadIdentityPoolProviders"),
  ),
  "gcp:logging/metric:Metric": byDeployer(
    ["logging.logMetrics.get"],
    changes("logging.logMetrics"),
  ),
  "gcp:monitoring/alertPolicy:AlertPolicy": byDeployer(
    ["monitoring.alertPolicies.get"],
    changes("monitoring.alertPolicies"),
  ),
  "gcp:monitoring/dashboard:Dashboard": byDeployer(
    ["monitoring.dashboards.get"],
    changes("monitoring.dashboards"),
  ),
  // A channel holds somebody's address.
  "gcp:monitoring/notificationChannel:NotificationChannel": byPerson(
    ["monitoring.notificationChannels.get"],
    changes("monitoring.notificationChannels"),
  ),
  "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": byDeployer(
    ["monitoring.uptimeCheckConfigs.get"],
    changes("monitoring.uptimeCheckConfigs"),
  ),
  "gcp:projects/iAMCustomRole:IAMCustomRole": byPerson(
    ["iam.roles.get"],
    [...changes("iam.roles"), "iam.roles.undelete"],
  ),
  "gcp:projects/iAMMember:IAMMember": grantOn("resourcemanager.projects"),
  // The provider reads all APIs of the project at once.
  "gcp:projects/service:Service": byPerson(
    ["serviceusage.services.get", "serviceusage.services.list"],
    ["serviceusage.services.enable"],
  ),
  // Nothing is called for it in a refresh.
  "gcp:projects/serviceIdentity:ServiceIdentity": byPerson([], ["serviceusage.services.enable"]),
  "gcp:pubsub/subscription:Subscription": byDeployer(
    ["pubsub.subscriptions.get"],
    changes("pubsub.subscriptions"),
    {
      writeOn: {
        topic: ["pubsub.topics.attachSubscription"],
        // It pushes in the name of this account.
        "pushConfig.oidcToken.serviceAccountEmail": actAs,
      },
    },
  ),
  "gcp:pubsub/topic:Topic": byDeployer(["pubsub.topics.get"], changes("pubsub.topics")),
  "gcp:pubsub/topicIAMMember:TopicIAMMember": grantOn("pubsub.topics"),
  "gcp:secretmanager/secret:Secret": byPerson(
    ["secretmanager.secrets.get"],
    changes("secretmanager.secrets"),
  ),
  "gcp:secretmanager/secretIamMember:SecretIamMember": grantOn("secretmanager.secrets"),
  "gcp:serviceaccount/account:Account": byPerson(
    ["iam.serviceAccounts.get"],
    changes("iam.serviceAccounts"),
  ),
  "gcp:serviceaccount/iAMMember:IAMMember": grantOn("iam.serviceAccounts"),
  "gcp:storage/bucket:Bucket": byPerson(["storage.buckets.get"], changes("storage.buckets")),
  "gcp:storage/bucketIAMMember:BucketIAMMember": grantOn("storage.buckets"),
  "gcp:storage/bucketObject:BucketObject": byDeployer([], [], {
    readOn: { bucket: ["storage.objects.get"] },
    // Deleting is also asked of whoever uploads under a name that exists, as a rollback does.
    writeOn: { bucket: ["storage.objects.create", "storage.objects.delete"] },
  }),
  "gcp:vpcaccess/connector:Connector": byPerson(
    ["vpcaccess.connectors.get"],
    changes("vpcaccess.connectors"),
  ),
};

/**
 * Who changes resources of a type; undefined when the table does not know it. A test holds that it knows
 * every type that a stack declares.
 */
export function changedBy(type: string): TypePermissions["changedBy"] | undefined {
  return Object.hasOwn(typePermissions, type) ? typePermissions[type]?.changedBy : undefined;
}

/** What `npm run deploy` compares with the stack's outputs, and `--verify` of it: the traffic and the versions that are live. */
const liveState = [
  "appengine.services.get",
  "appengine.services.list",
  "appengine.versions.get",
  "appengine.versions.list",
];

/**
 * The custom role that everybody has who refreshes: just what a refresh reads, of every type of the table.
 * The predefined roles that would do (Datastore Viewer, Compute Viewer, Logs Viewer, Security Reviewer …)
 * also read what is in the database, in the serial ports of machines and in the logs.
 */
export const readerPermissions: readonly string[] = [
  ...new Set(
    [...Object.values(typePermissions).flatMap(({ read }) => read), ...liveState]
      // A small predefined role has these.
      .filter((permission) => !permission.startsWith("iam.googleapis.com/")),
  ),
].sort();

/** What a pipeline needs beside what it deploys: `in` is the project, or one of the deployer's own things. */
export interface PipelineNeed {
  readonly permission: string;
  readonly in: "project" | "state bucket" | "image repository" | "deployer's account";
}

const needs = (where: PipelineNeed["in"], ...permissions: string[]): PipelineNeed[] =>
  permissions.map((permission) => ({ permission, in: where }));

/** Writes the log of the build that it runs in. */
const buildLog = needs("project", "logging.logEntries.create");

export const deployerNeeds: readonly PipelineNeed[] = [
  ...buildLog,
  ...needs("project", ...liveState),
  // A build waits for older ones of the same stack.
  ...needs("project", "cloudbuild.builds.get", "cloudbuild.builds.list"),
  // The state, its backups, and Pulumi's lock.
  ...needs("state bucket", "storage.objects.create", "storage.objects.delete"),
  ...needs("state bucket", "storage.objects.get", "storage.objects.list"),
  // The image of ws.
  ...needs("image repository", "artifactregistry.repositories.downloadArtifacts"),
  ...needs("image repository", "artifactregistry.repositories.uploadArtifacts"),
];

/**
 * `pulumi preview`, with `--refresh` too, neither locks the state nor writes to it: the lock is taken by up,
 * refresh, destroy and import (the CLI's source, `pkg/backend/diy/backend.go`). So nothing is written.
 */
export const previewNeeds: readonly PipelineNeed[] = [
  ...needs("project", ...liveState),
  ...needs("state bucket", "storage.objects.get", "storage.objects.list"),
];

/** What a preview by Cloud Build needs beside that. */
export const previewBuildNeeds: readonly PipelineNeed[] = buildLog;

/**
 * What GitHub Actions does as the deployer: `gcloud builds submit`, whose source goes to a bucket of gcloud's own
 * making. That the project has to be counted with (`services.use`) is from reports of its refusals.
 */
export const githubDeployerNeeds: readonly PipelineNeed[] = [
  ...needs("project", "cloudbuild.builds.create", "serviceusage.services.use"),
  ...needs("project", "storage.buckets.create", "storage.buckets.get", "storage.buckets.list"),
  ...needs("project", "storage.objects.create", "storage.objects.get"),
  ...needs("deployer's account", "iam.serviceAccounts.actAs"),
];

/** What the person needs beside the resources: seeds into secrets, and the state into its bucket. */
export const founderNeeds: readonly string[] = [
  ...["secretmanager.versions.add", "iam.serviceAccounts.actAs", "serviceusage.services.use"],
  ...["storage.objects.create", "storage.objects.delete", "storage.objects.get"],
  "storage.objects.list",
];

/** The four roles that the deployer has had from the beginning; each has its reason in build-deployer.ts. */
export const originalRoles = [
  "roles/appengine.appAdmin",
  "roles/cloudbuild.builds.builder",
  "roles/compute.networkUser",
  "roles/vpcaccess.user",
] as const;

/**
 * The roles of the person who deploys for the first time, and later changes what the deployer may not.
 * An owner of the project has all of them.
 */
export const founderRoles: readonly string[] = [
  "roles/appengine.appAdmin",
  "roles/appengine.appCreator",
  "roles/artifactregistry.admin",
  "roles/cloudbuild.builds.editor",
  "roles/compute.instanceAdmin.v1",
  "roles/compute.networkAdmin",
  "roles/compute.securityAdmin",
  "roles/datastore.owner",
  "roles/iam.roleAdmin",
  "roles/iam.serviceAccountAdmin",
  "roles/iam.serviceAccountUser",
  "roles/iam.workloadIdentityPoolAdmin",
  "roles/logging.configWriter",
  "roles/monitoring.alertPolicyEditor",
  "roles/monitoring.dashboardEditor",
  "roles/monitoring.notificationChannelEditor",
  "roles/monitoring.uptimeCheckConfigEditor",
  "roles/pubsub.admin",
  "roles/resourcemanager.projectIamAdmin",
  "roles/secretmanager.admin",
  "roles/serviceusage.serviceUsageAdmin",
  "roles/storage.admin",
  "roles/vpcaccess.admin",
];

const crud = (thing: string): string[] => [...changes(thing), `${thing}.get`];
const policy = (thing: string): string[] => [`${thing}.getIamPolicy`, `${thing}.setIamPolicy`];
const objects = ["create", "delete", "get", "list"].map((verb) => `storage.objects.${verb}`);

/**
 * Predefined role → those permissions of the table that it contains; of the original four, also what else of
 * theirs changes or shows something (test/permissions lists what of that nothing needs).
 */
export const rolePermissions: Readonly<Record<string, readonly string[]>> = {
  "roles/appengine.appAdmin": [
    ...["appengine.applications.get", "appengine.applications.update"],
    ...["appengine.services.get", "appengine.services.list", "appengine.services.update"],
    ...[...crud("appengine.versions"), "appengine.versions.list"],
    ...["appengine.services.delete", "appengine.instances.delete"],
    "appengine.instances.enableDebug",
    ...["delete", "download", "upload"].map(
      (verb) => `artifactregistry.repositories.${verb}Artifacts`,
    ),
  ],
  "roles/appengine.appCreator": ["appengine.applications.create"],
  "roles/artifactregistry.admin": [
    ...crud("artifactregistry.repositories"),
    ...policy("artifactregistry.repositories"),
    "artifactregistry.repositories.downloadArtifacts",
    "artifactregistry.repositories.uploadArtifacts",
  ],
  "roles/artifactregistry.writer": [
    "artifactregistry.repositories.downloadArtifacts",
    "artifactregistry.repositories.get",
    "artifactregistry.repositories.uploadArtifacts",
  ],
  "roles/cloudbuild.builds.builder": [
    "artifactregistry.repositories.downloadArtifacts",
    "artifactregistry.repositories.get",
    "artifactregistry.repositories.uploadArtifacts",
    ...["create", "get", "list", "update"].map((verb) => `cloudbuild.builds.${verb}`),
    ...["logging.logEntries.create", "logging.logEntries.list", "logging.privateLogEntries.list"],
    ...["logging.views.access", "pubsub.topics.create", "pubsub.topics.publish"],
    ...["create", "get", "list"].map((verb) => `storage.buckets.${verb}`),
    ...[...objects, "storage.objects.update"],
  ],
  "roles/cloudbuild.builds.editor": ["create", "get", "list", "update"].map(
    (verb) => `cloudbuild.builds.${verb}`,
  ),
  "roles/compute.instanceAdmin.v1": [
    ...crud("compute.disks"),
    "compute.disks.use",
    ...crud("compute.instances"),
    ...["setLabels", "setMetadata", "setServiceAccount", "setTags"].map(
      (verb) => `compute.instances.${verb}`,
    ),
    ...["addresses", "networks", "subnetworks"].map((thing) => `compute.${thing}.get`),
    "compute.subnetworks.use",
  ],
  "roles/compute.networkAdmin": [
    ...["addresses.createInternal", "addresses.deleteInternal", "addresses.get", "firewalls.get"],
    ...[...crud("networks"), "networks.updatePolicy"],
    ...[...crud("subnetworks"), "subnetworks.use", "instances.get"],
  ].map((name) => `compute.${name}`),
  "roles/compute.networkUser": [
    ...["addresses.createInternal", "addresses.deleteInternal", "addresses.get", "firewalls.get"],
    ...["networks.get", "subnetworks.get", "subnetworks.use", "subnetworks.useExternalIp"],
  ]
    .map((name) => `compute.${name}`)
    .concat("serviceusage.services.get", "serviceusage.services.list"),
  "roles/compute.securityAdmin": [
    ...[...crud("firewalls"), "networks.get", "networks.updatePolicy", "instances.get"],
    ...["subnetworks.get", "addresses.get", "disks.get"],
  ].map((name) => `compute.${name}`),
  "roles/compute.viewer": [
    ...["addresses", "disks", "firewalls", "instances", "networks", "subnetworks"].map(
      (thing) => `compute.${thing}.get`,
    ),
    "serviceusage.services.get",
    "serviceusage.services.list",
  ],
  "roles/datastore.owner": [
    "appengine.applications.get",
    ...[...changes("datastore.databases"), "datastore.databases.getMetadata"],
  ],
  "roles/iam.roleAdmin": [...crud("iam.roles"), "iam.roles.undelete"],
  "roles/iam.serviceAccountAdmin": [
    ...crud("iam.serviceAccounts"),
    ...policy("iam.serviceAccounts"),
  ],
  "roles/iam.serviceAccountUser": [...actAs, "iam.serviceAccounts.get"],
  "roles/iam.workloadIdentityPoolAdmin": [
    ...crud("iam.googleapis.com/workloadIdentityPools"),
    ...crud("iam.googleapis.com/workloadIdentityPoolProviders"),
  ],
  "roles/iam.workloadIdentityPoolViewer": [
    "iam.googleapis.com/workloadIdentityPoolProviders.get",
    "iam.googleapis.com/workloadIdentityPools.get",
  ],
  // And sinks, which send logs anywhere: that is why the deployer has a custom role instead.
  "roles/logging.configWriter": crud("logging.logMetrics"),
  "roles/logging.logWriter": ["logging.logEntries.create"],
  "roles/monitoring.alertPolicyEditor": crud("monitoring.alertPolicies"),
  "roles/monitoring.dashboardEditor": crud("monitoring.dashboards"),
  "roles/monitoring.notificationChannelEditor": crud("monitoring.notificationChannels"),
  "roles/monitoring.uptimeCheckConfigEditor": crud("monitoring.uptimeCheckConfigs"),
  "roles/pubsub.admin": [
    ...crud("pubsub.subscriptions"),
    ...[...crud("pubsub.topics"), ...policy("pubsub.topics")],
    "pubsub.topics.attachSubscription",
  ],
  // Reading messages is no right on a topic, so on a topic this is attaching subscriptions and no more.
  "roles/pubsub.subscriber": ["pubsub.topics.attachSubscription"],
  "roles/resourcemanager.projectIamAdmin": policy("resourcemanager.projects"),
  "roles/secretmanager.admin": [
    ...[...crud("secretmanager.secrets"), ...policy("secretmanager.secrets")],
    "secretmanager.versions.add",
  ],
  "roles/serviceusage.serviceUsageAdmin": ["enable", "get", "list", "use"].map(
    (verb) => `serviceusage.services.${verb}`,
  ),
  "roles/serviceusage.serviceUsageConsumer": ["get", "list", "use"].map(
    (verb) => `serviceusage.services.${verb}`,
  ),
  "roles/storage.admin": [
    ...[...crud("storage.buckets"), ...policy("storage.buckets")],
    "storage.buckets.list",
    ...objects,
  ],
  "roles/storage.objectUser": objects,
  "roles/storage.objectViewer": ["storage.objects.get", "storage.objects.list"],
  "roles/vpcaccess.admin": [...crud("vpcaccess.connectors"), "vpcaccess.connectors.use"],
  "roles/vpcaccess.user": ["vpcaccess.connectors.get", "vpcaccess.connectors.use"],
};
