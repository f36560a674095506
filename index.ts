/** The stack: what is deployed, in the order in which it comes to be. Nothing here but wiring. */
import * as pulumi from "@pulumi/pulumi";
import { AppEngineApplication } from "./components/app-engine-application.ts";
import { AppSource } from "./components/app-source.ts";
import { BuildDeployer } from "./components/build-deployer.ts";
import { BuildTriggers } from "./components/build-triggers.ts";
import { type DispatchRule, DispatchRules } from "./components/dispatch-rules.ts";
import { FlexibleService } from "./components/flexible-service.ts";
import { GithubIdentity } from "./components/github-identity.ts";
import { apps } from "./components/lib/apps.ts";
import { consoleText, demoTokenArgs } from "./components/lib/console-config.ts";
import { gatewayConfigText, gatewaySecretIds } from "./components/lib/gateway-config.ts";
import { deployRule } from "./components/lib/github.ts";
import {
  calculatorSubjects,
  discoverySubjects,
  gatewaySubjects,
  replicationSubjects,
  topicPrefix,
} from "./components/lib/nats-config.ts";
import { NatsServer } from "./components/nats-server.ts";
import { Observability } from "./components/observability.ts";
import { PreviewReader } from "./components/preview-reader.ts";
import { PrivateNetwork } from "./components/private-network.ts";
import { ProjectServices } from "./components/project-services.ts";
import { ReplicatedService, topicNamesOf } from "./components/replicated-service.ts";
import { ServiceSecrets } from "./components/service-secrets.ts";
import { SourceBucket } from "./components/source-bucket.ts";
import { StandardService } from "./components/standard-service.ts";
import { needsApproval, readSettings } from "./config.ts";

const settings = readSettings();
const { project, region, protect } = settings;

// What everything else stands on: the project's APIs, its application and its database.

const services = new ProjectServices("apis", { project });

const application = new AppEngineApplication(
  "app",
  {
    project,
    protect,
    location: settings.location,
    databaseLocation: settings.databaseLocation,
    adopt: settings.adopt,
  },
  { dependsOn: [services] },
);

// NATS, and the two ways to it: a connector for standard services, a subnet for flexible ones.

const network = new PrivateNetwork(
  "realtime",
  { ...settings.network, project, region, protect },
  { dependsOn: [services, application] },
);

const nats = new NatsServer(
  "nats",
  {
    ...settings.nats,
    project,
    region,
    protect,
    network: {
      id: network.networkId,
      subnetId: network.natsSubnetId,
      range: settings.network.natsRange,
      clientRanges: network.clientRanges,
    },
    // Topics live under prefixes, so that no topic can name a subject of the server's own.
    clients: {
      add: {
        publicKey: settings.natsKeys.add,
        publish: [`${topicPrefix}add`],
        subscribe: [...calculatorSubjects, ...discoverySubjects("add")],
        answers: true,
      },
      ws: {
        publicKey: settings.natsKeys.ws,
        ...gatewaySubjects,
      },
      ...(settings.natsKeys.m === undefined
        ? {}
        : {
            m: {
              publicKey: settings.natsKeys.m,
              publish: replicationSubjects,
              subscribe: [...replicationSubjects, ...discoverySubjects("m")],
              answers: true,
            },
          }),
    },
  },
  { dependsOn: [services, application] },
);

// The services. App Engine wants the default one before any other.

const sources = new SourceBucket(
  "sources",
  { project, location: region },
  { dependsOn: [services] },
);

const gateway = settings.ws.gateway ?? {};
const gatewaySecrets = new ServiceSecrets(
  "ws-secrets",
  { project, protect, ids: gatewaySecretIds(gateway) },
  { dependsOn: [services] },
);

// Which paths go where. What no rule names goes to the default service.
const rules: readonly DispatchRule[] = [
  { path: "/api/add*", service: "add" },
  { path: "/ws*", service: "ws" },
  // The Centrifuge protocol: websocket, and its fallbacks over HTTP.
  { path: "/connection/*", service: "ws" },
  { path: "/emulation", service: "ws" },
  // Two rules, for "/m*" would also match /main.js.
  ...(settings.m ? ["/m", "/m/*"].map((path) => ({ path, service: "m" })) : []),
];

const { demoTokens, ...webSettings } = settings.web;
const demo = demoTokens === true ? demoTokenArgs(gateway) : undefined;
const web = new StandardService(
  "web",
  {
    project,
    service: "default",
    source: new AppSource("web-source", { service: "default", app: apps.web, bucket: sources }),
    ...webSettings,
    scaling: { kind: "automatic", ...webSettings.scaling },
    env: {
      // What its page, the console, draws.
      CONSOLE: consoleText({
        services: [
          { service: "default", kind: "standard", scaling: "automatic" },
          { service: "add", kind: "standard", scaling: "automatic", nats: true },
          { service: "ws", kind: "flexible", scaling: "automatic", nats: true },
          ...(settings.m
            ? [{ service: "m", kind: "standard", scaling: "manual", nats: true } as const]
            : []),
        ],
        rules,
        natsMachines: nats.machines,
        replicated: settings.m
          ? [{ service: "m", instances: settings.m.instances, topics: topicNamesOf("m") }]
          : [],
        gateway,
      }),
      ...demo?.env,
    },
    ...(demo ? { secrets: { DEMO_TOKEN_SECRET: demo.secret } } : {}),
  },
  { dependsOn: [services, application, network, nats, gatewaySecrets] },
);

