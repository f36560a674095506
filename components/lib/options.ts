import * as pulumi from "@pulumi/pulumi";

/**
 * Options of a component's child. What the caller made the component depend on is handed to the
 * child, because the SDK gives a component's `dependsOn` to none of its children.
 */
export function childOf(
  parent: pulumi.ComponentResource,
  opts: pulumi.ComponentResourceOptions | undefined,
  extra: pulumi.CustomResourceOptions = {},
): pulumi.CustomResourceOptions {
  return pulumi.mergeOptions(
    { parent, ...(opts?.dependsOn === undefined ? {} : { dependsOn: opts.dependsOn }) },
    extra,
  );
}
