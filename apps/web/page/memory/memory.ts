import { batch, effect, type ReadonlySignal, signal } from "@preact/signals";
import { Watching } from "../watching.ts";
import { changed, type Content, MApi, MError } from "./api.ts";
import { Editor } from "./editor.ts";
import { type ReplicaState, ReplicaStrip } from "./replicas.ts";
import { type ContentKeeper, Updates, type UpdatesLimits } from "./updates.ts";

export interface MemoryOptions {
  /** The page's; it is given paths. */
  readonly fetch: typeof fetch;
  /** Milliseconds from any beginning. */
  readonly now: () => number;
  /** Whether somebody can see the page; nothing is asked while nobody can. */
  readonly visible: ReadonlySignal<boolean>;
  readonly limits?: Partial<MemoryLimits>;
  readonly updates?: Partial<UpdatesLimits>;
}

export interface MemoryLimits {
  /** Between two looks at the replicas while nothing changes: each costs some reads of Datastore. */
  readonly slowMs: number;
  /** While a replica is behind, or a change is on its way. */
  readonly fastMs: number;
  /** After a look that failed; it doubles up to the last. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
}

const defaultLimits: MemoryLimits = {
  slowMs: 1_000,
  fastMs: 200,
  retryMs: 1_000,
  retryMaxMs: 10_000,
};

/**
 * `absent`: there is no service m here; `unreachable`: nothing answers; `refused`: something answers, but
 * says neither what M nor what the replicas are.
 */
export type MemoryState = "loading" | "ready" | "absent" | "unreachable" | "refused";

/** M as this page sees it: the data, the replicas, and the page's own changes. */
export class Memory {
  readonly updates: Updates;
  readonly editor: Editor;
  readonly #api: MApi;
  readonly #options: MemoryOptions;
  readonly #limits: MemoryLimits;
  readonly #strip = new ReplicaStrip();
  readonly #ended = new AbortController();
  readonly #state = signal<MemoryState>("loading");
  readonly #problem = signal<string | undefined>(undefined);
  readonly #content = signal<Content | undefined>(undefined);
  readonly #replicas = signal<readonly ReplicaState[]>([]);
  readonly #head = signal(0);
  readonly #watching: Watching;
  /** Before this the content is not read again: a large one is not read all the time. */
  #readAgainAt = 0;

  /** Asks for nothing until somebody watches. */
  constructor(options: MemoryOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#api = new MApi(options.fetch);
    const keeper: ContentKeeper = {
      content: this.#content,
      refresh: async (minRev, signal) => {
        this.#keep(await this.#api.content(this.#content.peek(), signal, minRev));
      },
      apply: (rev, key, value) => {
        this.#apply(rev, key, value);
      },
      confirm: (rev) => {
        this.#strip.confirm(rev);
        this.#show();
      },
    };
    this.updates = new Updates({
      ...{ api: this.#api, keeper, now: options.now, signal: this.#ended.signal },
      ...(options.updates === undefined ? {} : { limits: options.updates }),
    });
    this.editor = new Editor(this.#content, this.updates);
    const { visible } = options;
    const watching = new Watching({ visible, begin: () => this.#begin() });
    this.#watching = watching;
    // A change is seen to arrive from its first moment on.
    const hurry = effect(() => {
      if (this.updates.unsettled.value) watching.hurry();
    });
    this.#ended.signal.addEventListener("abort", () => {
      watching.end();
      hurry();
    });
  }

  get state(): ReadonlySignal<MemoryState> {
    return this.#state;
  }

  /** What the last look has failed with; undefined after one that has not. */
  get problem(): ReadonlySignal<string | undefined> {
    return this.#problem;
  }

  /** Undefined until it was read. */
  get content(): ReadonlySignal<Content | undefined> {
    return this.#content;
  }

  get replicas(): ReadonlySignal<readonly ReplicaState[]> {
    return this.#replicas;
  }

  /** Datastore's revision, as far as it is known. */
  get head(): ReadonlySignal<number> {
    return this.#head;
  }

  /** Looks again and again, until the returned function is called. */
  watch(): () => void {
    return this.#watching.watch();
  }

  /** Looks at once. */
  look(): void {
    this.#watching.hurry();
  }

  /** Ends what it owns; for good. */
  end(): void {
    this.updates.beat(false);
    this.#ended.abort();
  }

  #begin(): (signal: AbortSignal) => Promise<number> {
    const { slowMs, fastMs, retryMs, retryMaxMs } = this.#limits;
    let failures = 0;
    return async (signal) => {
      try {
        await this.#look(signal);
        failures = 0;
        return this.#changing() ? fastMs : slowMs;
      } catch (error) {
        if (signal.aborted) return 0;
        if (!(error instanceof MError)) throw error;
        this.#fail(error);
        failures += 1;
        return Math.min(retryMs * 2 ** (failures - 1), retryMaxMs);
      }
    };
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { now } = this.#options;
    const { head } = this.#strip;
    const overview = await this.#api.overview(signal);
    if (overview.rev < head) {
      // That revision was there before this was asked: it is another Datastore now.
      this.#strip.reset();
      this.#content.value = undefined;
    }
    this.#strip.take(overview, now());
    this.#show();
    const content = this.#content.peek();
    const stale = content === undefined || content.rev < this.#head.peek();
    if (stale && (content === undefined || now() >= this.#readAgainAt)) {
      const began = now();
      this.#keep(await this.#api.content(content, signal));
      this.#readAgainAt = now() + 5 * (now() - began);
    }
    batch(() => {
      this.#state.value = "ready";
      this.#problem.value = undefined;
    });
  }

  #changing(): boolean {
    const behind = this.#replicas
      .peek()
      .some(({ condition }) => condition !== "current" && condition !== "gone");
    return (
      behind ||
      this.updates.unsettled.peek() ||
      (this.#content.peek()?.rev ?? 0) < this.#head.peek()
    );
  }

  #fail(error: MError): void {
    batch(() => {
      this.#problem.value = error.message;
      if (error.absent) {
        this.#state.value = "absent";
        this.#content.value = undefined;
        this.#replicas.value = [];
      } else {
        this.#state.value = error.status === 0 ? "unreachable" : "refused";
      }
    });
  }

  /** Replicas are asked in turn, and one may be behind the one before. */
  #keep(content: Content): void {
    if (content.rev < (this.#content.peek()?.rev ?? 0)) return;
    this.#strip.learn(content.rev);
    this.#content.value = content;
    this.#show();
  }

  #apply(rev: number, key: string, value: string | undefined): void {
    const content = this.#content.peek();
    if (content !== undefined) {
      // As the service writes it down.
      const written = value === undefined ? undefined : JSON.stringify(JSON.parse(value));
      this.#keep(changed(content, rev, key, written));
    }
    this.#strip.learn(rev);
    this.#show();
  }

  #show(): void {
    batch(() => {
      this.#head.value = this.#strip.head;
      this.#replicas.value = this.#strip.states();
    });
  }
}
