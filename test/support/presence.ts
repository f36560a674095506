import { randomUUID } from "node:crypto";
import { NatsBus } from "../../apps/lib/nats-bus.ts";
import type { ClientInfo } from "../../apps/ws/presence/client-info.ts";
import type { MembersLimits } from "../../apps/ws/presence/members.ts";
import { type PresenceLimits, PresenceService } from "../../apps/ws/presence/presence.ts";
import { collectingLog } from "./collecting-log.ts";
import { eventually } from "./eventually.ts";
import { ServiceProcess } from "./process.ts";

export type Limits = Partial<PresenceLimits & MembersLimits>;

/** The part of a gateway that knows who is present, with a connection to NATS of its own. */
export class PresenceGateway implements AsyncDisposable {
  readonly id = randomUUID();
  readonly bus: NatsBus;
  readonly service: PresenceService;
  readonly lines: readonly string[];
  readonly #channels = new Map<string, Map<string, ClientInfo>>();

  constructor({ url }: { url: string }, limits: Limits = {}) {
    const { log, lines } = collectingLog();
    this.lines = lines;
    this.bus = new NatsBus({ name: "gateway", servers: [url], log, limits: { retryMaxMs: 100 } });
    const local = (channel: string): ReadonlyMap<string, ClientInfo> => this.clients(channel);
    this.service = new PresenceService({ bus: this.bus, gatewayId: this.id, local, log, limits });
  }

  /** One that the others know. */
  static async start(server: { url: string }, limits: Limits = {}): Promise<PresenceGateway> {
    const gateway = new PresenceGateway(server, limits);
    await gateway.service.members.whenSettled();
    return gateway;
  }

  /** This gateway's own clients, to be changed by the test. */
  clients(channel: string): Map<string, ClientInfo> {
    let clients = this.#channels.get(channel);
    if (clients === undefined) {
      clients = new Map();
      this.#channels.set(channel, clients);
    }
    return clients;
  }

  /** Adds a client; its id. */
  add(channel: string, info: Partial<ClientInfo> = {}): string {
    const client = randomUUID();
    this.clients(channel).set(client, { user: "", client, ...info });
    return client;
  }

  /** Waits until it knows so many others. */
  async knows(others: number): Promise<void> {
    await eventually(`a gateway knows ${others} others`, () => {
      return this.service.members.others.length === others && this.service.members.settled;
    });
  }

  /** Ends like a process that dies: without a goodbye. */
  async crash(): Promise<void> {
    await this.bus.close({ withinMs: 0 });
    this.service.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.service.stop();
    await this.bus.close();
  }
}

/** A gateway in a process of its own with some clients in a channel, which the others know. */
export async function startPresenceProcess(
  { url }: { url: string },
  channel: string,
  clients: readonly string[],
  limits: Limits = {},
): Promise<ServiceProcess> {
  const process = new ServiceProcess("test/apps/ws/presence/fixtures/gateway.ts", {
    NATS_URL: url,
    CHANNEL: channel,
    CLIENTS: clients.join(","),
    LIMITS: JSON.stringify(limits),
  });
  await process.logged("settled");
  return process;
}
