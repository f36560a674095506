/** A client that Google generates for one of its APIs, as this service uses it. */

import type { ClientOptions } from "google-gax";

interface Client {
  initialize(): Promise<unknown>;
  close(): Promise<unknown>;
}

export interface GoogleClientOptions<T extends Client> {
  /** Loads and makes the client. */
  readonly make: (options: ClientOptions) => Promise<T>;
  /** `host:port` of an emulator; undefined: Google's own. */
  readonly emulator: string | undefined;
  /** The longest wait before a lost server is looked for again. */
  readonly longestBackoffMs: number;
}

/**
 * Makes the client at its first use: it takes longer to load than the rest of the service, and
 * listening does not need it. Only generated clients will do, not the ones with objects around them:
 * that of Datastore reads a file beside its own sources when it is loaded, which a bundle does not
 * have (googleapis/nodejs-datastore#782).
 */
export class GoogleClient<T extends Client> {
  readonly #options: GoogleClientOptions<T>;
  #client: Promise<T> | undefined;

  constructor(options: GoogleClientOptions<T>) {
    this.#options = options;
  }

  /** The client; one that could not be made is tried again by the next caller. */
  get(): Promise<T> {
    this.#client ??= this.#make().catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    await client?.close();
  }

  async #make(): Promise<T> {
    const { make, emulator, longestBackoffMs } = this.#options;
    const client = await make({
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": longestBackoffMs,
      ...(emulator === undefined ? {} : await emulated(emulator)),
    });
    // Its own attempt, at the first call, would end the process where it fails.
    await client.initialize();
    return client;
  }
}

/** Options for an emulator, which has no TLS and knows no accounts. */
async function emulated(hostAndPort: string): Promise<object> {
  const { grpc } = await import("google-gax");
  const [servicePath = "", port = ""] = hostAndPort.split(":");
  return { servicePath, port: Number(port), sslCreds: grpc.credentials.createInsecure() };
}
