/** What a script ends with that does not do, or did not get done, what it was asked for. */

/** The exit codes of `npm run deploy` and `npm run prune`; docs/rollback.md explains them. */
export const exitCodes = {
  /** Pulumi failed (or, of prune, a version could not be deleted): something may have changed. */
  failed: 1,
  /** Refused before anything was changed. */
  refused: 2,
  /** The update succeeded, but what is live is not what the program wants. */
  notLive: 3,
  /** A preview that was to have no changes has some. */
  changes: 4,
} as const;

/** A mistake or failure that the user is told of in its own words, without a stack trace. */
export class Refusal extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.refused) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Reads a command line; a mistake in it is told together with the usage. */
export function orUsage<T>(usage: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Refusal(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
}

/** @throws Refusal that names the command, when what it printed is no JSON */
export function jsonOf(printed: string, command: string, exitCode?: number): unknown {
  try {
    return JSON.parse(printed);
  } catch {
    throw new Refusal(`${command} printed no JSON`, exitCode);
  }
}

/** Lines under each other, without those that say nothing. */
export function paragraph(...lines: readonly string[]): string {
  return lines.filter((line) => line !== "").join("\n");
}
