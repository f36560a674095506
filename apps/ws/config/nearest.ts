/** The name that a misspelt one was probably meant to be; undefined when none is near. */
export function nearest(misspelt: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  // A third of the letters may be wrong. The long ones that a config may hold are nobody's misspelling.
  let limit = misspelt.length > 60 ? 0 : Math.floor(misspelt.length / 3) + 1;
  for (const name of names) {
    const distance = editDistance(misspelt.toLowerCase(), name);
    if (distance < limit) [best, limit] = [name, distance];
  }
  return best;
}

/** How many letters have to be put in, taken out or replaced to make one of the other. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let at = 0; at < one.length; at += 1) {
    const next = [at + 1];
    for (let index = 0; index < other.length; index += 1) {
      const replaced = (row[index] ?? 0) + (other[index] === one[at] ? 0 : 1);
      next.push(Math.min(replaced, (row[index + 1] ?? 0) + 1, (next[index] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
