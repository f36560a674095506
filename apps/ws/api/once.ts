import { createHash } from "node:crypto";
import * as z from "zod";
import { BusError, type BusHeaders } from "../../lib/bus.ts";
import {
  isConflict,
  type JetStream,
  JetStreamError,
  type StreamConfig,
} from "../history/jetstream.ts";
import type { ChannelPosition } from "../history/snapshot.ts";
import { parseJson } from "../json.ts";

/** As the family has it: so long two publications with one key are one. */
export const keyWindowMs = 300_000;

/** Before the subject on which a message is handed on, once. */
const onceSubjects = "g.once.";
const keySubjects = "g.key.";

export interface OnceLimits {
  /** Of publications on channels without history: by them a server that starts anew knows their keys. */
  readonly maxBytes: number;
  /** Of what is known of the other keys, some 200 bytes of each. */
  readonly maxKeyBytes: number;
}

const defaultOnceLimits: OnceLimits = { maxBytes: 536_870_912, maxKeyBytes: 268_435_456 };

/** What is known of a key: somebody has begun to publish with it, or has published. */
const record = z.object({
  done: z.boolean(),
  offset: z.int().optional(),
  epoch: z.string().optional(),
});

export interface OnceOptions {
  readonly jetStream: JetStream;
  readonly replicas: number;
  readonly limits?: Partial<OnceLimits>;
}

/**
 * Publications with an idempotency key, of which there is one, whichever gateways are asked for them.
 *
 * In a channel without history it is one step: a stream that knows the ids of the window stores the
 * message and hands it on to the channel's subject. In a channel with history the stream of the
 * history stores it, and knows ids for a shorter time. So a record says of each key that somebody has
 * begun, and later what came of it. Who finds that somebody has begun and not ended looks for the
 * publication first, and publishes with the same id.
 *
 * When a stream is full, publications with keys are refused: to forget a key is to publish twice.
 */
export class Once {
  readonly #jetStream: JetStream;
  readonly #once: StreamConfig;
  readonly #keys: StreamConfig;
  /** Those that are there, or being made: when the first key comes, since who has none needs no JetStream. */
  readonly #made = new Map<StreamConfig, Promise<void>>();

  constructor({ jetStream, replicas, limits }: OnceOptions) {
    const { maxBytes, maxKeyBytes } = { ...defaultOnceLimits, ...limits };
    this.#jetStream = jetStream;
    const window = { maxAgeMs: keyWindowMs, duplicatesMs: keyWindowMs };
    const common = { ...window, replicas, refusesWhenFull: true } as const;
    this.#once = {
      ...common,
      ...{ name: "once", subjects: [`${onceSubjects}>`], maxPerSubject: -1, maxBytes },
      republish: { src: `${onceSubjects}*.>`, dest: "{{wildcard(1)}}.>" },
    };
    // Not together with payloads, which would push them out.
    this.#keys = {
      ...common,
      ...{ name: "keys", subjects: [`${keySubjects}*`], maxPerSubject: 1, maxBytes: maxKeyBytes },
    };
  }

  /**
   * Publishes on a subject that no stream captures.
   *
   * @throws BusError `unavailable` when it may or may not have been published
   */
  async send(
    subject: string,
    data: Uint8Array,
    options: {
      readonly id: string;
      readonly headers?: BusHeaders | undefined;
      readonly withinMs: number;
    },
  ): Promise<void> {
    await this.#ask(this.#once, (jetStream) =>
      jetStream.publish(`${onceSubjects}${subject}`, data, options),
    );
  }

  /**
   * Stores a publication, or says where the one is that was stored with this id before.
   *
   * @param find looks for a publication with this id in the channel's history
   * @param store publishes with this id
   */
  async store(
    id: string,
    find: () => Promise<ChannelPosition | undefined>,
    store: () => Promise<ChannelPosition | undefined>,
  ): Promise<ChannelPosition | undefined> {
    const subject = `${keySubjects}${id}`;
    const begun = await this.#begin(subject);
    if (begun !== undefined && begun.done) return positionIn(begun);
    const position = (begun === undefined ? undefined : await find()) ?? (await store());
    const text = JSON.stringify({ done: true, ...position });
    // Without it, who tries again later could not be told; so it is not a success before.
    await this.#ask(this.#keys, (jetStream) => jetStream.publish(subject, Buffer.from(text)));
    return position;
  }

  /** Says that this gateway begins; or what is known, when another attempt has begun. */
  async #begin(subject: string): Promise<z.infer<typeof record> | undefined> {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      try {
        const bytes = Buffer.from(JSON.stringify({ done: false }));
        await this.#ask(this.#keys, (jetStream) =>
          jetStream.publish(subject, bytes, { expectedLast: 0 }),
        );
        return undefined;
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
      const { name } = this.#keys;
      const stored = await this.#ask(this.#keys, (jetStream) => jetStream.last(name, subject));
      const known = record.safeParse(stored && parseJson(stored.data));
      // It may have ended its time just now.
      if (known.success) return known.data;
    }
    throw new BusError("unavailable", "what is known of an idempotency key cannot be read");
  }

  async #ask<T>(stream: StreamConfig, question: (jetStream: JetStream) => Promise<T>): Promise<T> {
    const jetStream = this.#jetStream;
    const made = this.#made.get(stream) ?? jetStream.ensureStream(stream);
    this.#made.set(stream, made);
    try {
      await made;
      return await question(jetStream);
    } catch (error) {
      if (isConflict(error)) throw error;
      // It may be gone, or never have come to be.
      if (this.#made.get(stream) === made) this.#made.delete(stream);
      if (!(error instanceof JetStreamError)) throw error;
      throw new BusError("unavailable", error.message, { cause: error });
    }
  }
}

/** The id of a publication with a key: the same on every gateway, and of no use to guess the key. */
export function keyId(channel: string, key: string): string {
  return createHash("sha256").update(`${channel}\n${key}`).digest("base64url");
}

function positionIn({ offset, epoch }: z.infer<typeof record>): ChannelPosition | undefined {
  return offset === undefined || epoch === undefined ? undefined : { offset, epoch };
}
