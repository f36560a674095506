/**
 * The program with mistakes in it, one for every rule, to show that each rule sees its own in the real stack: what is
 * replaced must be there exactly once.
 */
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../support/checkout.ts";

export interface Mutant {
  readonly rule: string;
  readonly file: string;
  readonly original: string;
  readonly defect: string;
  /** Resources that it breaks in prod. */
  readonly broken: readonly string[];
  readonly problem: string;
}

const nodes = ["nats-0", "nats-1", "nats-2"];

export const mutants: readonly Mutant[] = [
  {
    rule: "known-types",
    file: "components/private-network.ts",
    original: "this.networkId = network.id;",
    defect:
      'new compute.ProjectMetadataItem(`${name}-login`, { project, key: "enable-oslogin", value: "FALSE" }, own);' +
      "this.networkId = network.id;",
    broken: ["realtime-login"],
    problem: "no rule knows gcp:compute/projectMetadataItem:ProjectMetadataItem",
  },
  {
    rule: "no-external-address",
    file: "components/nats-server.ts",
    original: "networkIp: address.address }",
    defect: "networkIp: address.address, accessConfigs: [{}] }",
    broken: nodes,
    problem: "networkInterfaces[0].accessConfigs asks for an external address",
  },
  {
    rule: "no-open-range",
    file: "index.ts",
    original: "clientRanges: network.clientRanges",
    defect: 'clientRanges: ["0.0.0.0/0"]',
    broken: ["nats-clients"],
    problem: "sourceRanges has 0.0.0.0/0",
  },
  {
    rule: "hardened-machines",
    file: "components/nats-server.ts",
    original: "enableSecureBoot: true",
    defect: "enableSecureBoot: false",
    broken: nodes,
    problem: "shieldedInstanceConfig.enableSecureBoot is not true",
  },
  {
    rule: "no-default-account",
    file: "components/nats-server.ts",
    original: "serviceAccount: { email: account.email, ",
    defect: "serviceAccount: { ",
    broken: nodes,
    problem: "serviceAccount.email is not given, so it is a default account",
  },
  {
    rule: "no-basic-role",
    file: "components/nats-server.ts",
    original: '"roles/logging.logWriter"',
    defect: '"roles/editor"',
    broken: ["nats-log-writer"],
    problem: "roles/editor is granted",
  },
  {
    rule: "named-members",
    file: "components/nats-server.ts",
    original: 'role: "roles/artifactregistry.reader",\n        member: account.member',
    defect: 'role: "roles/artifactregistry.reader",\n        member: "allUsers"',
    broken: ["nats-images-reader"],
    problem: "allUsers is not one identity with a name",
  },
  {
    rule: "no-secret-value",
    file: "index.ts",
    original: "NATS_REPLICAS: String(settings.nats.zones.length),",
    defect: 'NATS_REPLICAS: String(settings.nats.zones.length), API_TOKEN: "abc",',
    broken: ["ws-version"],
    problem: "envVariables.API_TOKEN is called a secret and is no reference to one",
  },
  {
    rule: "no-secret-output",
    file: "index.ts",
    original: "export const natsUrl: string = nats.url;",
    defect: 'export const natsUrl: string = nats.url.replace("//", "//ws:hunter2@");',
    broken: ["appengine-realtime-prod"],
    problem: "natsUrl is a password in a URL",
  },
  {
    rule: "closed-buckets",
    file: "components/source-bucket.ts",
    original: 'publicAccessPrevention: "enforced"',
    defect: 'publicAccessPrevention: "inherited"',
    broken: ["sources-bucket"],
    problem: 'publicAccessPrevention is not "enforced"',
  },
  {
    rule: "protected-data",
    file: "components/private-network.ts",
    original: "childOf(this, opts, { protect, ",
    defect: "childOf(this, opts, { ",
    broken: ["realtime-network", "realtime-nats", "realtime-flex", "realtime-connector"],
    problem: "is not protected",
  },
  {
    rule: "bounded-scaling",
    file: "components/flexible-service.ts",
    original: "maxTotalInstances: scaling.maxInstances,",
    defect: "",
    broken: ["ws-version"],
    problem: "automaticScaling.maxTotalInstances is no maximum",
  },
  {
    rule: "immutable-versions",
    file: "components/flexible-service.ts",
    original: "noopOnDestroy: false",
    defect: "noopOnDestroy: true",
    broken: ["ws-version"],
    problem: "noopOnDestroy is not false: its instances would go on costing money",
  },
  {
    rule: "explicit-ingress",
    file: "components/lib/app-service.ts",
    original: '"INGRESS_TRAFFIC_ALLOWED_ALL"',
    defect: '"INGRESS_TRAFFIC_ALLOWED_UNSPECIFIED"',
    broken: ["web-ingress", "add-ingress", "ws-ingress", "m-ingress"],
    problem: "networkSettings.ingressTrafficAllowed is not given",
  },
  {
    rule: "lasting-subscriptions",
    file: "components/replicated-service.ts",
    original: 'expirationPolicy: { ttl: "" }',
    defect: 'expirationPolicy: { ttl: "2678400s" }',
    broken: ["m-<version>-0", "m-<version>-1", "m-<version>-2"],
    problem: 'expirationPolicy.ttl is not "", so it expires',
  },
  {
    rule: "one-region",
    file: "components/private-network.ts",
    original: "region,\n        name,\n        network: network.name",
    defect: 'region: "us-east1",\n        name,\n        network: network.name',
    broken: ["realtime-connector"],
    problem: "region is us-east1, the application is in europe-west1",
  },
  {
    rule: "labels",
    file: "components/source-bucket.ts",
    original: "labels: labelsOf(name),",
    defect: "",
    broken: ["sources-bucket"],
    problem: "labels has no app, no stack, no component",
  },
];

/** Writes the program with all of the mistakes into an empty folder. */
export function writeMutated(folder: string): void {
  const parts = ["Pulumi.yaml", "Pulumi.prod.yaml", "package.json", "index.ts", "config.ts"];
  for (const part of [...parts, "components", "apps"]) {
    cpSync(join(repository, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"), "dir");
  for (const { rule, file, original, defect } of mutants) {
    const path = join(folder, file);
    const pieces = readFileSync(path, "utf8").split(original);
    if (pieces.length !== 2) {
      throw new Error(
        `${file} has the place of the mistake for ${rule} ${pieces.length - 1} times`,
      );
    }
    writeFileSync(path, pieces.join(defect));
  }
}
