import { grantsOf } from "../lib/grants.ts";
import type { ResourceRule } from "../lib/rule.ts";

/**
 * One account, person or group; or those of a foreign identity provider, one by one or by an attribute that has
 * one value, for example the repository that a token is for.
 */
const named =
  /^(?:(?:user|serviceAccount|group):[^\s@:]+@[^\s@]+|principal:\/\/[^\s*]+|principalSet:\/\/[^\s*]+\/(?:attribute\.\w+|group)\/[^\s*]+)$/;

/** In access lists of storage. */
const namedEntity = /^(?:user|group)-[^\s@]+@[^\s@]+$/;

/**
 * Who may do something can be asked, and answered with a name. `allUsers` is the internet; a domain, a project's owners
 * or a whole identity pool is whoever comes to be in it. A binding or policy as a whole takes away what others
 * granted: App Engine, Pub/Sub and Cloud Build grant things to their own agents.
 */
export const namedMembers: ResourceRule = {
  name: "named-members",
  description: "Every grant is an additive one, to an identity that has a name.",
  remedy:
    "Use …IAMMember with user:, group: or serviceAccount:, or principalSet://…/attribute.<name>/<value> for a repository.",
  severity: "critical",
  check(resource) {
    const kind = resource.type.split(":").at(-1) ?? "";
    const whole = /iam(?:policy|binding)$/i.test(kind) && resource.type.startsWith("gcp:");
    return [
      ...(whole ? [`${kind} takes away what is granted elsewhere`] : []),
      ...grantsOf(resource)
        .flatMap(({ members }) => members)
        .filter((member) => !named.test(member) && !namedEntity.test(member))
        .map((member) => `${member} is not one identity with a name`),
    ];
  },
};
