/** What is asked for a sign of life. */
export interface Patient {
  /** Asks once more, or gives the peer up when the last question was not answered. */
  beat(): void;
}

/**
 * Asks every patient once per interval with one timer. Patients are spread over the interval, so that
 * ten thousand questions do not hold up the messages of one moment.
 */
export class Heartbeat {
  readonly #slots: Set<Patient>[];
  readonly #timer: NodeJS.Timeout;
  #next = 0;
  #turn = 0;

  constructor({ intervalMs, slots = 50 }: { intervalMs: number; slots?: number }) {
    this.#slots = Array.from({ length: slots }, () => new Set<Patient>());
    this.#timer = setInterval(() => {
      this.#turn = (this.#turn + 1) % slots;
      for (const patient of this.#slots[this.#turn] ?? []) patient.beat();
    }, intervalMs / slots);
  }

  /** Takes a patient in; the returned function releases it. */
  add(patient: Patient): () => void {
    this.#next = (this.#next + 1) % this.#slots.length;
    const slot = this.#slots[this.#next];
    slot?.add(patient);
    return () => slot?.delete(patient);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
