/**
 * Whether a name matches a pattern, in which `*` stands for any characters and `?` for one. An empty pattern is
 * any. It takes no longer than the product of the two lengths, whatever the pattern.
 */
export function matches(name: string, pattern: string): boolean {
  if (pattern === "") return true;
  let at = 0;
  let wanted = 0;
  /** The last `*`, and up to where of the name it stands for. */
  let star = -1;
  let starAt = 0;
  while (at < name.length) {
    const next = pattern[wanted];
    if (next === "*") {
      star = wanted;
      starAt = at;
      wanted += 1;
    } else if (next === "?" || next === name[at]) {
      wanted += 1;
      at += 1;
    } else if (star !== -1) {
      starAt += 1;
      at = starAt;
      wanted = star + 1;
    } else return false;
  }
  while (pattern[wanted] === "*") wanted += 1;
  return wanted === pattern.length;
}
