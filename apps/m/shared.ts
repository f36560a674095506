/**
 * Work that one caller has done and all who wait share. A caller never gets what was begun before it
 * asked, which may be older than what it knows; and however many ask, one is under way at a time.
 */
export class Shared<T> {
  readonly #work: () => Promise<T>;
  #current: Promise<unknown> = Promise.resolve();
  #next: Promise<T> | undefined;

  constructor(work: () => Promise<T>) {
    this.#work = work;
  }

  next(): Promise<T> {
    this.#next ??= this.#current.then(() => {
      this.#next = undefined;
      const work = this.#work();
      this.#current = work.catch(() => undefined);
      return work;
    });
    return this.#next;
  }
}
