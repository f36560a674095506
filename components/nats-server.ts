import * as artifactregistry from "@pulumi/gcp/artifactregistry/index.js";
import * as compute from "@pulumi/gcp/compute/index.js";
import * as projects from "@pulumi/gcp/projects/index.js";
import * as secretmanager from "@pulumi/gcp/secretmanager/index.js";
import * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import * as pulumi from "@pulumi/pulumi";
import { refuseProblems } from "./lib/arguments.ts";
import { addressAt, parseRange } from "./lib/cidr.ts";
import { labelsOf } from "./lib/labels.ts";
import {
  clientProblems,
  firstNodeAddress,
  nameProblems,
  natsProblems,
  rangeProblems,
  type NatsMachines,
} from "./lib/nats-arguments.ts";
import { dataDeviceName, natsCloudInit } from "./lib/nats-cloud-init.ts";
import { natsConfig, natsPorts, type NatsClient } from "./lib/nats-config.ts";
import { seedSecretId } from "./lib/nkey.ts";
import { childOf } from "./lib/options.ts";

export interface NatsServerArgs extends NatsMachines {
  /** The project's id. */
  readonly project: string;
  /** The region of the zones and of the subnet. */
  readonly region: string;
  readonly network: {
    /** The network's id. */
    readonly id: pulumi.Input<string>;
    /** The id of the subnet that the machines stand in. */
    readonly subnetId: pulumi.Input<string>;
    /** That subnet's range; the nodes take its first free addresses. */
    readonly range: string;
    /** Where connections to port 4222 may come from. Nothing else can open one. */
    readonly clientRanges: readonly string[];
  };
  /** The services that may connect, and what each may do. */
  readonly clients: Readonly<Record<string, NatsClient>>;
  /** Refuses to delete or replace the data disks and the secrets. */
  readonly protect: boolean;
}

/**
 * One nats-server, or three as a cluster, each on a machine of Container-Optimized OS that has no
 * external address: its image comes through a repository that fetches from Docker Hub on demand.
 *
 * A machine reads its configuration when it boots. So a change of the configuration **replaces** the
 * machine (`replaceOnChanges`), one node after the other; address and data disk stay. That also makes a
 * failed change a failed creation, which the next `up` repeats. A node counts as changed when its machine
 * runs, a little before its server has caught up; with one node, clients reconnect after about a minute.
 *
 * Seeds of the NKeys are not known here: a secret without a version is declared for each client, and
 * `npm run nats-keys` adds the version.
 */
export class NatsServer extends pulumi.ComponentResource {
  /** What clients connect to: `nats://a:4222`, with a comma between nodes. */
  readonly url: string;
  /** Addresses of the nodes. */
  readonly addresses: readonly string[];
  /** Names of the machines. */
  readonly machines: readonly string[];

  readonly #name: string;
  readonly #opts: pulumi.ComponentResourceOptions | undefined;
  readonly #clients: readonly string[];

