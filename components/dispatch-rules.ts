import * as appengine from "@pulumi/gcp/appengine/index.js";
import * as pulumi from "@pulumi/pulumi";
import { refuseProblems } from "./lib/arguments.ts";
import { childOf } from "./lib/options.ts";

export interface DispatchRule {
  /** Path that is matched; `*` only as its last character. */
  readonly path: string;
  /** The service that gets what matches. */
  readonly service: string;
  /**
   * Host that is matched; `*` alone or in front of a domain (`*.example.com`).
   * @default "*"
   */
  readonly domain?: string;
}

export interface DispatchRulesArgs {
  /** The project's id; a project has one list of rules. */
  readonly project: string;
  /** The first rule that matches decides; what matches none goes to `default`. */
  readonly rules: readonly DispatchRule[];
}

/**
 * Which service gets which paths. The API refuses a rule to a service that does not exist, so give
 * it `dependsOn` of every service.
 */
export class DispatchRules extends pulumi.ComponentResource {
  constructor(name: string, args: DispatchRulesArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProblems("DispatchRules", name, dispatchProblems(args.rules));
    super("appengine-realtime:app:DispatchRules", name, {}, opts);
    new appengine.ApplicationUrlDispatchRules(
      `${name}-rules`,
      {
        project: args.project,
        dispatchRules: args.rules.map(({ domain = "*", path, service }) => ({
          domain,
          path,
          service,
        })),
      },
      childOf(this, opts),
    );
    this.registerOutputs({});
  }
}

/** Limits of dispatch.yaml, which are those of the API. */
const maxRules = 20;
const maxLength = 100;

/** What is wrong with a list of rules; empty when nothing is. */
export function dispatchProblems(rules: readonly DispatchRule[]): string[] {
  const problems: string[] = [];
  if (rules.length > maxRules) {
    problems.push(`rules: there are ${rules.length}; at most ${maxRules}`);
  }
  const seen = new Map<string, number>();
  for (const [index, { path, service, domain = "*" }] of rules.entries()) {
    const at = `rules[${index}]`;
    const pattern = `${domain}${path}`;
    if (pattern.length > maxLength) {
      problems.push(
        `${at}: domain and path have ${pattern.length} characters together; at most ${maxLength}`,
      );
    }
    if (!/^\/[^*\s]*\*?$/.test(path)) {
      problems.push(
        `${at}.path: "${path}"; it starts with "/", and "*" is its last character only`,
      );
    }
    if (!/^(\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+)$/.test(domain)) {
      problems.push(`${at}.domain: "${domain}"; "*", a host in lower case, or "*." and a host`);
    } else if (domain.includes("-dot-")) {
      problems.push(`${at}.domain: "${domain}" has "-dot-"; such hosts never reach the rules`);
    }
    if (service === "") problems.push(`${at}.service: it is empty; name a service`);
    const earlier = seen.get(pattern);
    if (earlier === undefined) seen.set(pattern, index);
    else problems.push(`${at}: "${pattern}" is rule ${earlier} already; this one is never reached`);
  }
  return problems;
}
