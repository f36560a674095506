/** The cloud on one machine: what the provider's resources turn into. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backend, Resource } from "../provider/backend.ts";
import { lastSegment } from "../wire/values.ts";
import { Addresses } from "./addresses.ts";
import { createControl } from "./control.ts";
import { Emulators, type EmulatorsOptions } from "./emulators.ts";
import { FrontDoor, type FrontDoorLimits } from "./front-door.ts";
import { IdTokens } from "./id-tokens.ts";
import { Identity } from "./identity.ts";
import * as inputs from "./inputs.ts";
import { startKeeper, type Keeper } from "./keeper-client.ts";
import type { Logs } from "./logs.ts";
import { Nats } from "./nats.ts";
import { Objects } from "./objects.ts";
import { type KillTarget, pictureOf } from "./picture.ts";
import { PushForwarder } from "./push-forwarder.ts";
import { Services } from "./services.ts";
import type { SupervisedLimits } from "./supervised.ts";

export interface LocalCloudOptions {
  /** The program's folder. */
  readonly root: string;
  /** Of the front door; 0 for any free one. */
  readonly port: number;
  readonly logs: Logs;
  /** The file of nats-server in that version; asked for when a machine needs it. */
  readonly natsServer: (version: string | undefined) => Promise<string>;
  /** How Google's emulators are started on this machine, or what is missing for it. */
  readonly emulators: EmulatorsOptions["find"];
  /** True when the program will need them: they begin to start with the cloud. @default false */
  readonly emulatorsAtOnce?: boolean;
  /** What a secret holds; undefined when nobody gave it a value. */
  readonly secret: (secretId: string) => Promise<string | undefined>;
  readonly limits?: {
    /** How long connections of a version may go on that has lost its traffic. */
    readonly drainMs?: number;
    readonly process?: Partial<SupervisedLimits>;
    readonly frontDoor?: Partial<FrontDoorLimits>;
  };
}

/** Long enough for a request, short enough that a developer's sockets soon meet the new version. */
const defaultDrainMs = 5_000;

/**
 * Turns checked resources into processes, routes and secrets. What has no meaning on one machine
 * (IAM of the project, firewall, connector, APIs, repositories) stays a record of the engine's.
 */
export class LocalCloud implements Backend {
  readonly keeper: Keeper;
  readonly folder: string;
  readonly addresses = new Addresses();
  readonly identity: Identity;
  readonly idTokens = new IdTokens();
  readonly pushes: PushForwarder;
  readonly emulators: Emulators;
  readonly nats: Nats;
  readonly objects: Objects;
  readonly services: Services;
  readonly frontDoor: FrontDoor;
  #stopping: Promise<void> | undefined;

  /**
   * A cloud that runs nothing yet; its front door is open.
   * @throws Error that names the port when another process has it; nothing is left then
   */
  static async start(options: LocalCloudOptions): Promise<LocalCloud> {
    const keeper = startKeeper({ note: options.logs.of("cloud") });
    const folder = await mkdtemp(join(tmpdir(), "appengine-realtime-"));
    keeper.folderMade(folder);
    const cloud = new LocalCloud(options, keeper, folder);
    try {
      await cloud.frontDoor.listen(options.port);
      if (options.emulatorsAtOnce === true) cloud.emulators.begin();
      return cloud;
    } catch (error) {
      await cloud.stop();
      throw error;
    }
  }

  private constructor(options: LocalCloudOptions, keeper: Keeper, folder: string) {
    this.keeper = keeper;
    this.folder = folder;
    const { logs } = options;
    const limits = options.limits?.process ?? {};
    this.identity = new Identity({ secret: options.secret });
    this.objects = new Objects(join(folder, "objects"), options.root);
    this.nats = new Nats({
      binary: options.natsServer,
      folder: join(folder, "nats"),
      addresses: this.addresses,
      keeper,
      logs,
      limits,
    });
    this.pushes = new PushForwarder({
      frontDoorPort: () => this.frontDoor.port,
      sign: (account, audience) => this.idTokens.sign(account, audience),
      note: logs.of("cloud"),
    });
    this.emulators = new Emulators({
      find: options.emulators,
      folder: join(folder, "emulators"),
      forwarder: this.pushes,
      keeper,
      logs,
      limits,
    });
    this.services = new Services({
      folder: join(folder, "versions"),
      addresses: this.addresses,
      objects: this.objects,
      identity: this.identity,
      platformEnv: async () => ({
        // Says that /_local/ is there.
        LOCAL_CLOUD: "1",
        GOOGLE_JWKS_URL: await this.idTokens.keysUrl(),
        ...(await this.emulators.environment()),
      }),
      keeper,
      logs,
      drainMs: options.limits?.drainMs ?? defaultDrainMs,
      limits,
    });
    this.frontDoor = new FrontDoor({
      find: (host, path) => this.services.find(host, path),
      control: createControl({
        picture: () =>
          pictureOf({
            services: this.services.all,
            rules: this.services.rules,
            nats: this.nats.servers,
            topics: this.emulators.messages.endpoints,
          }),
        kill: (target) => this.#kill(target),
      }),
      ...(options.limits?.frontDoor ? { limits: options.limits.frontDoor } : {}),
    });
  }

