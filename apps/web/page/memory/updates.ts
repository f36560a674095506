import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import { pause } from "../../../lib/within.ts";
import { type Committed, type Content, type MApi, MError } from "./api.ts";

/** A change that this page made, or tried to make. */
export interface Update {
  readonly id: number;
  readonly key: string;
  /** JSON text; undefined: the key is deleted. */
  readonly value: string | undefined;
  /** One of those that are made once a second. */
  readonly beat: boolean;
  readonly at: Date;
  readonly state: UpdateState;
}

export type UpdateState =
  /** It is on its way; after the first attempt with the reason for another one. */
  | { readonly kind: "writing"; readonly attempt: number; readonly reason: string | undefined }
  /** It is committed, and not known to be everywhere yet. */
  | {
      readonly kind: "committed";
      readonly rev: number;
      readonly confirmed: number;
      readonly missing: readonly string[];
      readonly commitMs: number;
      readonly trouble: string | undefined;
    }
  | {
      readonly kind: "confirmed";
      readonly rev: number;
      readonly confirmed: number;
      readonly commitMs: number;
      /** From the commit on. */
      readonly confirmMs: number;
    }
  /** Somebody else changed the key first; nothing was committed. */
  | { readonly kind: "conflict"; readonly theirs: string | undefined; readonly rev: number }
  /** `uncertain`: it may have been committed nonetheless. */
  | { readonly kind: "failed"; readonly message: string; readonly uncertain: boolean };

/** What changes need of the content. */
export interface ContentKeeper {
  readonly content: ReadonlySignal<Content | undefined>;
  /** Reads it until it has this revision at least. @throws MError */
  refresh(minRev: number, signal: AbortSignal): Promise<void>;
  /** Takes that a change was committed. */
  apply(rev: number, key: string, value: string | undefined): void;
  /** Takes that every replica has a revision that may serve. */
  confirm(rev: number): void;
}

export interface UpdatesOptions {
  readonly api: Pick<MApi, "post" | "operation">;
  readonly keeper: ContentKeeper;
  /** Milliseconds from any beginning. */
  readonly now: () => number;
  /** Aborts when nobody needs the outcomes any more. */
  readonly signal: AbortSignal;
  readonly limits?: Partial<UpdatesLimits>;
}

export interface UpdatesLimits {
  /** How many updates are kept. */
  readonly kept: number;
  /** Attempts after answers that did not come. */
  readonly attempts: number;
  /** Attempts because others changed other keys meanwhile. */
  readonly rounds: number;
  /** Before the second attempt; it doubles. */
  readonly retryMs: number;
  readonly followMs: number;
  readonly beatMs: number;
  /** How many beats are made before they end by themselves. */
  readonly beats: number;
}

const defaultLimits: UpdatesLimits = {
  kept: 60,
  attempts: 4,
  rounds: 10,
  retryMs: 400,
  followMs: 250,
  beatMs: 1_000,
  // Two minutes: who forgets it, and leaves the page open, does not write for ever.
  beats: 120,
};

/** What the editor and the beats change. */
export const beatKey = "beat";

/** What is being changed. */
interface Plan {
  readonly key: string;
  readonly value: string | undefined;
  readonly beat: boolean;
  /** What the person saw at the key, which alone may be replaced; undefined: whatever is there. */
  readonly base: { readonly value: string | undefined } | undefined;
  /** Told that it is committed. */
  readonly onCommitted: ((rev: number) => void) | undefined;
  /** The same over all attempts: together they take effect once. */
  readonly idempotencyKey: string;
}

/** A plan, and what came of it so far. */
interface Course {
  readonly plan: Plan;
  /** Of the last attempt. */
  ifRev: number | undefined;
  /** Whether an attempt may have been committed without us knowing. */
  uncertain: boolean;
}

/** The changes that this page makes, each followed until every replica has it. */
export class Updates {
  readonly #options: UpdatesOptions;
  readonly #limits: UpdatesLimits;
  readonly #list = signal<readonly Update[]>([]);
  readonly #courses = new Map<number, Course>();
  /** Committed, by their place in time: those that are still to be confirmed. */
  readonly #pending = new Map<number, { readonly since: number }>();
  readonly #beating = signal(false);
  readonly #skipped = signal(0);
  #count = 0;
  #following = false;
  #stopBeating: AbortController | undefined;

  constructor(options: UpdatesOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
  }

  /** Newest first. */
  get list(): ReadonlySignal<readonly Update[]> {
    return this.#list;
  }

  /** Whether one change a second is made. */
  get beating(): ReadonlySignal<boolean> {
    return this.#beating;
  }

