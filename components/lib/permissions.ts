/**
 * What a deployment may do: resource type → what `pulumi up` calls for it → permissions → roles.
 *
 * The deployer changes what every deployment changes: versions, traffic, messaging, what is watched. It
 * grants nothing to anybody and makes no identity, network or machine, for an identity that may do that is
 * as powerful as an owner: those are changed by a person with `founderRoles`.
 */

/** What a resource of some type needs. */
export interface TypePermissions {
  /** Who creates, changes and deletes resources of this type: the deployer, or a person. */
  readonly changedBy: "deployer" | "person";
  /** What a refresh calls; whoever previews or deploys needs it for every type. */
  readonly read: readonly string[];
  /** What creating, changing and deleting calls. */
  readonly write: readonly string[];
}

/** The three verbs that most resources are written with. */
const changes = (thing: string): string[] =>
  ["create", "delete", "update"].map((verb) => `${thing}.${verb}`);

const byPerson = (read: readonly string[], write: readonly string[]): TypePermissions => ({
  changedBy: "person",
  read,
  write,
});
const byDeployer = (read: readonly string[], write: readonly string[]): TypePermissions => ({
  changedBy: "deployer",
  read,
  write,
});
/** A grant on something: the policy is read, changed and written back. */
const grantOn = (thing: string): TypePermissions =>
  byPerson([`${thing}.getIamPolicy`], [`${thing}.setIamPolicy`]);

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
    changes("appengine.versions"),
  ),
  "gcp:appengine/flexibleAppVersion:FlexibleAppVersion": byDeployer(
    ["appengine.versions.get"],
    changes("appengine.versions"),
  ),
  "gcp:artifactregistry/repository:Repository": byPerson(
    ["artifactregistry.repositories.get"],
    changes("artifactregistry.repositories"),
  ),
  "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": grantOn(
    "artifactregistry.repositories",
  ),
  "gcp:cloudbuild/trigger:Trigger": byPerson(
    ["cloudbuild.builds.get"],
    ["cloudbuild.builds.create", "cloudbuild.builds.update"],
  ),
  "gcp:compute/address:Address": byPerson(["compute.addresses.get"], changes("compute.addresses")),
  "gcp:compute/disk:Disk": byPerson(["compute.disks.get"], changes("compute.disks")),
  "gcp:compute/firewall:Firewall": byPerson(
    ["compute.firewalls.get"],
    changes("compute.firewalls"),
  ),
  "gcp:compute/instance:Instance": byPerson(
    ["compute.instances.get"],
    changes("compute.instances"),
  ),
  "gcp:compute/network:Network": byPerson(["compute.networks.get"], changes("compute.networks")),
  "gcp:compute/router:Router": byPerson(["compute.routers.get"], changes("compute.routers")),
  "gcp:compute/routerNat:RouterNat": byPerson(["compute.routers.get"], ["compute.routers.update"]),
  "gcp:compute/subnetwork:Subnetwork": byPerson(
    ["compute.subnetworks.get"],
    changes("compute.subnetworks"),
  ),
  "gcp:firestore/database:Database": byPerson(
    ["datastore.databases.getMetadata"],
    changes("datastore.databases"),
  ),
  "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": byPerson(
    ["iam.workloadIdentityPools.get"],
    changes("iam.workloadIdentityPools"),
  ),
  "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": byPerson(
    ["iam.workloadIdentityPoolProviders.get"],
    changes("iam.workloadIdentityPoolProviders"),
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
  "gcp:projects/iAMCustomRole:IAMCustomRole": byPerson(["iam.roles.get"], changes("iam.roles")),
  "gcp:projects/iAMMember:IAMMember": grantOn("resourcemanager.projects"),
  "gcp:projects/service:Service": byPerson(
    ["serviceusage.services.get", "serviceusage.services.list"],
    ["serviceusage.services.enable"],
  ),
  "gcp:projects/serviceIdentity:ServiceIdentity": byPerson(
    [],
    ["serviceusage.services.get", "serviceusage.services.enable"],
  ),
  "gcp:pubsub/subscription:Subscription": byDeployer(
    ["pubsub.subscriptions.get"],
    changes("pubsub.subscriptions"),
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
  "gcp:storage/bucketObject:BucketObject": byDeployer(
    ["storage.objects.get"],
    ["storage.objects.create", "storage.objects.delete"],
  ),
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

/**
 * The roles of the person who deploys for the first time, and later changes what the deployer may not.
 * Owner has all of them but what only an organization gives.
 */
export const founderRoles: readonly string[] = [
  "roles/appengine.appAdmin",
  "roles/appengine.appCreator",
  "roles/artifactregistry.admin",
  "roles/cloudbuild.builds.editor",
  "roles/cloudbuild.connectionAdmin",
  "roles/compute.admin",
  "roles/datastore.owner",
  "roles/iam.roleAdmin",
  "roles/iam.serviceAccountAdmin",
  "roles/iam.serviceAccountUser",
  "roles/iam.workloadIdentityPoolAdmin",
  "roles/logging.configWriter",
  "roles/monitoring.editor",
  "roles/pubsub.admin",
  "roles/resourcemanager.projectIamAdmin",
  "roles/secretmanager.admin",
  "roles/serviceusage.serviceUsageAdmin",
  "roles/storage.admin",
  "roles/vpcaccess.admin",
];

/** Predefined role → those permissions of the table that it contains. */
export const rolePermissions: Readonly<Record<string, readonly string[]>> = {};
