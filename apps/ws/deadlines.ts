/** What wants to be called at a time of its own. */
export interface Timed {
  /** Milliseconds of `performance.now()`; undefined: never. Asked again after each call. */
  readonly deadline: number | undefined;
  onDeadline(now: number): void;
}

/**
 * Deadlines of many with one timer. Each is called at its deadline, up to one resolution late. A deadline that has
 * moved further away costs nothing until the old one is reached; one that has come nearer must be said.
 */
export class Deadlines {
  readonly #resolutionMs: number;
  readonly #timer: NodeJS.Timeout;
  /** By the turn in which they are looked at. */
  readonly #turns = new Map<number, Set<Timed>>();
  readonly #turnOf = new Map<Timed, number>();
  #turn: number;

  constructor(resolutionMs = 100) {
    this.#resolutionMs = resolutionMs;
    this.#turn = this.#turnAt(performance.now());
    this.#timer = setInterval(() => {
      // After a pause of the process the peers' answers wait in their sockets, and are read first.
      const isLate = this.#turnAt(performance.now()) - this.#turn > 10;
      if (isLate)
        setImmediate(() => {
          this.#advance();
        });
      else this.#advance();
    }, resolutionMs);
  }

  /** How many are waited for. */
  get size(): number {
    return this.#turnOf.size;
  }

  /** Looks at a deadline: at first, and whenever it may have come nearer. */
  watch(timed: Timed): void {
    const { deadline } = timed;
    if (deadline === undefined) return;
    const turn = Math.max(this.#turnAt(deadline) + 1, this.#turn + 1);
    const present = this.#turnOf.get(timed);
    if (present !== undefined && present <= turn) return;
    if (present !== undefined) this.#turns.get(present)?.delete(timed);
    this.#turnOf.set(timed, turn);
    const set = this.#turns.get(turn);
    if (set === undefined) this.#turns.set(turn, new Set([timed]));
    else set.add(timed);
  }

  /** Forgets it. */
  forget(timed: Timed): void {
    const turn = this.#turnOf.get(timed);
    if (turn === undefined) return;
    this.#turnOf.delete(timed);
    this.#turns.get(turn)?.delete(timed);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #turnAt(ms: number): number {
    return Math.floor(ms / this.#resolutionMs);
  }

  #advance(): void {
    const now = performance.now();
    const end = this.#turnAt(now);
    while (this.#turn < end) {
      this.#turn += 1;
      const due = this.#turns.get(this.#turn);
      this.#turns.delete(this.#turn);
      for (const timed of due ?? []) {
        if (!this.#turnOf.delete(timed)) continue;
        if (timed.deadline !== undefined && timed.deadline <= now) timed.onDeadline(now);
        this.watch(timed);
      }
    }
  }
}
