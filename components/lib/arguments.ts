/** How components check what they are given, and refuse it. */
import * as pulumi from "@pulumi/pulumi";
import { hideSeeds } from "./nkey.ts";

/**
 * Throws one error that lists every problem, so that a person mends all of them in one go: a RunError,
 * which ends the program without a stack trace, and without any seed. Components call it before
 * `super(…)`: a refused component has registered nothing.
 *
 * @param problems each `argument: what is wrong; what is allowed`
 */
export function refuseProblems(component: string, name: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const lines = problems.map((problem) => `  - ${hideSeeds(problem)}`);
  throw new pulumi.RunError([`${component} "${name}" cannot be declared:`, ...lines].join("\n"));
}
