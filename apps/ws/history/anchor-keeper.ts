import type { Anchor, WrittenAnchor } from "./anchor.ts";
import type { ChannelStore } from "./channel-store.ts";
import type { LogClock } from "./clock.ts";
import type { HistoryLimits } from "./continuation.ts";

export interface AnchorKeeperOptions {
  readonly store: Pick<ChannelStore, "readAnchor" | "writeAnchor">;
  readonly limits: HistoryLimits;
  /** How long an anchor is kept. */
  readonly metaTtlMs: number;
  readonly clock: LogClock;
  /** Aborts when nothing is to be written any more but by `finish`. */
  readonly signal: AbortSignal;
  /** What is to be written; undefined while nothing may be. */
  readonly current: () => Anchor | undefined;
  /** Called when the channel's anchor is found to be of another epoch. */
  readonly onOther: () => void;
  readonly onError: (error: unknown) => void;
}

/**
 * So many publications after its anchor a gateway moves it. Not the same for all, so that one does; and
 * far below `anchorSlack`, so that what comes meanwhile does not drive the anchor's message out.
 */
const step = { min: 64, max: 128 } as const;
/** Of several gateways that see at a time that the anchor must be moved, one is first by chance. */
const spreadMs = 20;
/** After a failure, other attempts wait for so long. */
const retryMs = 1_000;
const attempts = 5;

/** Keeps a channel's anchor so recent that whoever opens the channel can count from it. */
export class AnchorKeeper {
  readonly #options: AnchorKeeperOptions;
  /** In [0, 1): how late this gateway is among those that follow the channel. */
  readonly #patience = Math.random();
  #known: WrittenAnchor | undefined;
  /** From then on, the known anchor's message may leave before long; in ms since 1970. */
  #wornAt = Number.NEGATIVE_INFINITY;
  #moving = false;
  #saving: Promise<void> | undefined;
  #retryAt = Number.NEGATIVE_INFINITY;

  constructor(options: AnchorKeeperOptions) {
    this.#options = options;
  }

  /** The newest anchor that was seen; undefined: there is none, as far as is known. */
  get known(): WrittenAnchor | undefined {
    return this.#known;
  }

  /** What the stream of anchors has answered holds, whatever was seen before. */
  set known(anchor: WrittenAnchor | undefined) {
    this.#known = anchor;
    const since = anchor === undefined || anchor.tip.seq === 0 ? 0 : Date.parse(anchor.tip.time);
    this.#wornAt = since + this.#options.limits.ttlMs / 2;
  }

  /** Somebody has written an anchor; false when it is not newer than the one that is known. */
  note(anchor: WrittenAnchor): boolean {
    if (this.#known !== undefined && anchor.revision <= this.#known.revision) return false;
    this.known = anchor;
    return true;
  }

  /**
   * To be called after each publication. Moves the anchor, without being waited for, when it is far
   * behind; or when its message has left or soon will: only by a message that is there can it be told
   * whether those behind it were purged.
   */
  moved(offset: number): void {
    const { clock, signal, onError } = this.#options;
    const behind = offset - (this.#known?.tip.offset ?? 0);
    const far = behind >= step.min + this.#patience * (step.max - step.min);
    if (!far && clock.wall() < this.#wornAt) return;
    if (this.#moving || clock.monotonic() < this.#retryAt) return;
    this.#moving = true;
    const known = this.#known;
    // Until there is one that names a message, nothing can be told.
    const urgent = far || known === undefined || known.tip.seq === 0;
    const waitMs = urgent ? 0 : this.#patience * spreadMs;
    void clock
      .pause(waitMs, signal)
      .then(() => (signal.aborted || this.#known !== known ? undefined : this.save()))
      .catch(onError)
      .finally(() => {
        this.#moving = false;
      });
  }

  /** To be called now and then: a channel in which nothing happens needs its anchor, too. */
  async refresh(): Promise<void> {
    const { current, limits, metaTtlMs, clock } = this.#options;
    const anchor = current();
    if (anchor === undefined) return;
    const known = this.#known;
    const idleMs = clock.wall() - (known?.writtenMs ?? Number.NEGATIVE_INFINITY);
    const late = 1 + this.#patience / 2;
    const worn = clock.wall() >= this.#wornAt && idleMs > (limits.ttlMs / 3) * late;
    const advanced = anchor.tip.through > (known?.tip.through ?? -1);
    if ((worn && advanced) || idleMs > (metaTtlMs / 3) * late) await this.save();
  }

  /** Writes what the next who opens the channel will need. */
  async finish(): Promise<void> {
    const { current, clock, onError } = this.#options;
    await this.#saving?.catch(() => undefined);
    const anchor = current();
    const known = this.#known;
    if (anchor === undefined) return;
    const moved = anchor.tip.offset !== known?.tip.offset;
    const advanced = anchor.tip.through !== known?.tip.through;
    const worn = clock.wall() >= this.#wornAt;
    if (moved || (advanced && worn)) await this.save().catch(onError);
  }

  async save(): Promise<void> {
    this.#saving ??= this.#save().finally(() => {
      this.#saving = undefined;
    });
    await this.#saving;
  }

  async #save(): Promise<void> {
    const { store, clock, current, onOther } = this.#options;
    this.#retryAt = clock.monotonic() + retryMs;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      const anchor = current();
      if (anchor === undefined) break;
      const revision = await store.writeAnchor(anchor, this.#known?.revision ?? 0);
      if (revision !== undefined) {
        this.note({ ...anchor, revision, writtenMs: clock.wall() });
        break;
      }
      // Another gateway was faster, or the stream of anchors was made anew.
      const other = await store.readAnchor();
      this.known = other;
      if (other === undefined) continue;
      if (other.epoch !== anchor.epoch) onOther();
      if (other.epoch !== anchor.epoch || other.tip.through >= anchor.tip.through) break;
    }
    this.#retryAt = Number.NEGATIVE_INFINITY;
  }
}
