import type { PublisherClient } from "@google-cloud/pubsub/build/src/v1/publisher_client.js";
import { GoogleClient } from "./google-client.ts";
import type { Publisher } from "./outbox.ts";

/** How long one publication may take; a failed one is tried again by who asked for it. */
const publishMs = 5_000;

/** Publishes on a topic of Google's Pub/Sub, or of an emulator at `host:port`. */
export class PubsubPublisher implements Publisher {
  readonly #topic: string;
  readonly #client: GoogleClient<PublisherClient>;

  /** @param options.topic `projects/<project>/topics/<topic>` */
  constructor({ topic, emulator }: { topic: string; emulator: string | undefined }) {
    this.#topic = topic;
    this.#client = new GoogleClient({
      emulator,
      longestBackoffMs: 2_000,
      make: async (options) => {
        const { PublisherClient } =
          await import("@google-cloud/pubsub/build/src/v1/publisher_client.js");
        return new PublisherClient(options);
      },
    });
  }

  async publish(attributes: Readonly<Record<string, string>>): Promise<void> {
    const client = await this.#client.get();
    await client.publish(
      { topic: this.#topic, messages: [{ attributes }] },
      { timeout: publishMs, retry: null, isBundling: false },
    );
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
