import type { Content } from "./api.ts";

export interface Entry {
  readonly key: string;
  /** JSON text. */
  readonly value: string;
}

/** How much of each value is searched: a key with a large one must not slow down the typing. */
const searchedLength = 2_000;

/**
 * The entries whose key or value contains what is searched for, whatever the case of its letters.
 *
 * @param limit how many are wanted
 * @returns those, and how many there are in all
 */
export function find(
  { entries }: Content,
  query: string,
  limit: number,
): { readonly found: readonly Entry[]; readonly count: number } {
  const wanted = query.trim().toLowerCase();
  const found: Entry[] = [];
  let count = 0;
  for (const [key, value] of entries) {
    const matches =
      wanted === "" ||
      key.toLowerCase().includes(wanted) ||
      value.slice(0, searchedLength).toLowerCase().includes(wanted);
    if (!matches) continue;
    count += 1;
    if (found.length < limit) found.push({ key, value });
  }
  return { found, count };
}
