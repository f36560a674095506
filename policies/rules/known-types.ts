import type { ResourceRule } from "../lib/rule.ts";

/**
 * The types that somebody has asked the other rules about. components/lib/permissions.ts has the same ones, which a test
 * holds: whoever adds one thinks of both.
 */
export const knownTypes: ReadonlySet<string> = new Set([
  "gcp:appengine/application:Application",
  "gcp:appengine/applicationUrlDispatchRules:ApplicationUrlDispatchRules",
  "gcp:appengine/engineSplitTraffic:EngineSplitTraffic",
  "gcp:appengine/flexibleAppVersion:FlexibleAppVersion",
  "gcp:appengine/serviceNetworkSettings:ServiceNetworkSettings",
  "gcp:appengine/standardAppVersion:StandardAppVersion",
  "gcp:artifactregistry/repository:Repository",
  "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
  "gcp:cloudbuild/trigger:Trigger",
  "gcp:compute/address:Address",
  "gcp:compute/disk:Disk",
  "gcp:compute/firewall:Firewall",
  "gcp:compute/instance:Instance",
  "gcp:compute/network:Network",
  "gcp:compute/subnetwork:Subnetwork",
  "gcp:firestore/database:Database",
  "gcp:iam/workloadIdentityPool:WorkloadIdentityPool",
  "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
  "gcp:logging/metric:Metric",
  "gcp:monitoring/alertPolicy:AlertPolicy",
  "gcp:monitoring/dashboard:Dashboard",
  "gcp:monitoring/notificationChannel:NotificationChannel",
  "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig",
  "gcp:projects/iAMCustomRole:IAMCustomRole",
  "gcp:projects/iAMMember:IAMMember",
  "gcp:projects/service:Service",
  "gcp:projects/serviceIdentity:ServiceIdentity",
  "gcp:pubsub/subscription:Subscription",
  "gcp:pubsub/topic:Topic",
  "gcp:pubsub/topicIAMMember:TopicIAMMember",
  "gcp:secretmanager/secret:Secret",
  "gcp:secretmanager/secretIamMember:SecretIamMember",
  "gcp:serviceaccount/account:Account",
  "gcp:serviceaccount/iAMMember:IAMMember",
  "gcp:storage/bucket:Bucket",
  "gcp:storage/bucketIAMMember:BucketIAMMember",
  "gcp:storage/bucketObject:BucketObject",
  "gcp:vpcaccess/connector:Connector",
]);

/** The stack itself, providers, and this project's components, which are nothing in the cloud. */
const ours = /^(?:pulumi:pulumi:Stack$|pulumi:providers:gcp$|appengine-realtime:)/;

/**
 * Google has more than a thousand types, and many ways to do what a rule forbids: another type of firewall, a machine
 * made from an image, a dataset with an access list. What no rule was written for is not allowed, rather than
 * not seen. The same goes for other providers: a random password, for example, is kept in the state.
 */
export const knownTypesOnly: ResourceRule = {
  name: "known-types",
  description: "Only types of resources are declared that the rules know.",
  remedy:
    "See which rules the type needs, extend them, and add it to policies/rules/known-types.ts and components/lib/permissions.ts.",
  severity: "high",
  check({ type }) {
    return knownTypes.has(type) || ours.test(type) ? [] : [`no rule knows ${type}`];
  },
};
