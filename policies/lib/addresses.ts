/** Which ranges of addresses traffic may come from. */

/** Google's health checks and Identity-Aware Proxy, by the only ranges that they come from. */
const google: ReadonlySet<string> = new Set(["130.211.0.0/22", "35.191.0.0/16", "35.235.240.0/20"]);

/** Private networks: RFC 1918, and the unique local addresses of IPv6. */
const privateRanges = [
  { address: 10 * 2 ** 24, prefix: 8 },
  { address: 172 * 2 ** 24 + 16 * 2 ** 16, prefix: 12 },
  { address: 192 * 2 ** 24 + 168 * 2 ** 16, prefix: 16 },
];

/** True for Google's own ranges and for those that lie in a private network. */
export function isClosedRange(range: string): boolean {
  if (google.has(range)) return true;
  if (range.includes(":"))
    return /^f[cd][0-9a-f]{2}:[0-9a-f:]*(?:\/\d+)?$/i.test(range) && prefixOf(range, 128) >= 7;
  const bytes = (range.split("/")[0] ?? "").split(".").map(Number);
  const isAddress =
    bytes.length === 4 && bytes.every((b) => Number.isInteger(b) && b >= 0 && b <= 255);
  if (!isAddress) return false;
  const address = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  return privateRanges.some(
    (inside) =>
      prefixOf(range, 32) >= inside.prefix &&
      Math.floor(address / 2 ** (32 - inside.prefix)) ===
        inside.address / 2 ** (32 - inside.prefix),
  );
}

/** NaN, which is less than nothing and more than nothing, for what is no number. */
function prefixOf(range: string, all: number): number {
  const [, prefix] = range.split("/");
  return prefix === undefined ? all : Number(prefix);
}
