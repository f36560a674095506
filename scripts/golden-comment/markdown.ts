/** A difference of golden files as the comment of a pull request. */
import type { Line, ResourceDifference, StackDifference } from "./difference.ts";

/** By its first line the comment is found again, and written anew instead of a second one. */
export const marker = "<!-- the golden graph of this pull request -->";

/**
 * GitHub takes 65,536 characters. And Linux 128 KiB in a variable of the environment, in which one job of the
 * workflow hands this to the next, by a third longer.
 */
export const mostBytes = 60_000;
const mostOfALine = 240;
const mostOfAResource = 40;

/**
 * The whole comment. Whatever the golden files hold stands in blocks of code that it cannot end, and is cut
 * where it is long, so it is neither Markdown nor HTML, mentions nobody and links to nothing.
 *
 * @param stacks name of the stack → what differs; names that are not plain words are refused
 * @throws Error for a stack's name that might be markup
 */
export function comment(
  stacks: Readonly<Record<string, StackDifference>>,
  most: number = mostBytes,
): string {
  const names = Object.keys(stacks).sort();
  for (const name of names) {
    if (!/^[a-z][a-z0-9-]*$/.test(name)) throw new Error(`not the name of a stack: "${name}"`);
  }
  const changed = names.filter((name) => !isEmpty(stacks[name]));
  const same = names.filter((name) => !changed.includes(name));
  const head = [
    marker,
    "### What the golden graph says",
    "",
    changed.length === 0
      ? "Nothing changes in the cloud but code."
      : "What this would change in the cloud, beside the code of the services:",
    "",
    "",
  ].join("\n");
  const foot = same.length === 0 ? "" : `\nThe same as before: ${same.join(", ")}.\n`;
  let left = most - size(head) - size(foot);
  const parts = changed.map((name, index) => {
    // What one stack leaves the next ones may use.
    const part = section(name, stacks[name], Math.floor(left / (changed.length - index)));
    left -= size(part);
    return part;
  });
  return head + parts.join("") + foot;
}

function isEmpty(stack: StackDifference | undefined): boolean {
  return stack === undefined || (stack.resources.length === 0 && stack.outputs.length === 0);
}

function section(name: string, stack: StackDifference | undefined, most: number): string {
  const { resources, outputs } = stack ?? { resources: [], outputs: [] };
  const count = (what: string): string[] => {
    const found = resources.filter((resource) => resource.what === what).length;
    return found === 0 ? [] : [`${found} ${what}`];
  };
  const counts = [
    ...["removed", "changed", "added"].flatMap(count),
    ...(outputs.length === 0 ? [] : ["outputs changed"]),
  ].join(", ");
  const signs = { removed: "-", changed: "!", added: "+" } as const;
  const heading = ({ what, title }: ResourceDifference): string => `${signs[what]} ${title}`;
  const lines = resources.flatMap((each) => [heading(each), ...indented(each.lines)]);
  if (outputs.length > 0) lines.push("! outputs of the stack", ...indented(outputs));
  const shown = lines.map(shortened);
  const frame = (block: readonly string[]): string =>
    [
      `<details><summary><b>${name}</b>: ${counts}</summary>`,
      "",
      // No line within ends the block: each begins with its sign or a blank, and has no line break in it.
      "```diff",
      ...block,
      "```",
      "",
      "</details>",
      "",
    ].join("\n");
  const more = (kept: number, all: readonly string[]): string =>
    `… ${all.length - kept} more lines`;
  const whole = frame(shown);
  if (size(whole) <= most) return whole;
  // Then the names of all come first: what matters must not be driven out by long lists before it.
  const all = [...resources.map(heading).map(shortened), "", ...shown];
  let kept = 0;
  let left = most - size(frame([more(0, all)]));
  for (const line of all) {
    left -= size(line) + 1;
    if (left < 0) break;
    kept++;
  }
  return frame([...all.slice(0, kept), more(kept, all)]);
}

function indented(lines: readonly Line[]): string[] {
  const shown = lines.slice(0, mostOfAResource).map(({ sign, text }) => `${sign}   ${text}`);
  const more = lines.length - shown.length;
  return more === 0 ? shown : [...shown, `    … ${more} more`];
}

/** What cannot be seen, or makes other text look different, is written by its number. */
function visible(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** As one line of the block. Cut twice: made visible it gets longer, and what is not shown need not be looked at. */
function shortened(line: string): string {
  return cut(visible(cut(line, mostOfALine)), mostOfALine);
}

function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  // Not through the middle of a character that takes two.
  return `${text.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

function size(text: string): number {
  return Buffer.byteLength(text);
}
