import { grantsOf } from "../lib/grants.ts";
import { type ResourceRule, stackOf } from "../lib/rule.ts";
import { isObject, isUnknown, valueAt, type Inputs } from "../lib/values.ts";

/**
 * One account, person or group; or those of a foreign identity provider, one by one or by the repository that a token
 * is for, or by the stack that a run may deploy (`deploys`, see components/lib/github.ts).
 */
const named =
  /^(?:(?:user|serviceAccount|group):[^\s@:]+@[^\s@]+|principal:\/\/[^\s*]+|principalSet:\/\/[^\s*]+\/attribute\.(?:deploys|repository|repository_id)\/[^\s*]+)$/;

/** In access lists of storage. */
const namedEntity = /^(?:user|group)-[^\s@]+@[^\s@]+$/;

const identityProvider = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider";

/**
 * Who may do something can be asked, and answered with a name. `allUsers` is the internet; a domain, a project's owners
 * or a whole identity pool is whoever comes to be in it. A binding or policy as a whole takes away what others
 * granted: App Engine, Pub/Sub and Cloud Build grant things to their own agents.
 */
export const namedMembers: ResourceRule = {
  name: "named-members",
  description: "Every grant is an additive one, to an identity that has a name.",
  remedy:
    "Use …IAMMember with user:, group: or serviceAccount:, or principalSet://…/attribute.repository/<owner>/<name>.",
  severity: "critical",
  check(resource) {
    const kind = resource.type.split(":").at(-1) ?? "";
    const whole = /iam(?:policy|binding)$/i.test(kind) && resource.type.startsWith("gcp:");
    const ofOtherStack = new RegExp(`/attribute\\.deploys/(?!${stackOf(resource.urn)}$)`);
    return [
      ...(resource.type === identityProvider ? providerProblems(resource.inputs) : []),
      ...(whole ? [`${kind} takes away what is granted elsewhere`] : []),
      ...grantsOf(resource)
        .flatMap(({ members }) => members)
        .filter(
          (member) =>
            !(named.test(member) || namedEntity.test(member)) || ofOtherStack.test(member),
        )
        .map((member) => `${member} is not one identity with a name`),
    ];
  },
};

/** One provider gives tokens to all of GitHub: the condition says whose are taken, and no attribute is a constant. */
function providerProblems(inputs: Inputs): string[] {
  const { attributeCondition: condition, attributeMapping: mapping } = inputs;
  const ofRepository = /\bassertion\.repository(?:_id)? == '/;
  return [
    ...(isUnknown(condition) || ofRepository.test(String(condition))
      ? []
      : ["attributeCondition names no repository"]),
    ...Object.keys(isObject(mapping) ? mapping : {})
      .filter((key) => {
        const value = valueAt(inputs, "attributeMapping", key);
        return !isUnknown(value) && !String(value).includes("assertion.");
      })
      .map((key) => `attributeMapping.${key} is the same for everybody`),
  ];
}
