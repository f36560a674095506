/** The newest values up to a number of them; older ones are forgotten. */
export class Ring<T> {
  readonly capacity: number;
  #values: T[] = [];
  /** Of the oldest value, once the ring is full. */
  #start = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get length(): number {
    return this.#values.length;
  }

  push(value: T): void {
    if (this.#values.length < this.capacity) {
      this.#values.push(value);
      return;
    }
    this.#values[this.#start] = value;
    this.#start = (this.#start + 1) % this.capacity;
  }

  /** The newest ones, at most so many, oldest first. */
  newest(count: number = this.capacity): T[] {
    const all =
      this.#start === 0
        ? this.#values
        : [...this.#values.slice(this.#start), ...this.#values.slice(0, this.#start)];
    return count >= all.length ? [...all] : all.slice(all.length - count);
  }

  clear(): void {
    this.#values = [];
    this.#start = 0;
  }
}
