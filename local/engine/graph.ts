/** The order in which resources may be deleted. */
import type { ResourceState } from "./types.ts";

/** True when `resource` cannot outlive `other`: it depends on it, or is its child. */
export function needs(resource: ResourceState, other: ResourceState): boolean {
  return resource.parent === other.urn || resource.dependencies.includes(other.urn);
}

/**
 * Deletes everything, dependents before what they depend on, independent ones at the same time.
 * What a failed deletion still needs is not tried.
 *
 * @param remove rejects when the deletion failed
 * @returns the resources that are still there
 */
export async function deleteInOrder(
  resources: readonly ResourceState[],
  remove: (resource: ResourceState) => Promise<void>,
): Promise<ResourceState[]> {
  const left = new Set(resources);
  const failed = new Set<ResourceState>();
  const running = new Map<ResourceState, Promise<void>>();
  for (;;) {
    for (const resource of left) {
      if (running.has(resource) || failed.has(resource)) continue;
      if ([...left].some((other) => other !== resource && blocks(other, resource))) continue;
      const work = remove(resource).then(
        () => void left.delete(resource),
        () => void failed.add(resource),
      );
      running.set(
        resource,
        work.finally(() => running.delete(resource)),
      );
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  return resources.filter((resource) => left.has(resource));
}

/** Two states of one URN do not block each other: one of them is being replaced. */
function blocks(other: ResourceState, resource: ResourceState): boolean {
  return other.urn !== resource.urn && needs(other, resource);
}

/** What depends on the resource, directly or through others, nearest first. */
export function dependentsOf(
  resource: ResourceState,
  among: readonly ResourceState[],
): ResourceState[] {
  const found: ResourceState[] = [];
  const queue = [resource];
  for (const current of queue) {
    for (const other of among) {
      if (other === resource || found.includes(other) || !needs(other, current)) continue;
      found.push(other);
      queue.push(other);
    }
  }
  return found;
}
