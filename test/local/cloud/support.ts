/** A local cloud with small services, for its tests. */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { request as httpRequest, type ClientRequest, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { build } from "esbuild";
import { LocalCloud, type LocalCloudOptions } from "../../../local/cloud/cloud.ts";
import { createLogs } from "../../../local/cloud/logs.ts";
import type { Resource } from "../../../local/provider/backend.ts";
import { provideNatsServer, thisMachine } from "../../../local/tools/nats-server.ts";
import { archiveSignature, assetSignature, signatureKey } from "../../../local/wire/values.ts";

export const project = "local-project";
export const account = (service: string): string => `${service}@${project}.iam.gserviceaccount.com`;

export interface TestCloud extends AsyncDisposable {
  readonly cloud: LocalCloud;
  readonly lines: string[];
  readonly port: number;
}

/** A cloud on a free port with short drains; it ends with the test's block. */
export async function startCloud(options: Partial<LocalCloudOptions> = {}): Promise<TestCloud> {
  const lines: string[] = [];
  const cloud = await LocalCloud.start({
    root: "/",
    port: 0,
    logs: createLogs({ write: (line) => lines.push(line.trimEnd()), color: false }),
    natsServer: (version) => provideNatsServer(thisMachine(console.error), version),
    emulators: () => Promise.resolve({ missing: "this test needs none" }),
    secret: (id) => Promise.resolve(`value of ${id}`),
    ...options,
    limits: {
      drainMs: 1_000,
      ...options.limits,
      process: { firstPauseMs: 100, longestPauseMs: 400, ...options.limits?.process },
    },
  });
  return {
    cloud,
    lines,
    port: cloud.frontDoor.port,
    [Symbol.asyncDispose]: () => cloud.stop(),
  };
}

let bundled: Promise<string> | undefined;

/** The fixture app as one file, as an archive would hold it. Removed when the process ends. */
export function fixtureApp(): Promise<string> {
  bundled ??= (async () => {
    const folder = await mkdtemp(join(tmpdir(), "appengine-realtime-fixture-"));
    process.once("exit", () => {
      rmSync(folder, { recursive: true, force: true });
    });
    const outfile = join(folder, "main.js");
    await build({
      entryPoints: [join(import.meta.dirname, "fixtures", "app.ts")],
      bundle: true,
      platform: "node",
      format: "cjs",
      outfile,
    });
    return outfile;
  })();
  return bundled;
}

export function resource(type: string, name: string, inputs: Record<string, unknown>): Resource {
  return {
    type,
    urn: `urn:pulumi:local::appengine-realtime::${type}::${name}`,
    id: `projects/${project}/things/${name}`,
    inputs,
    outputs: { project, ...inputs },
  };
}

export const archive = (assets: Record<string, unknown>): Record<string, unknown> => ({
  [signatureKey]: archiveSignature,
  assets,
});

export const fileAsset = (path: string): Record<string, unknown> => ({
  [signatureKey]: assetSignature,
  path,
});

export interface VersionOptions {
  readonly service?: string;
  readonly flexible?: boolean;
  readonly manual?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly inputs?: Readonly<Record<string, unknown>>;
}

export function versionResource(id: string, options: VersionOptions = {}): Resource {
  const service = options.service ?? "default";
  const type = options.flexible
    ? "gcp:appengine/flexibleAppVersion:FlexibleAppVersion"
    : "gcp:appengine/standardAppVersion:StandardAppVersion";
  return resource(type, `${service}-${id}`, {
    service,
    versionId: id,
    runtime: options.flexible ? "nodejs" : "nodejs24",
    entrypoint: { shell: "node main.js" },
    deployment: { zip: { sourceUrl: "https://storage.googleapis.com/bucket/app/abc.zip" } },
    serviceAccount: account(service),
    ...(options.env ? { envVariables: options.env } : {}),
    ...(options.manual === undefined ? {} : { manualScaling: { instances: options.manual } }),
    ...(options.flexible ? { readinessCheck: { path: "/healthz/ready" } } : {}),
    ...options.inputs,
  });
}

/** Uploads the fixture app and deploys a version of it. */
export async function deploy(
  { cloud }: TestCloud,
  id: string,
  options: VersionOptions = {},
): Promise<Resource> {
  await cloud.create(
    resource("gcp:storage/bucketObject:BucketObject", "app", {
      bucket: "bucket",
      name: "app/abc.zip",
      source: archive({ "main.js": fileAsset(await fixtureApp()) }),
    }),
  );
  const version = versionResource(id, options);
  await cloud.create(version);
  return version;
}

export async function moveTraffic(
  { cloud }: TestCloud,
  service: string,
  version: string,
): Promise<void> {
  await cloud.create(
    resource("gcp:appengine/engineSplitTraffic:EngineSplitTraffic", service, {
      service,
      split: { allocations: { [version]: "1" } },
      migrateTraffic: false,
    }),
  );
}

export async function rules(
  { cloud }: TestCloud,
  dispatchRules: readonly { path: string; service: string }[],
): Promise<void> {
  await cloud.create(
    resource("gcp:appengine/applicationUrlDispatchRules:ApplicationUrlDispatchRules", "rules", {
      dispatchRules,
    }),
  );
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One request on a connection of its own. */
export function ask(
  port: number,
  path: string,
  options: {
    method?: string;
    host?: string;
    headers?: Record<string, string>;
    body?: string;
  } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host: "127.0.0.1",
        port,
        path,
        method: options.method ?? "GET",
        headers: { ...options.headers, ...(options.host ? { Host: options.host } : {}) },
        agent: false,
      },
      (response) => {
        text(response).then((body) => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
        }, reject);
      },
    );
    request.once("error", reject);
    request.end(options.body);
  });
}

/** A POST whose body the test sends when it wants to. */
export function open(
  port: number,
  path: string,
): { request: ClientRequest; answer: Promise<string> } {
  const request = httpRequest({ host: "127.0.0.1", port, path, method: "POST", agent: false });
  request.flushHeaders();
  const answer = new Promise<string>((resolve, reject) => {
    request.once("error", reject);
    request.once("response", (response) => {
      text(response).then(resolve, reject);
    });
  });
  // A test that ends it on purpose does not look at its answer.
  answer.catch(() => undefined);
  return { request, answer };
}

/** What the fixture app says about the request and itself. */
export interface Described {
  readonly pid: number;
  readonly started: number;
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly env: Readonly<Record<string, string>>;
}

export async function describe(
  port: number,
  path: string,
  options: Parameters<typeof ask>[2] = {},
): Promise<Described> {
  const answer = await ask(port, path, options);
  if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.body}`);
  return JSON.parse(answer.body) as Described;
}

/** Sends bytes and answers all that comes back until the other side ends or nothing comes for a while. */
export function raw(port: number, bytes: string, quietMs = 1_000): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(bytes, "latin1"));
    socket.setTimeout(quietMs, () => socket.destroy());
    socket.on("data", (chunk) => (received += chunk.toString("latin1")));
    socket.once("error", reject);
    socket.once("close", () => {
      resolve(received);
    });
  });
}
