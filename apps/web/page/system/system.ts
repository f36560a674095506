import { batch, type ReadonlySignal, signal } from "@preact/signals";
import { messageOf } from "../ui/format.ts";
import { Watching } from "../watching.ts";
import { isSame, type KillTarget, type Picture } from "./picture.ts";
import type { SystemSource } from "./source.ts";

export interface SystemOptions {
  readonly source: SystemSource;
  /** Milliseconds from any beginning. */
  readonly now: () => number;
  /** Whether somebody can see the page; nothing is asked while nobody can. */
  readonly visible: ReadonlySignal<boolean>;
  readonly limits?: Partial<SystemLimits>;
}

export interface SystemLimits {
  /** Between two looks. */
  readonly slowMs: number;
  /** While one who was killed is awaited. */
  readonly fastMs: number;
  /** After this nobody is awaited any more. */
  readonly patienceMs: number;
  /** Kills that are remembered. */
  readonly kills: number;
}

const defaultLimits: SystemLimits = { slowMs: 1_000, fastMs: 150, patienceMs: 60_000, kills: 20 };

/** What became of a process that was to be killed. */
export interface Kill {
  readonly number: number;
  /** Of the instance, e.g. `ws.0`. */
  readonly name: string;
  readonly target: KillTarget;
  readonly at: Date;
  readonly outcome:
    | { readonly kind: "asked" }
    | { readonly kind: "refused"; readonly message: string }
    | { readonly kind: "killed"; readonly pid: number }
    | { readonly kind: "back"; readonly pid: number; readonly afterMs: number }
    | { readonly kind: "missing"; readonly pid: number; readonly afterMs: number };
}

/** One who was killed, and is not back. */
interface Awaited {
  readonly number: number;
  readonly target: KillTarget;
  readonly pid: number;
  readonly killedAt: number;
}

/** The system as this page sees it. */
export class System {
  readonly #options: SystemOptions;
  readonly #limits: SystemLimits;
  readonly #state = signal<"loading" | "ready" | "failed">("loading");
  readonly #problem = signal<string | undefined>(undefined);
  readonly #picture = signal<Picture | undefined>(undefined);
  readonly #seenAt = signal<Date | undefined>(undefined);
  readonly #kills = signal<readonly Kill[]>([]);
  readonly #watching: Watching;
  readonly #awaited = signal<readonly Awaited[]>([]);
  #killed = 0;

  /** Looks at nothing until somebody watches. */
  constructor(options: SystemOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    const { slowMs, fastMs } = this.#limits;
    this.#watching = new Watching({
      visible: options.visible,
      // Who was killed is awaited also when the person has gone to see what it does to a feed.
      nevertheless: () => this.#awaited.value.length > 0,
      begin: () => async (signal) => {
        await this.#look(signal);
        return this.#awaited.peek().length > 0 ? fastMs : slowMs;
      },
    });
  }

  /** `failed`: the last look has failed; what was seen before may still be there. */
  get state(): ReadonlySignal<"loading" | "ready" | "failed"> {
    return this.#state;
  }

  /** Why a look has failed, or does not show everything. */
  get problem(): ReadonlySignal<string | undefined> {
    return this.#problem;
  }

  /** Undefined until it was seen once. */
  get picture(): ReadonlySignal<Picture | undefined> {
    return this.#picture;
  }

  get seenAt(): ReadonlySignal<Date | undefined> {
    return this.#seenAt;
  }

  /** The newest first. */
  get kills(): ReadonlySignal<readonly Kill[]> {
    return this.#kills;
  }

  get canKill(): boolean {
    return this.#options.source.kill !== undefined;
  }

  /** Looks again and again, until the returned function is called. */
  watch(): () => void {
    return this.#watching.watch();
  }

  /** Looks at once. */
  look(): void {
    this.#watching.hurry();
  }

  /** Kills a process, and waits for it to be there again; `kills` says what becomes of it. */
  async kill(target: KillTarget, name: string): Promise<void> {
    const { source, now } = this.#options;
    if (source.kill === undefined) return;
    const number = ++this.#killed;
    const kill: Kill = { number, name, target, at: new Date(), outcome: { kind: "asked" } };
    this.#kills.value = [kill, ...this.#kills.peek()].slice(0, this.#limits.kills);
    try {
      const pid = await source.kill(target);
      const awaited: Awaited = { number, target, pid, killedAt: now() };
      batch(() => {
        this.#tell(number, { kind: "killed", pid });
        this.#awaited.value = [...this.#awaited.peek(), awaited];
      });
      this.#watching.hurry();
    } catch (error) {
      this.#tell(number, { kind: "refused", message: messageOf(error) });
    }
  }

  /** Ends what it owns; for good. */
  end(): void {
    this.#awaited.value = [];
    this.#watching.end();
  }

  async #look(signal: AbortSignal): Promise<void> {
    try {
      const { picture, missing } = await this.#options.source.look(signal);
      if (signal.aborted) return;
      batch(() => {
        // What is the same stays the same object, which need not be drawn again.
        if (!isAlike(picture, this.#picture.peek())) this.#picture.value = picture;
        this.#seenAt.value = new Date();
        this.#state.value = "ready";
        this.#problem.value = missing;
      });
    } catch (error) {
      if (signal.aborted) return;
      batch(() => {
        this.#problem.value = messageOf(error);
        this.#state.value = "failed";
      });
    }
    this.#settle();
  }

  /** Looks who is back of those who were killed. */
  #settle(): void {
    const now = this.#options.now();
    const picture = this.#state.peek() === "ready" ? this.#picture.peek() : undefined;
    const still = this.#awaited.peek().filter((awaited) => {
      const { number, target, pid, killedAt } = awaited;
      const afterMs = now - killedAt;
      // A look may have begun before the kill: it shows the one who was killed.
      if ((livingOf(picture, target) ?? pid) !== pid) {
        this.#tell(number, { kind: "back", pid, afterMs });
        return false;
      }
      if (afterMs < this.#limits.patienceMs) return true;
      this.#tell(number, { kind: "missing", pid, afterMs });
      return false;
    });
    if (still.length < this.#awaited.peek().length) this.#awaited.value = still;
  }

  #tell(number: number, outcome: Kill["outcome"]): void {
    this.#kills.value = this.#kills
      .peek()
      .map((kill) => (kill.number === number ? { ...kill, outcome } : kill));
  }
}

function isAlike(picture: Picture, other: Picture | undefined): boolean {
  return JSON.stringify(picture) === JSON.stringify(other);
}

/** The number of a process that lives. */
function livingOf(picture: Picture | undefined, target: KillTarget): number | undefined {
  const parts = [
    ...(picture?.nats ?? []),
    ...(picture?.services ?? []).flatMap(({ versions }) =>
      versions.flatMap(({ instances }) => instances),
    ),
  ];
  const found = parts.find(({ kill }) => kill !== undefined && isSame(kill, target));
  return found?.state === "live" ? found.pid : undefined;
}
