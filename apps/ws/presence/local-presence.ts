import type { ClientInfo } from "./client-info.ts";

const nobody: ReadonlyMap<string, ClientInfo> = new Map();

/** The clients of this gateway that are present in channels. */
export class LocalPresence {
  readonly #channels = new Map<string, Map<string, ClientInfo>>();

  of(channel: string): ReadonlyMap<string, ClientInfo> {
    return this.#channels.get(channel) ?? nobody;
  }

  add(channel: string, info: ClientInfo): void {
    const clients = this.#channels.get(channel);
    if (clients === undefined) this.#channels.set(channel, new Map([[info.client, info]]));
    else clients.set(info.client, info);
  }

  remove(channel: string, { client }: ClientInfo): void {
    const clients = this.#channels.get(channel);
    clients?.delete(client);
    if (clients?.size === 0) this.#channels.delete(channel);
  }
}
