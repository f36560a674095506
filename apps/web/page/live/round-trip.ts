import { effect, type ReadonlySignal, signal, untracked } from "@preact/signals";

export interface RoundTripOptions {
  /** Asks the gateway something that it answers itself. */
  readonly ask: () => Promise<unknown>;
  /** Whether there is a connection, and somebody who looks. */
  readonly wanted: ReadonlySignal<boolean>;
  /** How long after an answer it is asked again. */
  readonly everyMs: number;
}

/** How long the gateway takes to answer, measured again and again while it is wanted. */
export class RoundTrip {
  readonly #ms = signal<number | undefined>(undefined);
  readonly #end: () => void;

  constructor({ ask, wanted, everyMs }: RoundTripOptions) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let turn = 0;
    const measure = async (mine: number): Promise<void> => {
      const began = performance.now();
      const ok = await ask().then(
        () => true,
        () => false,
      );
      if (mine !== turn) return;
      this.#ms.value = ok ? performance.now() - began : undefined;
      timer = setTimeout(() => void measure(mine), everyMs);
    };
    const endEffect = effect(() => {
      clearTimeout(timer);
      turn += 1;
      this.#ms.value = undefined;
      // What asking reads is no reason to ask again.
      if (wanted.value) void untracked(() => measure(turn));
    });
    this.#end = () => {
      endEffect();
      clearTimeout(timer);
      turn += 1;
    };
  }

  /** The last one; undefined while nothing is known. */
  get ms(): ReadonlySignal<number | undefined> {
    return this.#ms;
  }

  /** Nothing is measured any more. */
  end(): void {
    this.#end();
  }
}
