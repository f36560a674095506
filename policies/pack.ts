/** The rules as the policy SDK takes them. */
import type {
  Policies,
  PolicyConfigSchema,
  ResourceValidationPolicy,
  StackValidationPolicy,
} from "@pulumi/policy";
import { z } from "zod";
import type { Resource, Rule } from "./lib/rule.ts";
import { plainInputs } from "./lib/values.ts";
import { rules } from "./rules.ts";

/** What the SDK says of a resource, to both kinds of rules. */
interface Described {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  readonly props: object;
  readonly opts: { readonly protect: boolean };
}

function policyOf(rule: Rule): ResourceValidationPolicy | StackValidationPolicy {
  const { name, description, severity, remedy } = rule;
  const common = { name, description, severity, remediationSteps: remedy };
  // The CLI shows the description and this; nobody should have to look up what to do.
  const messageOf = (problem: string): string => `${problem}.\n${remedy}`;
  if ("check" in rule) {
    return {
      ...common,
      validateResource: (args, report) => {
        for (const problem of rule.check(resourceOf(args))) report(messageOf(problem));
      },
    };
  }
  return {
    ...common,
    ...(rule.options === undefined ? {} : { configSchema: schemaOf(rule.options) }),
    validateStack: (args, report) => {
      const found = rule.checkAll(args.resources.map(resourceOf), args.getConfig());
      for (const { urn, problem } of found) report(messageOf(problem), urn);
    },
  };
}

function resourceOf({ type, name, urn, props, opts }: Described): Resource {
  return { type, name, urn, inputs: plainInputs(props), protect: opts.protect };
}

/** What a file for `--policy-pack-config` may say, as JSON schema. */
function schemaOf(options: z.ZodObject): PolicyConfigSchema {
  const { properties = {} } = z.toJSONSchema(options, { io: "input" });
  return { properties: properties as PolicyConfigSchema["properties"] };
}

export const policies: Policies = rules.map(policyOf);
