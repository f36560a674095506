import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Plays Secret Manager and the metadata server on one port, as far as the services ask them. */
export class SecretsServer implements AsyncDisposable {
  /** What the secret holds; tests change it. */
  seed: string;
  /** When set, every answer has this status. */
  status: number | undefined;
  readonly requests: string[] = [];
  readonly #server: Server;

  private constructor(seed: string) {
    this.seed = seed;
    this.#server = createServer((request, response) => {
      this.requests.push(request.url ?? "");
      response.setHeader("content-type", "application/json");
      if (this.status !== undefined) {
        response.writeHead(this.status).end("{}");
      } else if (
        request.url === "/computeMetadata/v1/instance/service-accounts/default/token" &&
        request.headers["metadata-flavor"] === "Google"
      ) {
        response.end(
          JSON.stringify({ access_token: "token-1", expires_in: 3599, token_type: "Bearer" }),
        );
      } else if (
        request.url === "/v1/projects/p/secrets/nats-seed/versions/latest:access" &&
        request.headers.authorization === "Bearer token-1"
      ) {
        const data = Buffer.from(this.seed).toString("base64");
        response.end(
          JSON.stringify({ name: "projects/1/secrets/nats-seed/versions/1", payload: { data } }),
        );
      } else {
        response.writeHead(403).end("{}");
      }
    });
  }

  static async start(seed: string): Promise<SecretsServer> {
    const server = new SecretsServer(seed);
    await new Promise<void>((resolve) => {
      server.#server.listen(0, "127.0.0.1", resolve);
    });
    return server;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The environment of a service that reads its seed here. */
  get env(): Record<string, string> {
    return {
      NATS_SEED_SECRET: "projects/p/secrets/nats-seed",
      SECRET_MANAGER_ENDPOINT: `http://${this.host}`,
      GCE_METADATA_HOST: this.host,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
