/** Checks of single values. They load nothing: scripts use them that have no use for Pulumi. */

export function isCount(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

/** True for what a project's id may be: 6 to 30 characters. */
export function isProjectId(text: string): boolean {
  return /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/.test(text);
}
