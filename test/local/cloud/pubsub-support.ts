/** A local cloud with a replicated service on real emulators, for tests of Datastore and Pub/Sub. */
import type { LocalCloudOptions } from "../../../local/cloud/cloud.ts";
import type { Resource } from "../../../local/provider/backend.ts";
import { findEmulators } from "../../../local/tools/emulators.ts";
import { eventually } from "../../support/eventually.ts";
import {
  account,
  ask,
  deploy,
  describe,
  moveTraffic,
  project,
  resource,
  startCloud,
  type TestCloud,
  type VersionOptions,
} from "./support.ts";

export const pushPath = "/_ah/push-handlers/m-changes";
export const pushAccount = account("m-push");
export const audience = "https://m.example";

export function startCloudWithEmulators(
  options: Partial<LocalCloudOptions> = {},
): Promise<TestCloud> {
  return startCloud({ emulators: () => findEmulators(), ...options });
}

export const database = (name = "(default)"): Resource =>
  resource("gcp:firestore/database:Database", name, { name, type: "DATASTORE_MODE" });

export const topic = (name: string): Resource => resource("gcp:pubsub/topic:Topic", name, { name });

export function subscription(
  name: string,
  topicName: string,
  inputs: Record<string, unknown> = {},
): Resource {
  return resource("gcp:pubsub/subscription:Subscription", name, {
    name,
    topic: `projects/${project}/topics/${topicName}`,
    expirationPolicy: { ttl: "" },
    ...inputs,
  });
}

export const hostOf = ({ port }: TestCloud, instance: number, version = "v1"): string =>
  `${instance}-dot-${version}-dot-m-dot-appengine.localhost:${port}`;

/**
 * The push subscription of an instance, as the program declares it. Without a retry policy the
 * emulator tries again every second.
 */
export function push(
  test: TestCloud,
  instance: number,
  {
    version = "v1",
    topicName = "m-changes",
    ...inputs
  }: { version?: string; topicName?: string; [input: string]: unknown } = {},
): Resource {
  return subscription(`m-${version}-${instance}`, topicName, {
    pushConfig: {
      pushEndpoint: `https://${hostOf(test, instance, version)}${pushPath}`,
      oidcToken: { serviceAccountEmail: pushAccount, audience },
    },
    ...inputs,
  });
}

/** Deploys default and the service m, with the topic that its instances listen to; version v1 of m. */
export async function withService(
  test: TestCloud,
  { instances = 1, ...options }: { instances?: number } & VersionOptions = {},
): Promise<Resource> {
  await test.cloud.create(topic("m-changes"));
  // As the real one does for what names no live instance.
  await deploy(test, "d1", { env: { PUSH_STATUS: "404" } });
  const version = await deploy(test, "v1", { service: "m", manual: instances, ...options });
  await moveTraffic(test, "m", "v1");
  return version;
}

/** What Pub/Sub's emulator says to a call of its API. */
export async function api(
  { cloud }: TestCloud,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const port = await cloud.emulators.pubsub.port();
  const response = await fetch(`http://127.0.0.1:${port}/v1/projects/${project}/${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

export async function publish(
  test: TestCloud,
  data: string,
  attributes: Record<string, string> = {},
  topicName = "m-changes",
): Promise<void> {
  const message = { data: Buffer.from(data).toString("base64"), attributes };
  await api(test, "POST", `topics/${topicName}:publish`, { messages: [message] });
}

export interface Pushed {
  readonly at: number;
  readonly pid: number;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The message's data as text. */
  readonly data: string;
}

/** The pushes that an instance got since it started. */
export async function pushesTo({ port }: TestCloud, host: string): Promise<Pushed[]> {
  const { status, body } = await ask(port, "/pushes", { host });
  if (status !== 200) throw new Error(`${status}: ${body}`);
  return (JSON.parse(body) as Omit<Pushed, "data">[]).map((pushed) => ({
    ...pushed,
    data: dataOf(pushed.body),
  }));
}

/** Waits for so many pushes to an instance; all that there are then. */
export function pushed(test: TestCloud, host: string, count: number): Promise<Pushed[]> {
  return eventually(`${count} pushes to ${host}`, async () => {
    const all = await pushesTo(test, host);
    return all.length >= count && all;
  });
}

export const datas = (pushes: readonly Pushed[]): string[] => pushes.map(({ data }) => data);

function dataOf(body: string): string {
  const { message } = JSON.parse(body) as { message: { data?: string } };
  return Buffer.from(message.data ?? "", "base64").toString();
}

/** What an instance answers to its next pushes, one status each; 0 is no answer at all. */
export async function answers(
  { port }: TestCloud,
  host: string,
  statuses: readonly number[],
): Promise<void> {
  await ask(port, `/answers?${statuses.map((status) => `status=${status}`).join("&")}`, { host });
}

/** The environment of an instance. */
export async function environmentOf(
  { port }: TestCloud,
  host: string,
): Promise<Readonly<Record<string, string>>> {
  return (await describe(port, "/", { host })).env;
}
