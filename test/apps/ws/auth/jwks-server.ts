import { once } from "node:events";
import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { JWK } from "jose";

/** A real JWKS endpoint on loopback, which a test can make change its keys, fail or fall silent. */
export class JwksServer implements AsyncDisposable {
  readonly #server: Server;
  keys: readonly JWK[] = [];
  /** How it answers; by default with its keys. */
  respond: (response: ServerResponse) => void = (response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ keys: this.keys }));
  };
  requests = 0;

  private constructor() {
    this.#server = createServer((_request, response) => {
      this.requests += 1;
      this.respond(response);
    });
  }

  static async start(keys: readonly JWK[], port = 0): Promise<JwksServer> {
    const started = new JwksServer();
    started.keys = keys;
    started.#server.listen(port, "127.0.0.1");
    await once(started.#server, "listening");
    return started;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/.well-known/jwks.json`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}
