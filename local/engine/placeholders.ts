/** Computed outputs for a recorded graph: plausible, and the same in every run. */
import type { Registration } from "./registration.ts";
import type { Json } from "./wire.ts";

/**
 * What the cloud would add to the inputs. A value that is left out would be undefined in the
 * program, and an input made from it would silently vanish from the graph.
 */
export function placeholderOutputs(
  { type, name, inputs }: Registration,
  config: Readonly<Record<string, string>>,
): { id: string; outputs: Json } {
  const project = config["gcp:project"] ?? "recorded-project";
  const given = inputs["name"];
  const shown = typeof given === "string" ? given : name;
  const id = `${type.split(":")[1] ?? type}/${shown}`;
  const account = inputs["accountId"];
  const email = `${typeof account === "string" ? account : name}@${project}.iam.gserviceaccount.com`;
  const outputs: Json = {
    id,
    name: shown,
    project,
    selfLink: `https://www.googleapis.com/${id}`,
    ...(type === "gcp:serviceaccount/account:Account"
      ? { email, member: `serviceAccount:${email}` }
      : {}),
    ...(type === "gcp:appengine/application:Application"
      ? { defaultHostname: `${project}.ew.r.appspot.com`, appId: project }
      : {}),
    ...inputs,
  };
  return { id, outputs };
}
