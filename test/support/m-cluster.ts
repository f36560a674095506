/** Replicas of `m` as processes, with the real NATS, Datastore and Pub/Sub, and a push that can be disturbed. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { eventually } from "./eventually.ts";
import { bundleWith } from "./mutant.ts";
import { ServiceProcess } from "./process.ts";

export const pushAccount = "m-push@local-project.iam.gserviceaccount.com";
export const pushAudience = "https://m.local-project";
const project = "local-project";

/** What becomes of one delivery of a push to a replica. */
export type PushFault = (delivery: {
  readonly index: number;
  readonly rev: number;
  /** Delivers it; the status of the replica's answer. */
  readonly deliver: () => Promise<number>;
}) => Promise<number>;

export interface MClusterOptions {
  readonly replicas: number;
  /** `host:port` of the emulator, or of what stands before it for the replica of an index. */
  readonly datastore: string | ((index: number) => string);
  /** `host:port`; without it nothing is published successfully, and nothing is pushed. */
  readonly pubsub?: string | undefined;
  /** `host:port` that replicas publish to, where it is another one. */
  readonly publishTo?: string;
  /** URL, for each index where they differ; a closed port will do where NATS is to be away. */
  readonly nats: string | ((index: number) => string);
  readonly leaseMs?: number;
  /** The program; the bundle of `apps/m` by default. */
  readonly main?: string;
}

/** Bundles `apps/m` once for this process, as it is deployed. */
export const bundledM = ((): (() => string) => {
  let file: string | undefined;
  return () => (file ??= bundleWith("m"));
})();

/** An answer of a replica. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export class MCluster implements AsyncDisposable {
  readonly namespace = `n${randomUUID().slice(0, 8)}`;
  readonly topic = `m-${this.namespace}`;
  readonly options: MClusterOptions;
  /** By index; undefined while none runs there. */
  readonly replicas: (Running | undefined)[] = [];
  pushFault: PushFault = ({ deliver }) => deliver();
  readonly #server: Server;
  readonly #keys: Awaited<ReturnType<typeof generateKeyPair>>;
  readonly #paths = new Map<string, number>();
  /** Deliveries, repeated ones too. */
  pushes = 0;

  private constructor(
    options: MClusterOptions,
    server: Server,
    keys: Awaited<ReturnType<typeof generateKeyPair>>,
  ) {
    this.options = options;
    this.#server = server;
    this.#keys = keys;
  }

  /** Starts everything and waits until every replica may serve. */
  static async start(options: MClusterOptions): Promise<MCluster> {
    const keys = await generateKeyPair("RS256");
    const server = createServer();
    const cluster = new MCluster(options, server, keys);
    server.on("request", (request, response) => void cluster.#answer(request, response));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      await cluster.declarePush();
      await Promise.all(Array.from({ length: options.replicas }, (_, i) => cluster.run(i)));
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  get keysUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/keys`;
  }

  /** Declares the topic and one subscription for each index; again after the emulator was restarted. */
  async declarePush(): Promise<void> {
    const { pubsub, replicas } = this.options;
    if (pubsub === undefined) return;
    await put(pubsub, `topics/${this.topic}`, {});
    for (let index = 0; index < replicas; index++) await this.subscribe(index);
  }

  async subscribe(index: number): Promise<void> {
    const { pubsub } = this.options;
    if (pubsub === undefined) return;
    const path = `/push/${randomUUID()}`;
    this.#paths.set(path, index);
    const port = (this.#server.address() as AddressInfo).port;
    await put(pubsub, `subscriptions/${this.topic}-${index}`, {
      topic: `projects/${project}/topics/${this.topic}`,
      pushConfig: { pushEndpoint: `http://127.0.0.1:${port}${path}` },
      ackDeadlineSeconds: 10,
      retryPolicy: { minimumBackoff: "0.5s", maximumBackoff: "1s" },
    });
  }

  /** Starts a process at an index, and waits until it may serve. */
  async run(index: number): Promise<Running> {
    const running = await this.launch(index);
    await eventually("the replica may serve", async () => {
      if (running.process.ended) throw new Error(running.process.describe());
      return (await fetch(`${running.url}/_ah/start`)).ok;
    });
    return running;
  }

  /** Starts a process at an index, and waits only until it listens. */
  async launch(index: number): Promise<Running> {
    const { datastore, pubsub, publishTo = pubsub, nats, leaseMs, main } = this.options;
    const process = new ServiceProcess(main ?? bundledM(), {
      GOOGLE_CLOUD_PROJECT: project,
      GAE_VERSION: "v1",
      NATS_URL: typeof nats === "string" ? nats : nats(index),
      DATASTORE_EMULATOR_HOST: typeof datastore === "string" ? datastore : datastore(index),
      // A port that nobody listens on stands for a Pub/Sub that is away.
      PUBSUB_EMULATOR_HOST: publishTo ?? "127.0.0.1:9",
      METADATA_SERVER_DETECTION: "none",
      DATASTORE_NAMESPACE: this.namespace,
      PUBSUB_TOPIC: `projects/${project}/topics/${this.topic}`,
      PUSH_ACCOUNT: pushAccount,
      PUSH_AUDIENCE: pushAudience,
      GOOGLE_JWKS_URL: this.keysUrl,
      ...(leaseMs === undefined ? {} : { M_LEASE_MS: String(leaseMs) }),
    });
    const running = new Running(process, `http://127.0.0.1:${await process.port()}`);
    this.replicas[index] = running;
    return running;
  }

  /** The process at an index. */
  at(index: number): Running {
    const running = this.replicas[index];
    if (running === undefined) throw new Error(`there is no replica ${index}`);
    return running;
  }

  /** Ends the process at an index. */
  async end(index: number, signal: NodeJS.Signals): Promise<void> {
    const running = this.at(index);
    this.replicas[index] = undefined;
    await running.process.end(signal);
  }

  /** A token as Google signs it; other claims may be given, to see them refused. */
  async token(claims: Readonly<Record<string, unknown>> = {}, kid = "k1"): Promise<string> {
    const now = Math.floor(Date.now() / 1_000);
    const usual = {
      iss: "https://accounts.google.com",
      aud: pushAudience,
      iat: now,
      exp: now + 3_600,
    };
    return new SignJWT({ ...usual, email: pushAccount, email_verified: true, ...claims })
      .setProtectedHeader({ alg: "RS256", kid })
      .sign(this.#keys.privateKey);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.replicas.map(async (running) => running?.process.end("SIGKILL")));
    const { pubsub } = this.options;
    if (pubsub !== undefined) {
      for (const index of new Set(this.#paths.values())) {
        await remove(pubsub, `subscriptions/${this.topic}-${index}`).catch(() => undefined);
      }
    }
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === "/keys") {
      const jwk = await exportJWK(this.#keys.publicKey);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ keys: [{ ...jwk, kid: "k1", alg: "RS256", use: "sig" }] }));
      return;
    }
    const index = this.#paths.get(request.url ?? "");
    const body = await text(request).catch(() => "");
    if (index === undefined) {
      response.writeHead(404).end();
      return;
    }
    this.pushes += 1;
    const { message } = JSON.parse(body) as { message: { attributes: { rev: string } } };
    const deliver = async (): Promise<number> => {
      const running = this.replicas[index];
      if (running === undefined) return 503;
      try {
        const answer = await fetch(`${running.url}/_ah/push-handlers/${this.topic}`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            authorization: `Bearer ${await this.token()}`,
          },
          body,
          signal: AbortSignal.timeout(10_000),
        });
        await answer.body?.cancel();
        return answer.status;
      } catch {
        return 503;
      }
    };
    const rev = Number(message.attributes.rev);
    const status = await this.pushFault({ index, rev, deliver });
    response.writeHead(status).end();
  }
}

