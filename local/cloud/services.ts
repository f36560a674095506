/** The App Engine application: services, their versions, and which of them gets the traffic. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Addresses } from "./addresses.ts";
import { AppVersion, type VersionSpec } from "./app-version.ts";
import type { Destination } from "./front-door.ts";
import type { Identity } from "./identity.ts";
import type { Keeper } from "./keeper-client.ts";
import type { Logs } from "./logs.ts";
import type { Objects } from "./objects.ts";
import { route, type DispatchRule, type RoutingTable } from "./routing.ts";
import type { SupervisedLimits } from "./supervised.ts";

export interface ServicesOptions {
  readonly folder: string;
  readonly addresses: Addresses;
  readonly objects: Objects;
  readonly identity: Identity;
  /** What else the platform tells every instance; resolves when an instance may use it. */
  readonly platformEnv: () => Promise<Readonly<Record<string, string>>>;
  readonly keeper: Keeper;
  readonly logs: Logs;
  /** How long the connections of a version without traffic may go on. */
  readonly drainMs: number;
  readonly limits?: Partial<SupervisedLimits>;
}

interface Service {
  readonly versions: Map<string, AppVersion>;
  shares: ReadonlyMap<string, number>;
}

export class Services {
  readonly #options: ServicesOptions;
  readonly #services = new Map<string, Service>();
  #rules: readonly DispatchRule[] = [];
  /** Every version with processes, also while it starts, drains or stops. */
  readonly #all = new Set<AppVersion>();
  readonly #drains = new Map<AppVersion, AbortController>();
  readonly #background = new Set<Promise<void>>();
  #folders = 0;
  #stopped = false;

  constructor(options: ServicesOptions) {
    this.#options = options;
  }

