import { computed, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import { pause } from "../../lib/within.ts";

export interface WatchingOptions {
  /** Whether somebody can see the page; nothing is looked at while nobody can. */
  readonly visible: ReadonlySignal<boolean>;
  /** What is looked at all the same while it is true; read as a signal is. */
  readonly nevertheless?: () => boolean;
  /** Called when looking begins; makes what looks once, and says how many milliseconds until the next time. */
  readonly begin: () => (signal: AbortSignal) => Promise<number>;
}

/** Looks again and again while somebody watches. */
export class Watching {
  readonly #watchers = signal(0);
  readonly #stop: () => void;
  #wake: () => void = () => undefined;

  constructor({ visible, nevertheless = () => false, begin }: WatchingOptions) {
    const wanted = computed(() => nevertheless() || (visible.value && this.#watchers.value > 0));
    this.#stop = effect(() => {
      if (!wanted.value) return undefined;
      const watching = new AbortController();
      untracked(() => void this.#run(begin(), watching.signal));
      return () => {
        watching.abort();
      };
    });
  }

  /** Looks again and again, until the returned function is called. */
  watch(): () => void {
    this.#watchers.value += 1;
    let watches = true;
    return () => {
      if (watches) this.#watchers.value -= 1;
      watches = false;
    };
  }

  /** Looks at once. */
  hurry(): void {
    this.#wake();
  }

  /** Ends it; for good. */
  end(): void {
    this.#stop();
  }

  async #run(look: (signal: AbortSignal) => Promise<number>, signal: AbortSignal): Promise<void> {
    // A question each time: it changes while something is awaited.
    const over = (): boolean => signal.aborted;
    while (!over()) {
      const waitMs = await look(signal);
      if (over()) return;
      const woken = new AbortController();
      this.#wake = () => {
        woken.abort();
      };
      await pause(waitMs, AbortSignal.any([signal, woken.signal]));
    }
  }
}
