import { type Bus, BusError } from "../../lib/bus.ts";
import { isRecord, parseJson } from "../json.ts";
import { disconnects } from "../protocol/codes.ts";
import type { Closing } from "../transport/link.ts";

/** What the registry needs of a connection. */
export interface Registered {
  /** Its id. */
  readonly client: string;
  /** By which the requests of a client without a websocket name its connection. */
  readonly sessionId?: string | undefined;
  close(closing: Closing): void;
}

/** Some of the clients: those of a user, a single one, or the one of a session. What is absent is any. */
export interface Target {
  readonly user?: string | undefined;
  readonly client?: string | undefined;
  readonly session?: string | undefined;
}

/** To all gateways: of this user, none that is older than this client may stay. */
const singleSubject = "g.single";

/** The connected clients, by their users, and how many one user may have. */
export class Registry<T extends Registered = Registered> {
  readonly #bus: Bus;
  readonly #limit: number;
  readonly #single: boolean;
  readonly #subscription: { unsubscribe(): void } | undefined;
  readonly #now: () => number;
  /** By user, the anonymous one too; each with the time at which it came. */
  readonly #users = new Map<string, Map<T, number>>();
  readonly #clients = new Map<string, { readonly connection: T; readonly user: string }>();

  /**
   * @param options.limit connections of one user to this gateway; 0: any number
   * @param options.single a new connection of a user ends the older ones, on whichever gateway
   * @param now milliseconds since 1970
   */
  constructor(
    bus: Bus,
    options: { readonly limit: number; readonly single: boolean },
    now: () => number = Date.now,
  ) {
    this.#bus = bus;
    this.#now = now;
    this.#limit = options.limit;
    this.#single = options.single;
    if (!options.single) return;
    this.#subscription = bus.subscribe(singleSubject, (data) => {
      const message = parseJson(data);
      if (!isRecord(message)) return;
      const { user, client, at } = message;
      if (typeof user !== "string" || typeof client !== "string" || typeof at !== "number") return;
      this.#endOlder(user, client, at);
    });
  }

  /** Why the connection is not to be, or undefined. Anonymous users are not one user. */
  add(connection: T, user: string): Closing | undefined {
    const present = this.#users.get(user);
    const isLimited = this.#limit > 0 && user !== "";
    if (isLimited && present !== undefined && present.size >= this.#limit) {
      return disconnects.connectionLimit;
    }
    const at = this.#now();
    if (present === undefined) this.#users.set(user, new Map([[connection, at]]));
    else present.set(connection, at);
    this.#clients.set(connection.client, { connection, user });
    if (this.#single && user !== "") this.#announce(user, connection.client, at);
    return undefined;
  }

  remove(connection: T, user: string | undefined): void {
    if (user === undefined) return;
    const present = this.#users.get(user);
    present?.delete(connection);
    if (present?.size === 0) this.#users.delete(user);
    if (this.#clients.get(connection.client)?.connection === connection) {
      this.#clients.delete(connection.client);
    }
  }

  get userCount(): number {
    return this.#users.size;
  }

  /** Those of this gateway who are meant. */
  find({ user, client, session }: Target): T[] {
    let found: T[];
    if (client !== undefined) {
      const known = this.#clients.get(client);
      const isMeant = known !== undefined && (user === undefined || known.user === user);
      found = isMeant ? [known.connection] : [];
    } else if (user !== undefined) {
      found = [...(this.#users.get(user)?.keys() ?? [])];
    } else {
      // There is no index of sessions: who knows one knows its client or user, most of the time.
      found =
        session === undefined ? [] : [...this.#clients.values()].map((each) => each.connection);
    }
    return session === undefined ? found : found.filter((each) => each.sessionId === session);
  }

  stop(): void {
    this.#subscription?.unsubscribe();
  }

  #announce(user: string, client: string, at: number): void {
    this.#endOlder(user, client, at);
    try {
      this.#bus.send(singleSubject, Buffer.from(JSON.stringify({ user, client, at })));
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
    }
  }

  /**
   * Of two that come at about the same time, each ends the other if it is the older one: exactly one stays,
   * whichever is heard first. Where clocks differ, it is not always the one that came last.
   */
  #endOlder(user: string, client: string, at: number): void {
    for (const [other, since] of [...(this.#users.get(user) ?? [])]) {
      const isOlder = since < at || (since === at && other.client < client);
      if (other.client !== client && isOlder) other.close(disconnects.connectionLimit);
    }
  }
}
