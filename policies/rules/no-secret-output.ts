import type { StackRule } from "../lib/rule.ts";
import { isSecretName, isSecretReference, secretIn } from "../lib/secrets.ts";
import { stack } from "../lib/types.ts";
import { visitValues } from "../lib/values.ts";

/**
 * Outputs of a stack are printed at the end of every deployment, into logs that more people read than the state,
 * and are read by scripts.
 */
export const noSecretOutput: StackRule = {
  name: "no-secret-output",
  description: "No output of the stack is a secret.",
  remedy: "Export the name of the secret, for example projects/<project>/secrets/<id>.",
  severity: "critical",
  checkAll(resources) {
    return resources
      .filter(({ type }) => type === stack)
      .flatMap(({ urn, inputs: outputs }) => {
        const problems: string[] = [];
        visitValues(outputs, (path, value) => {
          if (typeof value !== "string" || value === "" || isSecretReference(value)) return;
          const what =
            secretIn(value) ?? (path.some(isSecretName) ? "a secret, by its name" : undefined);
          if (what !== undefined) problems.push(`${path.join(".")} is ${what}`);
        });
        return problems.map((problem) => ({ urn, problem }));
      });
  },
};
