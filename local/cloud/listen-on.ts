import type { Server } from "node:net";
import { loopback } from "./ports.ts";

/**
 * Listens on loopback and answers the port.
 * @param port 0 for any free one
 * @throws Error that names the port when it is taken
 */
export async function listenOn(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE"
          ? new Error(portInUse(port), { cause: error })
          : new Error(`cannot listen on ${loopback}:${port}: ${error.message}`, { cause: error }),
      );
    });
    server.listen(port, loopback, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}

/** What a person is told who wants a port that another process has. */
export function portInUse(port: number): string {
  return `port ${port} is in use by another process; stop it or choose another port with --port <number>`;
}
