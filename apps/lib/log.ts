import { pino } from "pino";
import type { ServiceSettings } from "./environment.ts";

/** What the project needs of a logger: data first, then a constant text. */
export interface Log {
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
  error(data: object, message: string): void;
  fatal(data: object, message: string): void;
}

/** Where finished lines go; process.stdout is one. */
export interface LogSink {
  write(line: string): unknown;
}

const severities: Readonly<Record<string, string>> = {
  trace: "DEBUG",
  debug: "DEBUG",
  info: "INFO",
  warn: "WARNING",
  error: "ERROR",
  fatal: "CRITICAL",
};

/**
 * A logger that writes one JSON object per line in the form that Cloud Logging reads
 * (`severity`, `message`, `time`).
 *
 * @param options.readable write lines for people instead
 */
export function createLog(
  settings: Pick<ServiceSettings, "service" | "version" | "instance">,
  { sink, readable }: { sink: LogSink; readable: boolean },
): Log {
  const { service, version, instance } = settings;
  return pino(
    {
      level: "info",
      messageKey: "message",
      base: { serviceContext: { service, ...(version === undefined ? {} : { version }) } },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: {
        level: (label) => ({ severity: severities[label] ?? "DEFAULT" }),
        bindings: (bindings) =>
          instance === undefined ? bindings : { ...bindings, instance: instance.slice(0, 16) },
      },
    },
    readable ? { write: (line: string) => sink.write(readableLine(line)) } : sink,
  );
}

/** `12:00:00.000 WARNING text key=value …` from a line of JSON; other lines stay as they are. */
export function readableLine(line: string): string {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return line;
  }
  if (typeof record !== "object" || record === null) return line;
  const { time, severity, message, err, ...rest } = record as Record<string, unknown>;
  const fields = Object.entries(rest)
    .filter(([key]) => key !== "serviceContext" && key !== "instance")
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const clock = typeof time === "string" ? time.slice(11, 23) : "";
  const head = [clock, severity, message, ...fields].map(String).join(" ");
  const stack =
    typeof err === "object" && err !== null && "stack" in err ? `\n${String(err.stack)}` : "";
  return `${head}${stack}\n`;
}
