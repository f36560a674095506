/** How components refuse what they are given. */

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
