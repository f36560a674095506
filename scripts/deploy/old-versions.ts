/** Which versions of a project nobody needs any more. Pure. */
import type { LiveService, LiveVersion, Wanted } from "./live.ts";

/** App Engine's limit for a project that pays, standard and flexible together. */
export const mostVersions = 210;
/** From here on somebody should do something about it: some deployments are left before it is reached. */
export const manyVersions = 180;

export interface OldVersion extends LiveVersion {
  readonly service: string;
}

/**
 * The versions that can be removed, oldest first: of each of the program's services those beyond the
 * newest `keep` that have no traffic and that the program does not name. What the program names is never
 * among them, nor among those that are kept; nor is a version of unknown age.
 *
 * @param keep how many there are to go back to, at least 1
 */
export function oldVersions(
  live: readonly LiveService[],
  wanted: Pick<Wanted, "versions" | "traffic">,
  keep: number,
): OldVersion[] {
  const ours = live.filter(({ id }) => Object.hasOwn(wanted.versions, id));
  const removable = ours.flatMap(({ id: service, allocations, versions }) =>
    versions
      .filter(
        ({ id, createTime }) =>
          id !== wanted.versions[service] &&
          id !== wanted.traffic[service] &&
          !Object.hasOwn(allocations, id) &&
          !Number.isNaN(Date.parse(createTime)),
      )
      .sort((a, b) => -byAge(a, b))
      .slice(keep)
      .map((version) => ({ ...version, service })),
  );
  return removable.sort(byAge);
}

/** The oldest first; of two that are equally old, the same one each time. */
function byAge(a: LiveVersion, b: LiveVersion): number {
  return Date.parse(a.createTime) - Date.parse(b.createTime) || (a.id < b.id ? -1 : 1);
}
