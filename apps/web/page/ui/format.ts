/** What an error says to a person; the protocol's errors have a code. */
export function messageOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("message" in error)) return String(error);
  const code = "code" in error && typeof error.code === "number" ? `${error.code}: ` : "";
  return `${code}${String(error.message)}`;
}

/** A time span for people: 0.4 ms, 12 ms, 3.4 s, 2 min. */
export function duration(ms: number): string {
  // By what it is once it is rounded: never 1000 ms.
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`;
  return `${(ms / 60_000).toFixed(0)} min`;
}

/** The time of day to the second. */
export function clockTime(date: Date): string {
  return date.toLocaleTimeString(undefined, { hourCycle: "h23" });
}