  /** Beats that were left out because the one before was not answered yet. */
  get skipped(): ReadonlySignal<number> {
    return this.#skipped;
  }

  /** Whether anything is on its way, or committed and not confirmed. */
  readonly unsettled: ReadonlySignal<boolean> = computed(() =>
    this.#list.value.some(({ state }) => state.kind === "writing" || state.kind === "committed"),
  );

  /** Revisions, and what commit and confirmation of each took; null where it is not known yet. */
  readonly times: ReadonlySignal<
    readonly [readonly number[], readonly (number | null)[], readonly (number | null)[]]
  > = computed(() => {
    const points = new Map<number, readonly [number, number | null]>();
    for (const { state } of this.#list.value) {
      if (state.kind === "confirmed") points.set(state.rev, [state.commitMs, state.confirmMs]);
      if (state.kind === "committed") points.set(state.rev, [state.commitMs, null]);
    }
    const sorted = [...points].sort(([a], [b]) => a - b);
    return [
      sorted.map(([rev]) => rev),
      sorted.map(([, [commitMs]]) => commitMs),
      sorted.map(([, [, confirmMs]]) => confirmMs),
    ];
  });

  /**
   * Sets a key, unless somebody else has changed it.
   *
   * @param value JSON text
   * @param base what the person saw there; undefined: nothing
   * @param onCommitted told the revision once it is committed
   * @returns the id of the update
   */
  set(
    key: string,
    value: string,
    base: string | undefined,
    onCommitted?: (rev: number) => void,
  ): number {
    return this.#begin({ key, value, beat: false, base: { value: base }, onCommitted });
  }

  /** Deletes a key, unless somebody else has changed it. */
  remove(key: string, base: string): number {
    return this.#begin({ key, value: undefined, beat: false, base: { value: base }, ...silent });
  }

  /** Tries once more what has failed: if it was committed after all, it is not done twice. */
  again(id: number): void {
    const course = this.#courses.get(id);
    if (course !== undefined && this.#stateOf(id)?.kind === "failed") this.#run(id, course);
  }

  /** Replaces what somebody else has written, now that the person has seen it. */
  overwrite(id: number): void {
    const course = this.#courses.get(id);
    const state = this.#stateOf(id);
    if (course === undefined || state?.kind !== "conflict") return;
    this.#run(id, courseOf({ ...course.plan, base: { value: state.theirs } }));
  }

  /** Starts or ends changes once a second. */
  beat(on: boolean): void {
    if (on === this.#beating.peek()) return;
    this.#stopBeating?.abort();
    this.#beating.value = on;
    if (!on) return;
    this.#skipped.value = 0;
    this.#stopBeating = new AbortController();
    void this.#beat(AbortSignal.any([this.#stopBeating.signal, this.#options.signal]));
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { beatMs, beats } = this.#limits;
    let last: number | undefined;
    for (let n = 1; n <= beats && !signal.aborted; n++) {
      if (last !== undefined && this.#stateOf(last)?.kind === "writing") {
        this.#skipped.value += 1;
      } else {
        const value = JSON.stringify({ n, at: new Date().toISOString() });
        // What is there belongs to nobody.
        last = this.#begin({ key: beatKey, value, beat: true, base: undefined, ...silent });
      }
      await pause(beatMs, signal);
    }
    // Who stopped it has said so already, and may have started it again.
    if (!signal.aborted) this.#beating.value = false;
  }

  #begin(plan: Omit<Plan, "idempotencyKey">): number {
    const id = ++this.#count;
    const { key, value, beat } = plan;
    const list = [
      { id, key, value, beat, at: new Date(), state: writing(1) },
      ...this.#list.peek(),
    ];
    for (const old of list.slice(this.#limits.kept)) {
      this.#courses.delete(old.id);
      this.#pending.delete(old.id);
    }
    this.#list.value = list.slice(0, this.#limits.kept);
    this.#run(id, courseOf({ ...plan, idempotencyKey: randomKey() }));
    return id;
  }

  #run(id: number, course: Course): void {
    this.#courses.set(id, course);
    this.#mark(id, writing(1));
    this.#perform(id, course).catch((error: unknown) => {
      // Nobody waits for it any more; else it is a bug, which the page is to show.
      if (!this.#options.signal.aborted) throw error;
    });
  }

