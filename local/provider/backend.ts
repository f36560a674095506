/** Where declared resources become real: the seam between the provider and the local cloud. */

/** Plain JSON values of a resource, as Pulumi's wire carries them (assets in their envelope). */
export type Props = Readonly<Record<string, unknown>>;

/** A resource that passed every check of the provider. */
export interface Resource {
  /** Pulumi type token, for example `gcp:appengine/standardAppVersion:StandardAppVersion`. */
  readonly type: string;
  readonly urn: string;
  /** The cloud's id, for example `projects/p/secrets/nats-seed-add`. */
  readonly id: string;
  readonly inputs: Props;
  /** Outputs computed by the provider (inputs included). */
  readonly outputs: Props;
}

/**
 * Makes resources real. A rejection is the cloud's refusal: its message reaches the user.
 * `delete` succeeds when the thing is already gone.
 */
export interface Backend {
  create(resource: Resource): Promise<void>;
  update(resource: Resource, before: Resource): Promise<void>;
  delete(resource: Resource): Promise<void>;
}

/** Records nothing and starts nothing: for previews and for tests of checks and diffs. */
export const recordOnly: Backend = {
  create: () => Promise.resolve(),
  update: () => Promise.resolve(),
  delete: () => Promise.resolve(),
};
