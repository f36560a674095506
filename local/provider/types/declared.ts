/**
 * The properties of every resource type that the local provider knows, as `@pulumi/gcp` 9.37.0
 * declares them. test/local/provider/declared.test.ts holds this table against the installed package.
 */

export interface DeclaredProperties {
  readonly required: readonly string[];
  readonly optional: readonly string[];
  /** Set by the cloud alone. */
  readonly computed: readonly string[];
}

/** Type token → its properties. */
export const declared: ReadonlyMap<string, DeclaredProperties> = new Map([
  of(
    "gcp:appengine/application:Application",
    "locationId",
    "authDomain databaseType featureSettings iap project servingStatus sslPolicy",
    "appId codeBucket defaultBucket defaultHostname gcrDomain name urlDispatchRules",
  ),
  of(
    "gcp:appengine/applicationUrlDispatchRules:ApplicationUrlDispatchRules",
    "dispatchRules",
    "deletionPolicy project",
    "",
  ),
  of(
    "gcp:appengine/engineSplitTraffic:EngineSplitTraffic",
    "service split",
    "migrateTraffic project",
    "",
  ),
  of(
    "gcp:appengine/firewallRule:FirewallRule",
    "action sourceRange",
    "deletionPolicy description priority project",
    "",
  ),
  of(
    "gcp:appengine/flexibleAppVersion:FlexibleAppVersion",
    "livenessCheck readinessCheck runtime service",
    "apiConfig automaticScaling betaSettings defaultExpiration deleteServiceOnDestroy deletionPolicy deployment endpointsApiService entrypoint envVariables flexibleRuntimeSettings handlers inboundServices instanceClass manualScaling network nobuildFilesRegex noopOnDestroy project resources runtimeApiVersion runtimeChannel runtimeMainExecutablePath serviceAccount servingStatus versionId vpcAccessConnector",
    "name",
  ),
  of(
    "gcp:appengine/serviceNetworkSettings:ServiceNetworkSettings",
    "networkSettings service",
    "project",
    "",
  ),
  of(
    "gcp:appengine/standardAppVersion:StandardAppVersion",
    "deployment entrypoint runtime service",
    "appEngineApis appEngineBundledServices automaticScaling basicScaling deleteServiceOnDestroy deletionPolicy envVariables handlers inboundServices instanceClass libraries manualScaling noopOnDestroy project runtimeApiVersion serviceAccount threadsafe versionId vpcAccessConnector",
    "name",
  ),
  of(
    "gcp:artifactregistry/repository:Repository",
    "format repositoryId",
    "cleanupPolicies cleanupPolicyDryRun deletionPolicy description dockerConfig kmsKeyName labels location mavenConfig mode project remoteRepositoryConfig virtualRepositoryConfig vulnerabilityScanningConfig",
    "createTime effectiveLabels name pulumiLabels registryUri updateTime",
  ),
  of(
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
    "member repository role",
    "condition location project",
    "etag",
  ),
  of(
    "gcp:cloudbuild/trigger:Trigger",
    "",
    "approvalConfig bitbucketServerTriggerConfig build deletionPolicy description developerConnectEventConfig disabled filename filter gitFileSource github ignoredFiles includeBuildLogs includedFiles location name project pubsubConfig repositoryEventConfig serviceAccount sourceToBuild substitutions tags triggerTemplate webhookConfig",
    "createTime triggerId",
  ),
  of(
    "gcp:compute/address:Address",
    "",
    "address addressType deletionPolicy description ipCollection ipVersion ipv6EndpointType labels name network networkTier prefixLength project purpose region subnetwork",
    "addressId creationTimestamp effectiveLabels labelFingerprint pulumiLabels selfLink users",
  ),
  of(
    "gcp:compute/disk:Disk",
    "",
    "accessMode architecture asyncPrimaryDisk createSnapshotBeforeDestroy createSnapshotBeforeDestroyPrefix deletionPolicy description diskEncryptionKey enableConfidentialCompute eraseWindowsVssSignature guestOsFeatures image interface labels licenses multiWriter name params physicalBlockSizeBytes project provisionedIops provisionedThroughput resourcePolicies size snapshot sourceDisk sourceImageEncryptionKey sourceInstantSnapshot sourceSnapshotEncryptionKey sourceStorageObject storagePool type zone",
    "creationTimestamp diskId effectiveLabels labelFingerprint lastAttachTimestamp lastDetachTimestamp pulumiLabels selfLink sourceDiskId sourceImageId sourceInstantSnapshotId sourceSnapshotId users",
  ),
  of(
    "gcp:compute/diskResourcePolicyAttachment:DiskResourcePolicyAttachment",
    "disk",
    "deletionPolicy name project zone",
    "",
  ),
  of(
    "gcp:compute/firewall:Firewall",
    "network",
    "allows deletionPolicy denies description destinationRanges direction disabled enableLogging logConfig name params priority project sourceRanges sourceServiceAccounts sourceTags targetServiceAccounts targetTags",
    "creationTimestamp selfLink",
  ),
  of(
    "gcp:compute/instance:Instance",
    "bootDisk machineType networkInterfaces",
    "advancedMachineFeatures allowStoppingForUpdate attachedDisks canIpForward confidentialInstanceConfig deletionPolicy deletionProtection description desiredStatus enableDisplay eraseWindowsVssSignature guestAccelerators hostname instanceEncryptionKey keyRevocationActionType labels metadata metadataStartupScript minCpuPlatform name networkPerformanceConfig params partnerMetadata project reservationAffinity resourcePolicies scheduling scratchDisks serviceAccount shieldedInstanceConfig tags workloadIdentityConfig zone",
    "cpuPlatform creationTimestamp currentStatus effectiveLabels instanceId labelFingerprint metadataFingerprint pulumiLabels selfLink tagsFingerprint",
  ),
  of(
    "gcp:compute/network:Network",
    "",
    "autoCreateSubnetworks bgpAlwaysCompareMed bgpBestPathSelectionMode bgpInterRegionCost deleteBgpAlwaysCompareMed deleteDefaultRoutesOnCreate deletionPolicy description enableUlaInternalIpv6 internalIpv6Range mtu name networkFirewallPolicyEnforcementOrder networkProfile params project routingMode",
    "gatewayIpv4 networkId numericId selfLink",
  ),
  of(
    "gcp:compute/resourcePolicy:ResourcePolicy",
    "",
    "deletionPolicy description diskConsistencyGroupPolicy groupPlacementPolicy instanceSchedulePolicy name project region snapshotSchedulePolicy workloadPolicy",
    "selfLink",
  ),
  of(
    "gcp:compute/route:Route",
    "destRange network",
    "deletionPolicy description name nextHopGateway nextHopIlb nextHopInstance nextHopInstanceZone nextHopIp nextHopVpnTunnel params priority project tags",
    "asPaths creationTimestamp nextHopHub nextHopInterRegionCost nextHopMed nextHopNetwork nextHopOrigin nextHopPeering routeStatus routeType selfLink warnings",
  ),
  of(
    "gcp:compute/router:Router",
    "",
    "bgp deletionPolicy description encryptedInterconnectRouter md5AuthenticationKeys name nccGateway network params project region",
    "creationTimestamp selfLink",
  ),
  of(
    "gcp:compute/routerNat:RouterNat",
    "router sourceSubnetworkIpRangesToNat",
    "autoNetworkTier deletionPolicy drainNatIps enableDynamicPortAllocation enableEndpointIndependentMapping endpointTypes icmpIdleTimeoutSec initialNatIps logConfig maxPortsPerVm minPortsPerVm name nat64Subnetworks natIpAllocateOption natIps project region rules sourceSubnetworkIpRangesToNat64 subnetworks tcpEstablishedIdleTimeoutSec tcpTimeWaitTimeoutSec tcpTransitoryIdleTimeoutSec type udpIdleTimeoutSec",
    "",
  ),
  of(
    "gcp:compute/subnetwork:Subnetwork",
    "network",
    "allowSubnetCidrRoutesOverlap deletionPolicy description externalIpv6Prefix internalIpv6Prefix ipCidrRange ipCollection ipv6AccessType logConfig name params privateIpGoogleAccess privateIpv6GoogleAccess project purpose region reservedInternalRange resolveSubnetMask role secondaryIpRanges sendSecondaryIpRangeIfEmpty stackType",
    "creationTimestamp fingerprint gatewayAddress ipv6CidrRange ipv6GceEndpoint selfLink state subnetworkId",
  ),
  of(
    "gcp:compute/subnetworkIAMMember:SubnetworkIAMMember",
    "member role subnetwork",
    "condition project region",
    "etag",
  ),
  of(
    "gcp:firestore/database:Database",
    "locationId type",
    "appEngineIntegrationMode cmekConfig concurrencyMode databaseEdition deleteProtectionState deletionPolicy firestoreDataAccessMode mongodbCompatibleDataAccessMode name pointInTimeRecoveryEnablement project realtimeUpdatesMode tags",
    "createTime earliestVersionTime etag keyPrefix uid updateTime versionRetentionPeriod",
  ),
  of(
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool",
    "workloadIdentityPoolId",
    "attestationRules deletionPolicy description disabled displayName inlineCertificateIssuanceConfig inlineTrustConfig mode project",
    "name state",
  ),
  of(
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
    "workloadIdentityPoolId workloadIdentityPoolProviderId",
    "attributeCondition attributeMapping aws deletionPolicy description disabled displayName oidc project saml x509",
    "name state",
  ),
  of(
    "gcp:logging/metric:Metric",
    "filter",
    "bucketName bucketOptions deletionPolicy description disabled labelExtractors metricDescriptor name project valueExtractor",
    "",
  ),
  of(
    "gcp:monitoring/alertPolicy:AlertPolicy",
    "combiner conditions displayName",
    "alertStrategy deletionPolicy documentation enabled notificationChannels project severity userLabels",
    "creationRecords name",
  ),
  of("gcp:monitoring/dashboard:Dashboard", "dashboardJson", "deletionPolicy project", ""),
  of(
    "gcp:monitoring/notificationChannel:NotificationChannel",
    "type",
    "deletionPolicy description displayName enabled forceDelete labels project sensitiveLabels userLabels",
    "name verificationStatus",
  ),
  of(
    "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig",
    "displayName timeout",
    "checkerType contentMatchers deletionPolicy httpCheck logCheckFailures monitoredResource period project resourceGroup selectedRegions syntheticMonitor tcpCheck userLabels",
    "name uptimeCheckId",
  ),
  of(
    "gcp:projects/iAMCustomRole:IAMCustomRole",
    "permissions title",
    "deletionPolicy description project roleId stage",
    "deleted name",
  ),
  of("gcp:projects/iAMMember:IAMMember", "member project role", "condition", "etag"),
  of(
    "gcp:projects/service:Service",
    "service",
    "checkIfServiceHasUsageOnDestroy deletionPolicy disableDependentServices disableOnDestroy project",
    "",
  ),
  of("gcp:projects/serviceIdentity:ServiceIdentity", "service", "project", "email member"),
  of(
    "gcp:pubsub/subscription:Subscription",
    "topic",
    "ackDeadlineSeconds bigqueryConfig cloudStorageConfig deadLetterPolicy deletionPolicy enableExactlyOnceDelivery enableMessageOrdering expirationPolicy filter labels messageRetentionDuration messageTransforms name project pushConfig retainAckedMessages retryPolicy tags",
    "effectiveLabels pulumiLabels",
  ),
  of(
    "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember",
    "member role subscription",
    "condition project",
    "etag",
  ),
  of(
    "gcp:pubsub/topic:Topic",
    "",
    "deletionPolicy ingestionDataSourceSettings kmsKeyName labels messageRetentionDuration messageStoragePolicy messageTransforms name project schemaSettings tags",
    "effectiveLabels pulumiLabels",
  ),
  of("gcp:pubsub/topicIAMMember:TopicIAMMember", "member role topic", "condition project", "etag"),
  of(
    "gcp:secretmanager/secret:Secret",
    "replication",
    "annotations deletionPolicy deletionProtection expireTime labels project rotation secretId tags topics ttl versionAliases versionDestroyTtl",
    "createTime effectiveAnnotations effectiveLabels name pulumiLabels",
  ),
  of(
    "gcp:secretmanager/secretIamMember:SecretIamMember",
    "member role secretId",
    "condition project",
    "etag",
  ),
  of(
    "gcp:secretmanager/secretVersion:SecretVersion",
    "secret",
    "deletionPolicy enabled isSecretDataBase64 project secretData secretDataWo secretDataWoVersion",
    "createTime destroyTime name version",
  ),
  of(
    "gcp:serviceaccount/account:Account",
    "",
    "accountId createIgnoreAlreadyExists deletionPolicy description disabled displayName project",
    "email member name uniqueId",
  ),
  of("gcp:serviceaccount/iAMMember:IAMMember", "member role serviceAccountId", "condition", "etag"),
  of(
    "gcp:storage/bucket:Bucket",
    "location",
    "autoclass cors customPlacementConfig defaultEventBasedHold deletionPolicy enableObjectRetention encryption forceDestroy hierarchicalNamespace ipFilter labels lifecycleRules logging name project publicAccessPrevention requesterPays retentionPolicy rpo softDeletePolicy storageClass uniformBucketLevelAccess versioning website",
    "effectiveLabels projectNumber pulumiLabels selfLink timeCreated updated url",
  ),
  of("gcp:storage/bucketIAMMember:BucketIAMMember", "bucket member role", "condition", "etag"),
  of(
    "gcp:storage/bucketObject:BucketObject",
    "bucket",
    "cacheControl content contentDisposition contentEncoding contentLanguage contentType contexts customerEncryption deletionPolicy detectMd5hash eventBasedHold forceEmptyContentType kmsKeyName metadata name retention source sourceMd5hash storageClass temporaryHold",
    "crc32c generation md5hash md5hexhash mediaLink outputName selfLink",
  ),
  of(
    "gcp:vpcaccess/connector:Connector",
    "",
    "deletionPolicy ipCidrRange machineType maxInstances maxThroughput minInstances minThroughput name network project region subnet",
    "connectedProjects selfLink state",
  ),
]);

function of(
  type: string,
  required: string,
  optional: string,
  computed: string,
): [string, DeclaredProperties] {
  return [
    type,
    { required: words(required), optional: words(optional), computed: words(computed) },
  ];
}

function words(text: string): string[] {
  return text === "" ? [] : text.split(" ");
}
