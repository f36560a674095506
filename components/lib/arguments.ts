/** How components check what they are given, and refuse it. */

/**
 * Throws one error that lists every problem, so that a person mends all of them in one go.
 * Components call it before `super(…)`: a refused component has registered nothing.
 *
 * @param problems each `argument: what is wrong; what is allowed`
 */
export function refuseProblems(component: string, name: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new Error(
    [`${component} "${name}" cannot be declared:`, ...problems.map((p) => `  - ${p}`)].join("\n"),
  );
}

export function isCount(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

/** True for what a project's id may be: 6 to 30 characters. */
export function isProjectId(text: string): boolean {
  return /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/.test(text);
}