  /** Where a request goes, or why nowhere. */
  find(host: string, path: string): Destination {
    const to = route(this.#table(), host, path, Math.random());
    const version = to && this.#services.get(to.service)?.versions.get(to.version);
    if (to === undefined || version === undefined) {
      return { problem: "no version of the default service is deployed" };
    }
    const instances = version.next(to.instance);
    if (instances.length === 0) {
      const who =
        to.instance === undefined ? "no instance is alive" : `instance ${to.instance} is not alive`;
      const why =
        version.instances.length === 0
          ? "the version has no traffic and was stopped"
          : "it restarts";
      return { problem: `service ${to.service}, version ${to.version}: ${who}; ${why}` };
    }
    return {
      service: to.service,
      kind: version.spec.kind,
      ports: instances.flatMap(({ port }) => (port === undefined ? [] : [port])),
      enter: () => version.enter(),
    };
  }

  /** Everything that is deployed, for pictures of it. */
  get all(): ReadonlyMap<string, Readonly<Service>> {
    return this.#services;
  }

  get rules(): readonly DispatchRule[] {
    return this.#rules;
  }

  version(service: string, version: string): AppVersion | undefined {
    return this.#services.get(service)?.versions.get(version);
  }

  /**
   * Deploys a version. The first one of a service gets its traffic; others wait for a split.
   * The same version again is a deployment in place, or nothing when nothing differs.
   */
  async deploy(spec: VersionSpec): Promise<void> {
    const before = this.version(spec.service, spec.version);
    if (before !== undefined && isDeepStrictEqual(before.spec, spec)) {
      this.#cancelDrain(before);
      await before.start();
      return;
    }
    const { addresses, objects, identity, keeper, logs, folder, limits } = this.#options;
    const platformEnv = await this.#options.platformEnv();
    const files = join(folder, `${spec.service}-${spec.version}-${this.#folders++}`);
    await objects.copyTo(spec.sourceUrl, files);
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(spec.env)) {
      env[name] = await addresses.translate(value);
    }
    const version = new AppVersion(spec, {
      folder: files,
      tempFolder: join(folder, "tmp"),
      env,
      metadataHost: await identity.metadataHost(spec.account, spec.project),
      secretEndpoint: await identity.secretEndpoint(),
      platformEnv,
      keeper,
      logs,
      note: logs.of("cloud"),
      ...(limits ? { limits } : {}),
    });
    try {
      await this.#start(version);
    } catch (error) {
      await rm(files, { recursive: true, force: true });
      throw error;
    }
    let service = this.#services.get(spec.service);
    if (service === undefined) {
      service = { versions: new Map(), shares: new Map([[spec.version, 1]]) };
      this.#services.set(spec.service, service);
    }
    service.versions.set(spec.version, version);
    if (before !== undefined) this.#retire(before, true);
    // One that was started before and got no traffic waits for none any more.
    for (const [id, other] of service.versions) {
      const idle = other !== version && (service.shares.get(id) ?? 0) === 0;
      if (idle && !this.#drains.has(other)) this.#retire(other, false);
    }
  }

  /** Moves the traffic; a version that has none any more is stopped when its connections are over. */
  async split(serviceId: string, shares: ReadonlyMap<string, number>): Promise<void> {
    const service = this.#services.get(serviceId);
    if (service === undefined) throw new Error(`service ${serviceId} does not exist`);
    for (const [id, share] of shares) {
      const version = service.versions.get(id);
      if (version === undefined) {
        throw new Error(`service ${serviceId} has no version ${id} to give traffic to`);
      }
      if (share > 0) {
        this.#cancelDrain(version);
        await this.#start(version);
      }
    }
    service.shares = shares;
    for (const [id, version] of service.versions) {
      if ((shares.get(id) ?? 0) === 0) this.#retire(version, false);
    }
  }

  /** @throws Error when the version has traffic, as the platform refuses */
  remove(serviceId: string, versionId: string): void {
    const service = this.#services.get(serviceId);
    const version = service?.versions.get(versionId);
    if (service === undefined || version === undefined) return;
    if ((service.shares.get(versionId) ?? 0) > 0) {
      throw new Error(
        `version ${versionId} of service ${serviceId} cannot be deleted: it has traffic; move that to another version first`,
      );
    }
    service.versions.delete(versionId);
    this.#retire(version, true);
  }

  /** Deletes a service with all its versions, traffic or not. */
  removeService(serviceId: string): void {
    const service = this.#services.get(serviceId);
    this.#services.delete(serviceId);
    for (const version of service?.versions.values() ?? []) this.#retire(version, true);
  }

  setRules(rules: readonly DispatchRule[]): void {
    for (const rule of rules) {
      if (!this.#services.has(rule.service)) {
        throw new Error(`a dispatch rule names the service ${rule.service}, which does not exist`);
      }
    }
    this.#rules = rules;
  }

  /** Stops every instance; nothing is started afterwards. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const drain of this.#drains.values()) drain.abort();
    await Promise.all([...this.#all].reverse().map((version) => version.stop()));
    await Promise.all(this.#background);
  }

  async #start(version: AppVersion): Promise<void> {
    if (this.#stopped) throw new Error("the local cloud is stopping");
    this.#all.add(version);
    try {
      await version.start();
    } catch (error) {
      this.#all.delete(version);
      throw error;
    }
  }

  #table(): RoutingTable {
    const services = new Map(
      [...this.#services].map(([id, { versions, shares }]) => [
        id,
        {
          shares,
          versions: new Map(
            [...versions].map(([version, { spec }]) => [
              version,
              { addressable: spec.kind === "standard" && spec.manual ? spec.instances : 0 },
            ]),
          ),
        },
      ]),
    );
    return { rules: this.#rules, services };
  }

  #cancelDrain(version: AppVersion): void {
    this.#drains.get(version)?.abort();
    this.#drains.delete(version);
  }

  /** Stops a version in the background, once its connections are over or have had their time. */
  #retire(version: AppVersion, removeFiles: boolean): void {
    if (!this.#all.has(version) || this.#stopped) return;
    this.#cancelDrain(version);
    const drain = new AbortController();
    this.#drains.set(version, drain);
    const retiring = async (): Promise<void> => {
      const end = performance.now() + this.#options.drainMs;
      while (version.active > 0 && performance.now() < end && !drain.signal.aborted) {
        await wait(50);
      }
      if (drain.signal.aborted) return;
      this.#drains.delete(version);
      // It may have been stopped for its traffic already, and is now deleted.
      if (await version.stop()) {
        this.#options.logs.of("cloud")(`stopped ${version.spec.service} ${version.spec.version}`);
      }
      if (removeFiles) {
        this.#all.delete(version);
        await rm(version.folder, { recursive: true, force: true });
      }
    };
    const { service, version: id } = version.spec;
    const work = retiring().catch((error: unknown) => {
      // Nobody waits for it, and it is no reason to end the cloud.
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logs.of("cloud")(`${service} ${id} could not be cleared away: ${reason}`);
    });
    this.#background.add(work);
    void work.finally(() => this.#background.delete(work));
  }
}
