import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";

/** What an input is in a preview when its value comes from a resource that does not exist yet. */
export const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A resource as the engine would be asked for it. Resources are named `type::name`. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  readonly custom: boolean;
  /** As on the wire: unknown values are {@link unknown}, assets and secrets are in their envelope. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Absent for what has no parent but the stack. */
  readonly parent?: string;
  /** Every dependency, declared or through an input; sorted. */
  readonly dependsOn: readonly string[];
  /** Absent where the resource says nothing, so that it follows its parent. */
  readonly protect?: boolean;
  /** Absent where the provider decides. */
  readonly deleteBeforeReplace?: boolean;
  readonly retainOnDelete?: boolean;
  readonly replaceOnChanges: readonly string[];
  readonly ignoreChanges: readonly string[];
  readonly importId?: string;
}

export interface Recording<T> {
  readonly result: T;
  /** In the order of registration. */
  readonly resources: readonly Registered[];
  /** All resources of a type; the type may be given by its end, for example `Bucket`. */
  readonly all: (type: string) => Registered[];
  /** The only resource of the type, or the one with that name. Fails when there is another number. */
  readonly one: (type: string, name?: string) => Registered;
}

export interface RecordOptions {
  /** With true no resource gets an id or any output that is not an input: the rest is unknown. */
  readonly preview?: boolean;
  readonly project?: string;
  readonly stack?: string;
  /** Outputs beyond the inputs and the usual ones of {@link usualOutputs}; not asked in previews. */
  readonly outputs?: (resource: {
    readonly type: string;
    readonly name: string;
    readonly inputs: Readonly<Record<string, unknown>>;
  }) => Record<string, unknown>;
}

/**
 * Runs `declare` against the SDK's mock monitor and answers what it registered, options included
 * (mocks alone do not show parents, dependencies or protection).
 * A thrown error passes through; what was registered until then is in `registered`, if given.
 */
export async function record<T>(
  declare: () => T | Promise<T>,
  options: RecordOptions = {},
  registered: Registered[] = [],
): Promise<Recording<T>> {
  const preview = options.preview ?? false;
  await pulumi.runtime.setMocks(
    {
      call: ({ inputs }) => inputs as Record<string, unknown>,
      newResource: ({ type, name, inputs, custom }) => {
        const known = inputs as Record<string, unknown>;
        if (preview || custom !== true) return { id: undefined, state: known };
        return {
          id: `${name}-id`,
          state: {
            ...known,
            ...usualOutputs(type, known),
            ...options.outputs?.({ type, name, inputs: known }),
          },
        };
      },
    },
    options.project ?? "appengine-realtime",
    options.stack ?? "test",
    preview,
  );
  const monitor = pulumi.runtime.getMonitor();
  assert(monitor !== undefined, "the SDK has no monitor although mocks were set");
  const register = monitor.registerResource.bind(monitor) as (...args: unknown[]) => unknown;
  Object.assign(monitor, {
    registerResource: (request: RegisterResourceRequest, ...rest: unknown[]) => {
      registered.push(describe(request));
      return register(request, ...rest);
    },
    registerResourceHook: (_: unknown, done: (error: null, answer: object) => void) => {
      done(null, {});
    },
    registerErrorHook: (_: unknown, done: (error: null, answer: object) => void) => {
      done(null, {});
    },
  });
  let result: T;
  try {
    result = await declare();
  } finally {
    // Waits for every registration that is under way.
    await pulumi.runtime.disconnect();
  }
  const all = (type: string): Registered[] =>
    registered.filter((r) => r.type === type || r.type.endsWith(`:${type}`));
  return {
    result,
    resources: registered,
    all,
    one: (type, name) => {
      const found = all(type).filter((r) => name === undefined || r.name === name);
      const [first] = found;
      assert(
        first !== undefined && found.length === 1,
        `one ${type}${name === undefined ? "" : ` "${name}"`} was awaited, there are: ` +
          JSON.stringify(registered.map((r) => `${r.type}::${r.name}`)),
      );
      return first;
    },
  };
}

/**
 * Checks that `declare` throws exactly `message` and that nothing was registered before it did.
 */
export async function refuses(declare: () => unknown, message: string): Promise<void> {
  const registered: Registered[] = [];
  await assert.rejects(
    record(declare, {}, registered),
    (error: Error) => {
      assert.equal(error.message, message);
      return true;
    },
    "the arguments were accepted",
  );
  assert.deepEqual(
    registered.map((r) => `${r.type}::${r.name}`),
    [],
  );
}

/** The value of an output; fails when it is unknown. */
export async function valueOf<T>(output: pulumi.Input<T>): Promise<pulumi.Unwrap<T>> {
  const lifted = pulumi.output(output) as pulumi.Output<pulumi.Unwrap<T>> & {
    isKnown: Promise<boolean>;
    promise(): Promise<pulumi.Unwrap<T>>;
  };
  assert(await lifted.isKnown, "the output is unknown");
  return lifted.promise();
}

/** What the cloud adds to the inputs of some types, and other resources read. */
function usualOutputs(
  type: string,
  inputs: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const text = (key: string): string => String(inputs[key]);
  if (type === "gcp:serviceaccount/account:Account") {
    const email = `${text("accountId")}@${text("project")}.iam.gserviceaccount.com`;
    return {
      email,
      member: `serviceAccount:${email}`,
      name: `projects/${text("project")}/serviceAccounts/${email}`,
    };
  }
  if (type === "gcp:projects/serviceIdentity:ServiceIdentity") {
    const [api = ""] = text("service").split(".");
    return { member: `serviceAccount:service-1@gcp-sa-${api}.iam.gserviceaccount.com` };
  }
  if (type === "gcp:projects/iAMCustomRole:IAMCustomRole") {
    return { name: `projects/${text("project")}/roles/${text("roleId")}` };
  }
  if (type === "gcp:iam/workloadIdentityPool:WorkloadIdentityPool") {
    return {
      name: `projects/1/locations/global/workloadIdentityPools/${text("workloadIdentityPoolId")}`,
    };
  }
  if (type === "gcp:appengine/application:Application") {
    return { defaultHostname: `${text("project")}.uc.r.appspot.com` };
  }
  return {};
}

function describe(request: RegisterResourceRequest): Registered {
  const parent = request.getParent();
  const importId = request.getImportid();
  return {
    type: request.getType(),
    name: request.getName(),
    custom: request.getCustom(),
    inputs: request.getObject()?.toJavaScript() ?? {},
    ...(parent === "" || key(parent).startsWith("pulumi:pulumi:Stack")
      ? {}
      : { parent: key(parent) }),
    dependsOn: request.getDependenciesList().map(key).sort(),
    ...(request.hasProtect() ? { protect: request.getProtect() === true } : {}),
    ...(request.getDeletebeforereplacedefined()
      ? { deleteBeforeReplace: request.getDeletebeforereplace() }
      : {}),
    ...(request.hasRetainondelete()
      ? { retainOnDelete: request.getRetainondelete() === true }
      : {}),
    replaceOnChanges: request.getReplaceonchangesList(),
    ignoreChanges: request.getIgnorechangesList(),
    ...(importId === "" ? {} : { importId }),
  };
}

/** `type::name` of a URN: mock URNs differ in the types of the parents before it. */
function key(urn: string): string {
  const [, , types = "", name = ""] = urn.split("::");
  return `${types.split("$").at(-1) ?? ""}::${name}`;
}
