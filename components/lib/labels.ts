/** Who a resource belongs to, for whoever looks at the bill, a list of resources or an alert. */
import * as pulumi from "@pulumi/pulumi";

/**
 * The labels of a component's resource; on every type that can have some (`labels`, or `userLabels` in
 * Monitoring): policies/rules/labels.ts. A change of labels is an update in place everywhere. App Engine versions
 * have none, so labels are no part of a version's id.
 *
 * @param component the component's name, for example `nats`
 */
export function labelsOf(component: string): Record<string, string> {
  return labelsFor({ app: pulumi.getProject(), stack: pulumi.getStack(), component });
}

/** The same for what is made outside of a program. */
export function labelsFor(owner: {
  /** The project of Pulumi.yaml. */
  readonly app: string;
  readonly stack: string;
  readonly component: string;
}): Record<string, string> {
  return {
    app: labelValue(owner.app),
    stack: labelValue(owner.stack),
    component: labelValue(owner.component),
  };
}

/** What Google Cloud takes as a label's value: at most 63 of a-z, 0-9, "_" and "-". */
function labelValue(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, "-")
    .slice(0, 63);
}
