import { type Bus, BusError } from "../../lib/bus.ts";
import type { Closing } from "../peer.ts";
import { isRecord, parseJson } from "../presence/client-info.ts";
import { disconnects } from "../protocol/codes.ts";

/** What the registry needs of a connection. */
export interface Registered {
  /** Its id. */
  readonly client: string;
  close(closing: Closing): void;
}

/** To all gateways: of this user, only this client may stay. */
const singleSubject = "g.single";

/** The connected clients of each user, and how many one may have. */
export class Registry<T extends Registered = Registered> {
  readonly #bus: Bus;
  readonly #limit: number;
  readonly #single: boolean;
  readonly #subscription: { unsubscribe(): void } | undefined;
  readonly #users = new Map<string, Set<T>>();

  /**
   * @param options.limit connections of one user to this gateway; 0: any number
   * @param options.single a new connection of a user ends all others, on whichever gateway
   */
  constructor(bus: Bus, options: { readonly limit: number; readonly single: boolean }) {
    this.#bus = bus;
    this.#limit = options.limit;
    this.#single = options.single;
    if (!options.single) return;
    this.#subscription = bus.subscribe(singleSubject, (data) => {
      const message = parseJson(data);
      if (!isRecord(message)) return;
      const { user, client } = message;
      if (typeof user === "string" && typeof client === "string") this.#endOthers(user, client);
    });
  }

  /** Why the connection is not to be, or undefined. Anonymous users are not one user. */
  add(connection: T, user: string): Closing | undefined {
    if (user === "") return undefined;
    const present = this.#users.get(user);
    if (this.#limit > 0 && present !== undefined && present.size >= this.#limit) {
      return disconnects.connectionLimit;
    }
    if (present === undefined) this.#users.set(user, new Set([connection]));
    else present.add(connection);
    if (this.#single) this.#announce(user, connection.client);
    return undefined;
  }

  remove(connection: T, user: string | undefined): void {
    if (user === undefined) return;
    const present = this.#users.get(user);
    present?.delete(connection);
    if (present?.size === 0) this.#users.delete(user);
  }

  stop(): void {
    this.#subscription?.unsubscribe();
  }

  #announce(user: string, client: string): void {
    this.#endOthers(user, client);
    try {
      this.#bus.send(singleSubject, Buffer.from(JSON.stringify({ user, client })));
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
    }
  }

  #endOthers(user: string, client: string): void {
    for (const other of [...(this.#users.get(user) ?? [])]) {
      if (other.client !== client) other.close(disconnects.connectionLimit);
    }
  }
}
