import type { PublisherClient } from "@google-cloud/pubsub/build/src/v1/publisher_client.js";
import { emulated } from "./datastore.ts";
import type { Publisher } from "./outbox.ts";

/** How long one publication may take; a failed one is tried again by who asked for it. */
const publishMs = 5_000;

/** Publishes on a topic of Google's Pub/Sub, or of an emulator at `host:port`. */
export class PubsubPublisher implements Publisher {
  readonly #topic: string;
  readonly #emulator: string | undefined;
  #client: Promise<PublisherClient> | undefined;

  /** @param topic `projects/<project>/topics/<topic>` */
  constructor({ topic, emulator }: { topic: string; emulator: string | undefined }) {
    this.#topic = topic;
    this.#emulator = emulator;
  }

  async publish(attributes: Readonly<Record<string, string>>): Promise<void> {
    const client = await this.#connected();
    await client.publish(
      { topic: this.#topic, messages: [{ attributes }] },
      { timeout: publishMs, retry: null, isBundling: false },
    );
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    await client?.close();
  }

  /** The generated client alone, for the same reason as with Datastore; and batching is of no use here. */
  #connected(): Promise<PublisherClient> {
    this.#client ??= (async () => {
      const { PublisherClient } =
        await import("@google-cloud/pubsub/build/src/v1/publisher_client.js");
      const client = new PublisherClient({
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 2_000,
        ...(this.#emulator === undefined ? {} : await emulated(this.#emulator)),
      });
      // Its own attempt, at the first call, would end the process where it fails.
      await client.initialize();
      return client;
    })().catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }
}
