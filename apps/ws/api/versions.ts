import { randomUUID } from "node:crypto";
import * as z from "zod";
import { BusError, type BusHeaders } from "../../lib/bus.ts";
import { isConflict, type JetStream, type StoredMessage } from "../history/jetstream.ts";
import { anchors, anchorsStream } from "../history/streams.ts";
import { parseJson } from "../json.ts";

export interface Version {
  readonly version: bigint;
  /** Versions of different epochs cannot be compared; empty: any. */
  readonly epoch: string;
}

/** What is known of a channel's newest version; it is kept for as long as the channel's position. */
const record = z.object({
  version: z.string().regex(/^\d{1,20}$/),
  epoch: z.string(),
  /** Who wrote it. */
  by: z.string(),
  /** The channel's last message before it; what was published is behind that. */
  after: z.int().nonnegative(),
  /** Whether it is published. */
  done: z.boolean(),
});
type Record = z.infer<typeof record>;

const header = "Centrifuge-Version";

/**
 * Publications with versions, of which an older one never comes behind a newer one, whichever gateways
 * publish them.
 *
 * Who publishes writes down its version first, if it is newer than what is written there, and then
 * publishes on the condition that nothing has come to the channel since it looked. Of two, the one that
 * writes later has seen, or prevents, the other's publication.
 */
export class Versions {
  readonly #jetStream: JetStream;

  constructor(jetStream: JetStream) {
    this.#jetStream = jetStream;
  }

  /**
   * @returns the sequence of the publication; undefined: there is this version already, or a newer one
   * @throws BusError `unavailable` when it may or may not be stored
   */
  async store(
    { stream, subject }: { readonly stream: string; readonly subject: string },
    wanted: Version,
    data: Uint8Array,
    options: {
      readonly id: string;
      readonly headers: BusHeaders | undefined;
      readonly deadline: number;
    },
  ): Promise<number | undefined> {
    const jetStream = this.#jetStream;
    const { id, deadline } = options;
    const by = randomUUID();
    const place = `${anchors}v.${subject}`;
    const version = String(wanted.version);
    const headers = {
      ...options.headers,
      [header]: JSON.stringify([version, wanted.epoch]),
    };
    while (performance.now() < deadline) {
      const stored = await jetStream.last(anchorsStream, place);
      const known = read(stored);
      const last = (await jetStream.last(stream, subject))?.seq ?? 0;
      // That it is written down does not say that it is published.
      if (known !== undefined && isOld(wanted, known)) {
        if (known.done) return undefined;
        const later = await jetStream.read(stream, subject, known.after + 1);
        if (later.some((message) => isOfVersion(message, wanted))) return undefined;
        // A replica lags behind.
        if (last > (later.at(-1)?.seq ?? known.after)) continue;
      }
      const mine: Record = { version, epoch: wanted.epoch, by, after: last, done: false };
      try {
        const revision = await jetStream.publish(place, encode(mine), {
          expectedLast: stored?.seq ?? 0,
        });
        const withinMs = Math.max(1, Math.ceil(deadline - performance.now()));
        const condition = { id, headers, expectedLast: last, withinMs };
        const seq = await jetStream.publish(subject, data, condition);
        await this.#finish(place, mine, revision);
        return seq;
      } catch (error) {
        // Another one has written or published meanwhile.
        if (!isConflict(error)) throw error;
      }
    }
    throw new BusError("unavailable", "others publish faster than a version can be compared");
  }

  /** Without it, the next one has to look for the publication. */
  async #finish(place: string, mine: Record, revision: number): Promise<void> {
    try {
      const bytes = encode({ ...mine, done: true });
      await this.#jetStream.publish(place, bytes, { expectedLast: revision });
    } catch (error) {
      if (!(error instanceof BusError) && !isConflict(error)) throw error;
    }
  }
}

/** Whether a version is not newer than the one that is known. */
function isOld({ version, epoch }: Version, known: { version: string; epoch: string }): boolean {
  const isComparable = epoch === "" || epoch === known.epoch;
  return isComparable && version <= BigInt(known.version);
}

function isOfVersion(message: StoredMessage, wanted: Version): boolean {
  const text = message.header(header);
  const parsed = z
    .tuple([record.shape.version, z.string()])
    .safeParse(text === undefined ? undefined : parseJson(Buffer.from(text)));
  if (!parsed.success) return false;
  const [version, epoch] = parsed.data;
  return isOld(wanted, { version, epoch });
}

function read(stored: StoredMessage | undefined): Record | undefined {
  const parsed = record.safeParse(stored && parseJson(stored.data));
  return parsed.success ? parsed.data : undefined;
}

function encode(value: Record): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
