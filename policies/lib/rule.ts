/** What a rule is: plain functions over plain values, so that they can be asked without any server. */
import type { z } from "zod";
import type { Inputs } from "./values.ts";

/** A declared resource, as rules see it. */
export interface Resource {
  /** For example `gcp:compute/instance:Instance`. */
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  /** What the program gave, plain; see `plainInputs` for what cannot be known yet. Of the stack, its outputs. */
  readonly inputs: Inputs;
  /** Whether Pulumi refuses to delete it. */
  readonly protect: boolean;
}

/** What is wrong with which resource. */
export interface Violation {
  readonly urn: string;
  /** What is wrong, and where; never a value that may be secret. */
  readonly problem: string;
}

interface AnyRule {
  /** Letters and hyphens; the module's name. */
  readonly name: string;
  /** What must hold, in one sentence. */
  readonly description: string;
  /** What to do when the rule stops somebody. */
  readonly remedy: string;
  readonly severity: "medium" | "high" | "critical";
}

/** A rule about one resource at a time, which is checked before the resource is created or changed. */
export interface ResourceRule extends AnyRule {
  /** What is wrong with the resource; empty when nothing is, or when the rule is not about it. */
  readonly check: (resource: Resource) => readonly string[];
}

/** A rule about resources together, which is checked when all are declared. */
export interface StackRule extends AnyRule {
  readonly checkAll: (resources: readonly Resource[], options: Options) => readonly Violation[];
  /** What a file for `--policy-pack-config` may say about the rule. */
  readonly options?: z.ZodObject;
}

export type Rule = ResourceRule | StackRule;
export type Options = Readonly<Record<string, unknown>>;

/** The stack's name, which is a part of every URN. */
export function stackOf(urn: string): string {
  return urn.split("::")[0]?.split(":").at(-1) ?? "";
}
