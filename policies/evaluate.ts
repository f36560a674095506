/** The rules without pulumi's engine: over resources that were recorded. */
import type { Options, Resource, Violation } from "./lib/rule.ts";
import { rules } from "./rules.ts";

export interface RuleViolation extends Violation {
  /** The rule's name. */
  readonly rule: string;
}

/**
 * Asks every rule about every resource.
 *
 * @param options what a rule is configured with, by its name
 */
export function evaluate(
  resources: readonly Resource[],
  options: Readonly<Record<string, Options>> = {},
): RuleViolation[] {
  return rules.flatMap((rule) => {
    const violations =
      "check" in rule
        ? resources.flatMap((resource) =>
            rule.check(resource).map((problem) => ({ urn: resource.urn, problem })),
          )
        : rule.checkAll(resources, options[rule.name] ?? {});
    return violations.map((violation) => ({ rule: rule.name, ...violation }));
  });
}
