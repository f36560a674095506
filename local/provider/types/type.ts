/** What the local provider knows of a resource type. */
import type { Props, Resource } from "../backend.ts";
import type { Registry } from "../registry.ts";

/** Where the stack is deployed to. */
export interface Place {
  readonly project: string;
  readonly region: string;
  /** Of the App Engine application where it is not the cloud's own: `appengine.localhost:8080`. */
  readonly defaultHostname?: string;
}

/** Reports that a property is refused: the reason says what is wrong and what is allowed. */
export type Report = (property: string, reason: string) => void;

/** The cloud's refusal of a request. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

/** What becomes of the thing when the program gives it up. */
export type Deletion =
  /** It goes. */
  | "delete"
  /** The cloud has no such request, or the flags say that it stays. */
  | "keep";

export interface ResourceType {
  /** Properties (dotted paths allowed) whose change replaces the resource. */
  readonly replaces: readonly string[];
  /** What replaces it only in one direction, or not at all: answers top-level properties. */
  readonly replacesWhen?: (before: Props, after: Props) => readonly string[];
  /** The property with its name, which the provider makes up where the program leaves it out. */
  readonly autoNamed?: string;
  /** Deletes the old one first when it is replaced: always, or when the program gave the name. */
  readonly deleteBeforeReplace?: "always" | "when named";
  /** True when this difference is none to the cloud's provider: the property is not looked at. */
  readonly suppressDiff?: (property: string, before: Props, after: Props) => boolean;
  /**
   * Refuses a change that the cloud's provider already refuses in a preview.
   * @throws Refusal
   */
  readonly customizeDiff?: (before: Props, after: Props) => void;
  /** What can be said without looking at anything else. Unknown values pass. */
  readonly check?: (inputs: Props, report: Report, place: Place) => void;
  readonly id: (inputs: Props, place: Place) => string;
  /** True when the cloud makes the id up: it stays whatever else changes in place. */
  readonly numbered?: true;
  /** What the cloud adds to the inputs. */
  readonly computed?: (inputs: Props, place: Place, id: string) => Props;
  /** True when a creation over an existing one is a change of it, and not a conflict. */
  readonly upsert?: true;
  /**
   * The cloud's view of a creation or change.
   * @throws Refusal
   */
  readonly admit?: (resource: Resource, live: Registry, place: Place) => void;
  /**
   * The cloud's view of a deletion; `delete` when left out.
   * @throws Refusal
   */
  readonly onDelete?: (resource: Resource, live: Registry) => Deletion;
  /** What goes together with it, itself excluded. */
  readonly alsoDeleted?: (resource: Resource, live: Registry) => readonly Resource[];
}

export type Types = Readonly<Record<string, ResourceType>>;