  constructor(name: string, args: NatsServerArgs, opts?: pulumi.ComponentResourceOptions) {
    const range = parseRange(args.network.range);
    refuseProblems("NatsServer", name, [
      ...nameProblems(name),
      ...natsProblems(args, args.region),
      ...clientProblems(args.clients),
      ...rangeProblems(args.network.range),
    ]);
    super("appengine-realtime:nats:NatsServer", name, {}, opts);
    this.#name = name;
    this.#opts = opts;
    this.#clients = Object.keys(args.clients);
    this.machines = args.zones.map((_, index) => `${name}-${index}`);
    this.addresses = args.zones.map((_, index) =>
      range ? addressAt(range, firstNodeAddress + index) : "",
    );
    this.url = this.addresses.map((address) => `nats://${address}:${natsPorts.clients}`).join(",");

    const { account, grants } = this.#identity(args);
    const { image, grant: pullGrant } = this.#images(args, account);
    const firewalls = this.#firewalls(args, account);
    let previous: pulumi.Resource[] = [];
    for (const index of args.zones.keys()) {
      const node = this.#node(args, index, account, image, [
        ...grants,
        pullGrant,
        ...firewalls,
        // One node after the other, so that two of three are always there.
        ...previous,
      ]);
      previous = [node];
    }
    for (const service of this.#clients) this.#secret(service, args);
    this.registerOutputs({ url: this.url, addresses: this.addresses });
  }

  /**
   * The id of the secret that holds a service's seed, `nats-seed-<service>`. The service that is given
   * it lets its own account read it; nobody else may.
   * @throws Error for a service that is not among the clients
   */
  seedSecretId(service: string): string {
    if (!this.#clients.includes(service)) {
      throw new Error(
        `NatsServer "${this.#name}" has no client "${service}"; it has ${this.#clients.join(", ")}`,
      );
    }
    return seedSecretId(service);
  }

  #child(extra?: pulumi.CustomResourceOptions): pulumi.CustomResourceOptions {
    return childOf(this, this.#opts, extra);
  }

  #secret(service: string, { project, protect }: NatsServerArgs): void {
    new secretmanager.Secret(
      `${this.#name}-seed-${service}`,
      {
        project,
        secretId: seedSecretId(service),
        replication: { auto: {} },
        labels: labelsOf(this.#name),
        deletionProtection: protect,
      },
      this.#child({ protect }),
    );
  }

  /** The account that the machines run as: it may write logs and metrics, and nothing else. */
  #identity(args: NatsServerArgs): {
    account: serviceaccount.Account;
    grants: readonly pulumi.Resource[];
  } {
    const account = new serviceaccount.Account(
      `${this.#name}-account`,
      {
        project: args.project,
        accountId: `${this.#name}-server`,
        displayName: "Machines of NATS",
      },
      this.#child(),
    );
    const grants = Object.entries({
      "log-writer": "roles/logging.logWriter",
      "metric-writer": "roles/monitoring.metricWriter",
    }).map(
      ([suffix, role]) =>
        new projects.IAMMember(
          `${this.#name}-${suffix}`,
          { project: args.project, role, member: account.member },
          this.#child(),
        ),
    );
    return { account, grants };
  }

  /** The way to Docker Hub that needs no external address, and the right to use it. */
  #images(
    args: NatsServerArgs,
    account: serviceaccount.Account,
  ): { image: string; grant: pulumi.Resource } {
    const repositoryId = `${this.#name}-images`;
    const repository = new artifactregistry.Repository(
      `${this.#name}-images`,
      {
        project: args.project,
        location: args.region,
        repositoryId,
        format: "DOCKER",
        mode: "REMOTE_REPOSITORY",
        labels: labelsOf(this.#name),
        remoteRepositoryConfig: { dockerRepository: { publicRepository: "DOCKER_HUB" } },
      },
      // Created first, the new one would meet the old one's id.
      this.#child({ deleteBeforeReplace: true }),
    );
    const grant = new artifactregistry.RepositoryIamMember(
      `${this.#name}-images-reader`,
      {
        project: args.project,
        location: args.region,
        repository: repository.repositoryId,
        role: "roles/artifactregistry.reader",
        member: account.member,
      },
      this.#child(),
    );
    const host = `${args.region}-docker.pkg.dev/${args.project}/${repositoryId}`;
    const digest = args.imageDigest === undefined ? "" : `@${args.imageDigest}`;
    return { image: `${host}/library/nats:${args.version}${digest}`, grant };
  }

  #firewalls(args: NatsServerArgs, account: serviceaccount.Account): pulumi.Resource[] {
    const allow = (
      purpose: string,
      port: number,
      from: { sourceRanges: string[] } | { sourceServiceAccounts: pulumi.Input<string>[] },
    ): compute.Firewall =>
      new compute.Firewall(
        `${this.#name}-${purpose}`,
        {
          project: args.project,
          name: `${this.#name}-${purpose}`,
          network: args.network.id,
          direction: "INGRESS",
          allows: [{ protocol: "tcp", ports: [String(port)] }],
          ...from,
          targetServiceAccounts: [account.email],
        },
        this.#child(),
      );
    const clients = allow("clients", natsPorts.clients, {
      sourceRanges: [...args.network.clientRanges],
    });
    return args.zones.length === 1
      ? [clients]
      : [clients, allow("routes", natsPorts.routes, { sourceServiceAccounts: [account.email] })];
  }

  #node(
    args: NatsServerArgs,
    index: number,
    account: serviceaccount.Account,
    image: string,
    dependsOn: pulumi.Resource[],
  ): compute.Instance {
    const { project, region, protect } = args;
    const name = `${this.#name}-${index}`;
    const zone = args.zones[index] ?? "";
    const clustered = args.zones.length > 1;
    const address = new compute.Address(
      `${name}-address`,
      {
        project,
        region,
        name,
        addressType: "INTERNAL",
        purpose: "GCE_ENDPOINT",
        subnetwork: args.network.subnetId,
        // Chosen here, not by the cloud: services carry it in their settings as a plain string.
        address: this.addresses[index] ?? "",
        labels: labelsOf(this.#name),
      },
      this.#child({ deleteBeforeReplace: true }),
    );
    const disk = new compute.Disk(
      `${name}-data`,
      {
        project,
        zone,
        name: `${name}-data`,
        type: "pd-balanced",
        size: args.diskGb,
        labels: labelsOf(this.#name),
      },
      this.#child({ protect }),
    );
    const config = natsConfig({
      serverName: name,
      zone,
      clients: args.clients,
      // What a file system of that size holds, and some room for what JetStream does not count.
      storageMb: Math.floor(args.diskGb * 1024 * 0.85),
      memoryMb: args.memoryMb,
      ...(clustered ? { cluster: { name: this.#name, addresses: this.addresses } } : {}),
    });
    return new compute.Instance(
      name,
      {
        project,
        zone,
        name,
        machineType: args.machineType,
        labels: labelsOf(this.#name),
        allowStoppingForUpdate: true,
        deletionProtection: false,
        bootDisk: {
          autoDelete: true,
          initializeParams: {
            image: "projects/cos-cloud/global/images/family/cos-stable",
            size: 10,
            type: "pd-balanced",
          },
        },
        attachedDisks: [{ source: disk.id, deviceName: dataDeviceName, mode: "READ_WRITE" }],
        // No access configuration: no external address.
        networkInterfaces: [{ subnetwork: args.network.subnetId, networkIp: address.address }],
        serviceAccount: { email: account.email, scopes: ["cloud-platform"] },
        shieldedInstanceConfig: {
          enableSecureBoot: true,
          enableVtpm: true,
          enableIntegrityMonitoring: true,
        },
        scheduling: { automaticRestart: true, onHostMaintenance: "MIGRATE" },
        metadata: {
          "enable-oslogin": "TRUE",
          "block-project-ssh-keys": "TRUE",
          "google-logging-enabled": "true",
          "google-monitoring-enabled": "true",
          "user-data": natsCloudInit({ config, image, clustered }),
        },
      },
      this.#child({
        dependsOn,
        // The address and the disk can only be held by one machine.
        deleteBeforeReplace: true,
        replaceOnChanges: ["metadata"],
      }),
    );
  }
}