/** One process, and what can be asked of it. */
export class Running {
  readonly process: ServiceProcess;
  readonly url: string;

  constructor(process: ServiceProcess, url: string) {
    this.process = process;
    this.url = url;
  }

  get(
    path = "/m",
    headers: Record<string, string> = {},
    signal: AbortSignal | null = null,
  ): Promise<Answer> {
    return this.#ask(path, { headers, signal });
  }

  post(
    patch: unknown,
    {
      headers = {},
      query = "",
      signal = null,
    }: { headers?: Record<string, string>; query?: string; signal?: AbortSignal | null } = {},
  ): Promise<Answer> {
    return this.#ask(`/m${query}`, {
      method: "POST",
      signal,
      headers: { "content-type": "application/json", ...headers },
      body: typeof patch === "string" ? patch : JSON.stringify(patch),
    });
  }

  /** Its own view of itself. */
  async replica(): Promise<string> {
    const { body } = await this.get("/m/replicas");
    return (body as { answeredBy: string }).answeredBy;
  }

  async #ask(path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(this.url + path, init);
    const body = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: body === "" ? undefined : (JSON.parse(body) as unknown),
    };
  }
}

async function put(host: string, path: string, body: object): Promise<void> {
  const response = await fetch(`http://${host}/v1/projects/${project}/${path}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.text();
  if (!response.ok && response.status !== 409) throw new Error(`${path}: ${answer}`);
}

async function remove(host: string, path: string): Promise<void> {
  await fetch(`http://${host}/v1/projects/${project}/${path}`, { method: "DELETE" });
}
