/**
 * What an error says to a person, with its code where who answered has given it one; codes below 100 are the
 * page's own, and say nothing more.
 */
export function messageOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("message" in error)) return String(error);
  const coded = "code" in error && typeof error.code === "number" && error.code >= 100;
  return `${String(error.message)}${coded ? ` (${String(error.code)})` : ""}`;
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
export function clockTime(at: Date | number): string {
  return new Date(at).toLocaleTimeString(undefined, { hourCycle: "h23" });
}

/** The time of day to the millisecond, on 24 hours. It is wanted for each row, and a formatter of the browser is slow. */
export function exactTime(at: number): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, "0");
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

/** With a capital at its beginning. */
export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** 1 message, 2,000 messages. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** The first characters, and no half of one: those beyond U+FFFF have two units. */
export function beginning(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit);
}

/** A text in the room that there is for it; names are as long as whoever gives them likes. */
export function shortened(text: string, limit = 64): string {
  return text.length > limit ? `${beginning(text, limit)}…` : text;
}
