import type { Closing } from "./transport/link.ts";
import type { Closable } from "./waves.ts";

/** What can be asked to end, with a reason that its peer sees. */
export interface Connected {
  close(closing: Closing, graceMs?: number): void;
}

/** The open connections of an endpoint, up to the last. */
export class Connections<T extends Connected> implements Iterable<T> {
  readonly #all = new Set<T>();
  #onEmpty: () => void = () => undefined;

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#all[Symbol.iterator]();
  }

  add(connection: T): void {
    this.#all.add(connection);
  }

  remove(connection: T): void {
    this.#all.delete(connection);
    if (this.#all.size === 0) this.#onEmpty();
  }

  /** All, to be closed one by one, each with this reason. */
  closable(closing: Closing): readonly Closable[] {
    return [...this.#all].map((connection) => ({
      close: (graceMs) => {
        connection.close(closing, graceMs);
      },
    }));
  }

  /** Resolves when there is none any more. */
  async whenEmpty(): Promise<void> {
    if (this.#all.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }
}
