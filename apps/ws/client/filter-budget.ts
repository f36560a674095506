/** What filters of subscribers may take, in one process or of one client: in memory, and to be asked. */
export class FilterBudget {
  readonly #max: number;
  readonly #parent: FilterBudget | undefined;
  #taken = 0;

  /** @param parent of all; this is a part of it */
  constructor(max: number, parent?: FilterBudget) {
    this.#max = max;
    this.#parent = parent;
  }

  get taken(): number {
    return this.#taken;
  }

  /** @returns false when there is not so much left; then nothing is taken */
  take(cost: number): boolean {
    if (this.#taken + cost > this.#max || this.#parent?.take(cost) === false) return false;
    this.#taken += cost;
    return true;
  }

  give(cost: number): void {
    this.#taken -= cost;
    this.#parent?.give(cost);
  }
}