  create(resource: Resource): Promise<void> {
    return this.#put(resource);
  }

  async update(resource: Resource, before: Resource): Promise<void> {
    // A machine that is a NATS node no more, or an address that changed, is another thing.
    if (resource.type === "gcp:compute/instance:Instance" && !inputs.natsNode(resource)) {
      await this.delete(before);
    }
    await this.#put(resource);
  }

  async delete(resource: Resource): Promise<void> {
    switch (resource.type) {
      case "gcp:compute/address:Address": {
        const address = inputs.address(resource);
        if (address !== undefined) await this.addresses.forget(address);
        break;
      }
      case "gcp:compute/instance:Instance": {
        const node = inputs.natsNode(resource);
        if (node !== undefined) await this.nats.remove(node.name);
        break;
      }
      case "gcp:compute/disk:Disk":
        await this.nats.removeDisk(lastSegment(resource.id));
        break;
      case "gcp:storage/bucketObject:BucketObject": {
        const { bucket, name } = inputs.bucketObject(resource);
        await this.objects.remove(bucket, name);
        break;
      }
      case inputs.standardVersion:
      case inputs.flexibleVersion: {
        const { service, version, effect } = inputs.versionEnd(resource);
        if (effect === "delete service") this.services.removeService(service);
        if (effect === "delete version") this.services.remove(service, version);
        break;
      }
      case "gcp:appengine/applicationUrlDispatchRules:ApplicationUrlDispatchRules":
        this.services.setRules([]);
        break;
      case "gcp:secretmanager/secret:Secret":
        this.identity.forgetSecret(inputs.secretName(resource));
        break;
      case "gcp:secretmanager/secretIamMember:SecretIamMember":
        this.identity.revoke(resource.urn);
        break;
      case "gcp:firestore/database:Database":
        await this.emulators.deleteDatabase(resource.id);
        break;
      case "gcp:pubsub/topic:Topic":
        await this.emulators.messages.deleteTopic(inputs.topic(resource).name);
        break;
      case "gcp:pubsub/subscription:Subscription":
        await this.emulators.messages.deleteSubscription(inputs.subscription(resource).name);
        break;
      // EngineSplitTraffic: the platform does nothing on its deletion either.
    }
  }

  /** Everything ends, last things first: door, apps, secrets, emulators and NATS, folder; within 5 s. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      this.frontDoor.close();
      await this.pushes.close();
      await this.services.stop();
      await this.frontDoor.stop();
      await Promise.all([this.pushes.stop(), this.identity.stop(), this.idTokens.stop()]);
      await Promise.all([this.emulators.stop(), this.nats.stop()]);
      await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
      this.keeper.folderRemoved(this.folder);
      await this.keeper.close();
    })();
    return this.#stopping;
  }

  #kill(target: KillTarget): number | false | undefined {
    const found =
      "nats" in target
        ? this.nats.servers.get(target.nats)
        : this.services
            .version(target.service, target.version)
            ?.instances.find(({ index }) => index === target.index);
    return found && (found.kill() ?? false);
  }

  async #put(resource: Resource): Promise<void> {
    if (this.#stopping !== undefined) throw new Error("the local cloud is stopping");
    switch (resource.type) {
      case "gcp:compute/address:Address": {
        const address = inputs.address(resource);
        if (address !== undefined) this.addresses.declare(address);
        break;
      }
      case "gcp:compute/instance:Instance": {
        const node = inputs.natsNode(resource);
        if (node !== undefined) await this.nats.put(node);
        break;
      }
      case "gcp:storage/bucketObject:BucketObject": {
        const { bucket, name, source } = inputs.bucketObject(resource);
        await this.objects.put(bucket, name, source);
        break;
      }
      case inputs.standardVersion:
      case inputs.flexibleVersion:
        await mkdir(join(this.folder, "versions"), { recursive: true });
        await this.services.deploy(inputs.versionSpec(resource));
        break;
      case "gcp:appengine/engineSplitTraffic:EngineSplitTraffic": {
        const { service, shares } = inputs.traffic(resource);
        await this.services.split(service, shares);
        break;
      }
      case "gcp:appengine/applicationUrlDispatchRules:ApplicationUrlDispatchRules":
        this.services.setRules(inputs.dispatchRules(resource));
        break;
      case "gcp:secretmanager/secret:Secret":
        this.identity.declareSecret(inputs.secretName(resource));
        break;
      case "gcp:secretmanager/secretIamMember:SecretIamMember": {
        const { secret, role, member } = inputs.secretGrant(resource);
        this.identity.grant(resource.urn, secret, role, member);
        break;
      }
      case "gcp:firestore/database:Database":
        if (inputs.isDatastore(resource)) await this.emulators.putDatabase(resource.id);
        break;
      case "gcp:pubsub/topic:Topic":
        await this.emulators.messages.putTopic(inputs.topic(resource));
        break;
      case "gcp:pubsub/subscription:Subscription":
        await this.emulators.messages.putSubscription(inputs.subscription(resource));
        break;
    }
  }
}
