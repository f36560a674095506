/** What people see of the processes: one line each, with the name of who said it in front. */

export type Log = (line: string) => void;

export interface Logs {
  /** The log of one process, e.g. `add` or `m.2`. */
  of(name: string): Log;
}

export interface LogOptions {
  readonly write: (text: string) => void;
  /** True on a terminal. */
  readonly color: boolean;
  /** The most characters of one line. @default 2000 */
  readonly maxChars?: number;
}

const nameWidth = 8;
const palette = [36, 35, 33, 32, 34, 96, 95, 93, 92, 94];
const severityColor: Readonly<Record<string, number>> = {
  DEBUG: 2,
  WARNING: 33,
  ERROR: 31,
  CRITICAL: 31,
  ALERT: 31,
  EMERGENCY: 31,
};

/** Fields of a record that say where and when, which a person beside the terminal knows. */
const dull = new Set([
  ...["severity", "message", "time", "timestamp", "level"],
  ...["pid", "hostname", "serviceContext", "v"],
]);

/** The platform's name of an instance is 16 or more hexadecimal digits that tell a person nothing. */
const isInstanceId = (key: string, value: unknown): boolean =>
  key === "instance" && typeof value === "string" && /^[0-9a-f]{16,}$/.test(value);

export function createLogs({ write, color, maxChars = 2_000 }: LogOptions): Logs {
  const paint = (code: number, text: string): string =>
    color ? `\u001b[${code}m${text}\u001b[0m` : text;
  return {
    of(name) {
      const service = name.split(".")[0] ?? name;
      const prefix = paint(colorOf(service), `${name.padEnd(nameWidth)} |`);
      return (line) => {
        const { severity, text } = readable(line);
        const shown = clean(text.length > maxChars ? `${text.slice(0, maxChars)} …` : text);
        const code = severityColor[severity];
        write(`${prefix} ${code === undefined ? shown : paint(code, shown)}\n`);
      };
    },
  };
}

function colorOf(name: string): number {
  let sum = 0;
  for (const char of name) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 65_536;
  return palette[sum % palette.length] ?? 36;
}

/** A record as Cloud Logging takes it, `{"severity","message",…}`, becomes a readable line. */
export function readable(line: string): { severity: string; text: string } {
  if (!line.startsWith("{")) return { severity: "", text: line };
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return { severity: "", text: line };
  }
  if (typeof record !== "object" || record === null || !("message" in record)) {
    return { severity: "", text: line };
  }
  const severity =
    "severity" in record && typeof record.severity === "string" ? record.severity : "";
  const fields: string[] = [];
  const stacks: string[] = [];
  for (const [key, value] of Object.entries(record)) {
    if (dull.has(key) || isInstanceId(key, value)) continue;
    if (key.startsWith("logging.googleapis.com/")) continue;
    const stack = stackOf(value);
    if (stack === undefined) fields.push(`${key}=${plain(value)}`);
    else stacks.push(`\n${stack}`);
  }
  const first = [severity, plain(record.message), ...fields].filter(Boolean).join(" ");
  return { severity, text: first + stacks.join("") };
}

/** A logged error is read best as its stack. */
function stackOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("stack" in value)) return undefined;
  return typeof value.stack === "string" ? value.stack : undefined;
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A log line must not move the cursor, ring or rename the terminal. */
function clean(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what it looks for
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, (char) => {
    return char === "\n" ? "\n         " : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