const add = new StandardService(
  "add",
  {
    project,
    service: "add",
    source: new AppSource("add-source", { service: "add", app: apps.add, bucket: sources }),
    ...settings.add,
    scaling: { kind: "automatic", ...settings.add.scaling },
    vpcConnector: network.connectorName,
    env: { NATS_URL: nats.url },
    secrets: { NATS_SEED_SECRET: nats.seedSecretId("add") },
  },
  { dependsOn: [nats, network, web] },
);

const ws = new FlexibleService(
  "ws",
  {
    project,
    service: "ws",
    deployment:
      settings.ws.image === undefined
        ? { source: new AppSource("ws-source", { service: "ws", app: apps.ws, bucket: sources }) }
        : { image: settings.ws.image },
    scaling: settings.ws.scaling,
    machine: settings.ws.machine,
    network: { name: network.networkName, subnetwork: network.flexSubnetName },
    env: {
      NATS_URL: nats.url,
      NATS_REPLICAS: String(settings.nats.zones.length),
      // Also when a stack says nothing: an image cannot bring options of its own then, since the gateway
      // does not start with two.
      WS_CONFIG: gatewayConfigText(gateway, project),
    },
    secrets: { NATS_SEED_SECRET: nats.seedSecretId("ws") },
    readableSecrets: gatewaySecrets.ids,
  },
  { dependsOn: [nats, network, web, gatewaySecrets] },
);

// Replicated memory, in the stacks that have it.

const m =
  settings.m &&
  new ReplicatedService(
    "m",
    {
      project,
      service: "m",
      source: new AppSource("m-source", { service: "m", app: apps.m, bucket: sources }),
      ...settings.m,
      defaultHostname: application.defaultHostname,
      vpcConnector: network.connectorName,
      env: { NATS_URL: nats.url },
      secrets: { NATS_SEED_SECRET: nats.seedSecretId("m") },
    },
    { dependsOn: [application, nats, network, web] },
  );

new DispatchRules("routes", { project, rules }, { dependsOn: [web, add, ws, ...(m ? [m] : [])] });

// How an operator sees it, and what wakes them. Probes would keep a service awake that may sleep.

const { alerts } = settings;
new Observability(
  "operations",
  {
    project,
    defaultHostname: application.defaultHostname,
    natsMachines: nats.machines,
    ...(settings.m === undefined ? {} : { replicas: settings.m.instances }),
    awake: [
      ...(settings.web.scaling.minInstances > 0 ? (["web"] as const) : []),
      ...(settings.add.scaling.minInstances > 0 ? (["add"] as const) : []),
      "ws",
      ...(m ? (["m"] as const) : []),
    ],
    ...(alerts === undefined ? {} : { alerts }),
  },
  { dependsOn: [services] },
);

// Who deploys all this from now on, and who only looks.

const { legacyProjectNumber, github } = settings.build;
const deployer = new BuildDeployer(
  "deployer",
  {
    project,
    region,
    sourceBucket: sources,
    runtimeAccounts: {
      web: web.account,
      add: add.account,
      ws: ws.account,
      ...(m ? { m: m.account, "m-push": m.pushAccount } : {}),
    },
    topics: m ? { m: m.topic } : {},
    ...(legacyProjectNumber === undefined
      ? {}
      : { legacyBuildAccount: { projectNumber: legacyProjectNumber } }),
  },
  { dependsOn: [services] },
);

const preview = new PreviewReader(
  "preview",
  { project, deployer, sourceBucket: sources },
  { dependsOn: [services] },
);

const delivery = github && {
  ...github,
  project,
  stack: pulumi.getStack(),
  deploy: deployRule(github),
  deployFromGithub: github.deployFromGithub ?? false,
  preview: preview.account,
  deployer: deployer.account,
};
const identity = delivery && new GithubIdentity("github", delivery, { dependsOn: [services] });
if (delivery) {
  new BuildTriggers(
    "builds",
    {
      ...delivery,
      region,
      previewTrigger: delivery.previewTrigger ?? true,
      deployTrigger: delivery.deployTrigger ?? true,
      approval: needsApproval(settings.build),
    },
    { dependsOn: [services] },
  );
}

/** The site. */
export const url: pulumi.Output<string> = application.url;
/** Websockets: add `/ws/<topic>`. */
export const websocketUrl: pulumi.Output<string> = application.websocketUrl;
/** What services in the network connect to; from outside nobody can. */
export const natsUrl: string = nats.url;
/** The account that Cloud Build deploys with. */
export const deployerEmail: pulumi.Output<string> = deployer.email;
/** The account that previews read the stack with. */
export const previewEmail: pulumi.Output<string> = preview.email;
/** What GitHub Actions shows its token to; empty for a stack that is not deployed from GitHub. */
export const workloadIdentityProvider: pulumi.Output<string> =
  identity?.provider ?? pulumi.output("");
const appServices = [web, add, ws, ...(m ? [m] : [])];
/** The versions that this program deploys, by service. */
export const versions: Readonly<Record<string, string>> = Object.fromEntries(
  appServices.map(({ service, versionId }) => [service, versionId]),
);
/** The versions that get the traffic: those, but for a service with a `trafficVersion`. */
export const traffic: Readonly<Record<string, string>> = Object.fromEntries(
  appServices.map(({ service, trafficVersion }) => [service, trafficVersion]),
);
/** What sends it, by URN: `npm run deploy` makes one again that App Engine did not carry out. */
export const trafficSplits: Readonly<Record<string, pulumi.Output<string>>> = Object.fromEntries(
  appServices.map(({ service, splitUrn }) => [service, splitUrn]),
);
/** The image that ws runs from; empty when it runs from an archive. A later preview is given it. */
export const wsImage: string = settings.ws.image ?? "";