  async #perform(id: number, course: Course): Promise<void> {
    const { attempts, rounds, retryMs } = this.#limits;
    const fail = (message: string): void => {
      this.#mark(id, { kind: "failed", message, uncertain: course.uncertain });
    };
    for (let attempt = 1, round = 1; ;) {
      try {
        if (await this.#try(id, course)) return;
        round += 1;
        if (round > rounds) {
          fail("others change M all the time; nothing was committed");
          return;
        }
        this.#mark(id, writing(attempt, "another key was changed meanwhile"));
      } catch (error) {
        if (!(error instanceof MError)) throw error;
        course.uncertain ||= error.uncertain;
        const retry = error.status === 0 || error.status >= 500;
        if (!retry || attempt >= attempts) {
          fail(error.message);
          return;
        }
        attempt += 1;
        this.#mark(id, writing(attempt, error.message));
        const waitMs = retryMs * 2 ** (attempt - 2);
        await pause(waitMs * (0.5 + Math.random() / 2), this.#options.signal);
      }
    }
  }

  /** @returns false where another key was changed meanwhile, so that it is to be tried again */
  async #try(id: number, course: Course): Promise<boolean> {
    const { api, keeper, signal } = this.#options;
    const { key, value, base, idempotencyKey } = course.plan;
    // What may have been committed is asked for just as it was: the answer says whether it was, and
    // what is there now may be our own.
    if (base !== undefined && !course.uncertain) {
      if (keeper.content.peek() === undefined) await keeper.refresh(0, signal);
      const { rev, entries } = keeper.content.peek() ?? nothing;
      const theirs = entries.get(key);
      if (theirs !== base.value) {
        this.#mark(id, { kind: "conflict", theirs, rev });
        return true;
      }
      course.ifRev = rev;
    }
    const body = `{${JSON.stringify(key)}:${value ?? "null"}}`;
    let committed: Committed;
    try {
      committed = await api.post({ body, idempotencyKey, ifRev: course.ifRev }, signal);
    } catch (error) {
      if (!(error instanceof MError) || error.status !== 412) throw error;
      // The revisions only rise, so no attempt that is still on its way can be committed either.
      course.uncertain = false;
      await keeper.refresh(error.rev ?? 0, signal);
      return false;
    }
    this.#take(id, course.plan, committed);
    return true;
  }

  #take(id: number, { key, value, onCommitted }: Plan, committed: Committed): void {
    const { rev, confirmed, missing, commitMs, confirmMs } = committed;
    batch(() => {
      this.#options.keeper.apply(rev, key, value);
      onCommitted?.(rev);
    });
    if (missing.length === 0) {
      this.#options.keeper.confirm(rev);
      this.#mark(id, { kind: "confirmed", rev, confirmed, commitMs, confirmMs });
      return;
    }
    this.#pending.set(id, { since: this.#options.now() - confirmMs });
    this.#mark(id, { kind: "committed", rev, confirmed, missing, commitMs, trouble: undefined });
    if (!this.#following) void this.#follow();
  }

  /** Asks for the oldest that is not confirmed, until all are: who has a revision has those before it. */
  async #follow(): Promise<void> {
    const { api, keeper, now, signal } = this.#options;
    this.#following = true;
    while (!signal.aborted) {
      const [oldest] = this.#pending;
      if (oldest === undefined) break;
      const [id, { since }] = oldest;
      const state = this.#stateOf(id);
      if (state?.kind !== "committed") {
        this.#pending.delete(id);
        continue;
      }
      const { rev, commitMs } = state;
      try {
        const { status, confirmed, missing } = await api.operation(rev, signal);
        if (status === "confirmed") {
          keeper.confirm(rev);
          this.#mark(id, { kind: "confirmed", rev, confirmed, commitMs, confirmMs: now() - since });
          continue;
        }
        this.#mark(id, { ...state, confirmed, missing, trouble: undefined });
      } catch (error) {
        if (!(error instanceof MError)) break;
        this.#mark(id, { ...state, trouble: error.message });
      }
      await pause(this.#limits.followMs, signal);
    }
    this.#following = false;
  }

  #stateOf(id: number): UpdateState | undefined {
    return this.#list.peek().find((update) => update.id === id)?.state;
  }

  #mark(id: number, state: UpdateState): void {
    this.#list.value = this.#list
      .peek()
      .map((update) => (update.id === id ? { ...update, state } : update));
  }
}

const silent = { onCommitted: undefined };

const nothing: Content = { rev: 0, entries: new Map() };

function courseOf(plan: Plan): Course {
  return { plan, ifRev: undefined, uncertain: false };
}

function writing(attempt: number, reason?: string): UpdateState {
  return { kind: "writing", attempt, reason };
}

/** Not crypto.randomUUID, which a page has only where it came by https or from its own machine. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
