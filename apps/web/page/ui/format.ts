/** What an error says to a person; the protocol's errors have a code. */
export function messageOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("message" in error)) return String(error);
  const code = "code" in error && typeof error.code === "number" ? `${error.code}: ` : "";
  return `${code}${String(error.message)}`;
}

/** A time span for people: 0.4 ms, 12 ms, 3.4 s, 2 min. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${ms.toFixed(0)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${(ms / 60_000).toFixed(0)} min`;
}

/** The time of day to the second. */
export function clockTime(date: Date): string {
  return date.toLocaleTimeString(undefined, { hour12: false });
}
