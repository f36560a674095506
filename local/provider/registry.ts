/** What lives in the local cloud: the base of every check that one resource makes on another. */
import type { Resource } from "./backend.ts";

/** A place in the cloud; two resources of one type cannot have the same id. */
function key(type: string, id: string): string {
  return `${type} ${id}`;
}

export class Registry {
  readonly #live = new Map<string, Resource>();

  get(type: string, id: string): Resource | undefined {
    return this.#live.get(key(type, id));
  }

  /** In the order of their creation. */
  all(type: string): Resource[] {
    return [...this.#live.values()].filter((resource) => resource.type === type);
  }

  find(type: string, matches: (resource: Resource) => boolean): Resource | undefined {
    return this.all(type).find(matches);
  }

  put(resource: Resource): void {
    this.#live.set(key(resource.type, resource.id), resource);
  }

  remove(resource: Pick<Resource, "type" | "id">): void {
    this.#live.delete(key(resource.type, resource.id));
  }
}
