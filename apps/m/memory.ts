import type { Patch } from "./patch.ts";

/** One revision of M: what it changed. Revisions are numbered from 1 without holes. */
export interface Change {
  readonly rev: number;
  readonly patch: Patch;
}

/** All of M at one revision. */
export interface Snapshot {
  readonly rev: number;
  /** Key → JSON text. */
  readonly entries: ReadonlyMap<string, string>;
}

interface Entry {
  /** The key as JSON text, its colon behind it. */
  readonly name: string;
  readonly value: string;
}

/** M, as one replica holds it. It only ever goes forward. */
export class Memory {
  #rev = 0;
  #entries = new Map<string, Entry>();
  /** In the order of their UTF-16 units; undefined after a key came or went. */
  #keys: string[] | undefined;
  #bytes: Buffer | undefined;
  #size = 0;

  /** The revision that is held; 0 before the first. */
  get rev(): number {
    return this.#rev;
  }

  /** How many characters of JSON are held, with what keeping an entry costs beside them. */
  get size(): number {
    return this.#size;
  }

  /** Applies the next revision; false, and nothing happens, when it is another one. */
  apply({ rev, patch }: Change): boolean {
    if (rev !== this.#rev + 1) return false;
    for (const [key, value] of patch) this.#put(key, value);
    this.#rev = rev;
    this.#bytes = undefined;
    return true;
  }

  /** Takes a newer snapshot over; false, and nothing happens, when it is not newer. */
  replace({ rev, entries }: Snapshot): boolean {
    if (rev <= this.#rev) return false;
    this.#entries = new Map();
    this.#size = 0;
    this.#keys = undefined;
    for (const [key, value] of entries) this.#put(key, value);
    this.#rev = rev;
    this.#bytes = undefined;
    return true;
  }

  /** By how much a patch would change the size, about; less than nothing when M would be smaller. */
  growthBy(patch: Patch): number {
    let growth = 0;
    for (const [key, value] of patch) {
      const before = this.#entries.get(key);
      if (before !== undefined) growth -= sizeOf(before);
      if (value !== null) growth += sizeOf({ name: before?.name ?? `"${key}":`, value });
    }
    return growth;
  }

  /** The JSON text of a key's value. */
  value(key: string): string | undefined {
    return this.#entries.get(key)?.value;
  }

  /**
   * M as JSON in UTF-8. Made once per revision, by the first who asks for it, so that a burst of
   * revisions which nobody reads costs nothing. The same on every replica, byte for byte, because
   * its tag is a strong one: keys are sorted.
   */
  bytes(): Buffer {
    if (this.#bytes === undefined) {
      this.#keys ??= [...this.#entries.keys()].sort();
      const parts: string[] = [];
      for (const key of this.#keys) {
        const entry = this.#entries.get(key);
        if (entry !== undefined) parts.push(entry.name + entry.value);
      }
      this.#bytes = Buffer.from(`{${parts.join(",")}}`);
    }
    return this.#bytes;
  }

  #put(key: string, value: string | null): void {
    const before = this.#entries.get(key);
    if (before !== undefined) this.#size -= sizeOf(before);
    if ((before === undefined) !== (value === null)) this.#keys = undefined;
    if (value === null) {
      this.#entries.delete(key);
      return;
    }
    const entry = { name: before?.name ?? `${JSON.stringify(key)}:`, value };
    this.#entries.set(key, entry);
    this.#size += sizeOf(entry);
  }
}

/** Measured: an entry with a few characters takes about so many bytes of the heap. */
const perEntry = 160;

function sizeOf({ name, value }: Entry): number {
  return perEntry + name.length + value.length;
}
