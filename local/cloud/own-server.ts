/** Servers of the local cloud itself: what stands for Google's own addresses. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { listenOn } from "./listen-on.ts";
import { loopback } from "./ports.ts";

export interface OwnServer {
  readonly server: Server;
  readonly port: number;
}

/** Listens on a port that the system chooses. */
export async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<OwnServer> {
  const server = createServer((request, response) => {
    // A page whose name was made to point here (DNS rebinding) comes with that name.
    if (request.headers.host === `${loopback}:${port}`) answer(request, response);
    else response.writeHead(403).end();
  });
  const port = await listenOn(server, 0);
  return { server, port };
}

/** Ends it with everything that is under way. */
export async function end({ server }: OwnServer): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json; charset=UTF-8" });
  response.end(JSON.stringify(body));
}
