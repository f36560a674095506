/**
 * Whose plugins a state would have Pulumi run. Before it does anything, Pulumi fetches and starts the
 * plugins that its state names, as the user who called it, and even from an address that the state gives.
 * So whoever may write the state could run a program of theirs on the machine of the next who deploys.
 */
import { z } from "zod";

/** A resource as `pulumi stack export` has it. */
export const stateResource = z.object({
  urn: z.string(),
  type: z.string(),
  delete: z.boolean().default(false),
  inputs: z.record(z.string(), z.unknown()).default({}),
  outputs: z.record(z.string(), z.unknown()).default({}),
});

/** The URNs of providers that this project's program never declares. */
export function strangeProviders(resources: readonly z.infer<typeof stateResource>[]): string[] {
  return resources
    .filter(({ type }) => type.startsWith("pulumi:providers:"))
    .filter(
      ({ type, inputs, outputs }) =>
        type !== "pulumi:providers:gcp" ||
        // Wherever in them it is: Google's provider comes from Pulumi, and is nothing but itself.
        /pluginDownloadURL|parameterization/i.test(JSON.stringify([inputs, outputs])),
    )
    .map(({ urn }) => urn);
}
