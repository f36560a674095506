/**
 * Whether a browser's page may connect. Whatever is no browser sends no origin, and may.
 *
 * @param allowed origins such as `https://example.com`; `*` stands for any text within one, or alone for
 *   all; null: the gateway's own host only
 * @param host the request's Host
 */
export function isOriginAllowed(
  origin: string | undefined,
  host: string | undefined,
  allowed: readonly string[] | null,
): boolean {
  if (origin === undefined || origin === "") return true;
  if (allowed !== null) return allowed.some((pattern) => matches(origin, pattern));
  return host !== undefined && URL.parse(origin)?.host === host.toLowerCase();
}

function matches(origin: string, pattern: string): boolean {
  if (pattern === "*") return true;
  const parts = pattern.toLowerCase().split("*");
  const literal = parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"));
  // A star stands for a part of a host's name, so it holds no slash.
  return new RegExp(`^${literal.join("[^/]*")}$`).test(origin.toLowerCase());
}
