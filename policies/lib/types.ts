/** The types of resources that more than one rule is about. */
export const standardVersion = "gcp:appengine/standardAppVersion:StandardAppVersion";
export const flexibleVersion = "gcp:appengine/flexibleAppVersion:FlexibleAppVersion";
/** Of which rules see the outputs, once they are there. */
export const stack = "pulumi:pulumi:Stack";
export const instance = "gcp:compute/instance:Instance";

/** Machines, and templates that machines are made from; what is in both has the same names. */
export const machines: ReadonlySet<string> = new Set([
  instance,
  "gcp:compute/instanceFromTemplate:InstanceFromTemplate",
  "gcp:compute/instanceFromMachineImage:InstanceFromMachineImage",
  "gcp:compute/instanceTemplate:InstanceTemplate",
  "gcp:compute/regionInstanceTemplate:RegionInstanceTemplate",
]);
