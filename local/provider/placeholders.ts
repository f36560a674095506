/** Computed outputs for a recorded graph: plausible, and the same in every run. */
import { isObject, type Json, revealSecrets } from "../wire/values.ts";
import { placeOf } from "./place.ts";
import { resourceTypes } from "./types/index.ts";

/**
 * What the cloud would add to the inputs. A value that is left out would be undefined in the
 * program, and an input made from it would silently vanish from the graph.
 *
 * @throws Error for a type that the local provider does not know
 */
export function placeholderOutputs(
  { type, name, inputs }: { readonly type: string; readonly name: string; readonly inputs: Json },
  config: Readonly<Record<string, string>>,
): { id: string; outputs: Json } {
  const known = resourceTypes.get(type);
  if (known === undefined) {
    throw new Error(`${type} is unknown; describe it in local/provider/types`);
  }
  const place = placeOf(config);
  const plain = revealSecrets(inputs);
  const given = isObject(plain) ? plain : {};
  // A name that is left out is made up by the provider from the logical one.
  const made = known.autoNamed;
  const named =
    made !== undefined && given[made] === undefined ? { ...given, [made]: name } : given;
  const id = known.id(named, place);
  return { id, outputs: { ...known.computed?.(named, place, id), ...named, ...inputs } };
}
