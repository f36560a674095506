/** The part of Cloud Logging's language that this project's metrics and alerts are written in. */

/** A log entry as Cloud Logging has it, as far as filters ask. */
export interface LogEntry {
  readonly resource: { readonly type: string; readonly labels: Readonly<Record<string, string>> };
  readonly severity: string;
  readonly jsonPayload: Readonly<Record<string, unknown>>;
}

const severities = ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"];

/** What becomes of a line that an app on App Engine writes to stdout. */
export function entryOf(line: string, service: string): LogEntry {
  const { severity, time, ...jsonPayload } = JSON.parse(line) as Record<string, unknown>;
  if (typeof time !== "string") throw new Error(`a line without its time: ${line}`);
  return {
    resource: { type: "gae_app", labels: { module_id: service } },
    severity: String(severity),
    jsonPayload,
  };
}

/**
 * Whether a filter takes an entry: comparisons joined by AND.
 *
 * @throws Error for what is not of that form
 */
export function matches(filter: string, entry: LogEntry): boolean {
  return filter.split(" AND ").every((comparison) => {
    const parts = /^([A-Za-z_.]+)(=|>=)("(?:[^"\\]|\\.)*"|[A-Z]+)$/.exec(comparison);
    if (parts === null) throw new Error(`not understood: ${comparison}`);
    const [, path = "", operator, text = ""] = parts;
    const wanted = text.startsWith('"') ? String(JSON.parse(text)) : text;
    const found = fieldOf(path, entry);
    if (operator === "=") return found === wanted;
    if (path !== "severity") throw new Error(`only severities are compared so: ${comparison}`);
    return severities.indexOf(String(found)) >= severities.indexOf(wanted);
  });
}

/** What `EXTRACT(<field>)` finds; undefined when there is no such field. */
export function extract(extractor: string, entry: LogEntry): unknown {
  const field = /^EXTRACT\(([A-Za-z_.]+)\)$/.exec(extractor)?.[1];
  if (field === undefined) throw new Error(`not understood: ${extractor}`);
  return fieldOf(field, entry);
}

function fieldOf(path: string, entry: LogEntry): unknown {
  return path
    .split(".")
    .reduce<unknown>(
      (inner, key) =>
        typeof inner === "object" && inner !== null ? Reflect.get(inner, key) : undefined,
      entry,
    );
}
