/** Loopback ports for what the local cloud starts. */
import { randomInt } from "node:crypto";
import { connect, createServer } from "node:net";

/** Everything listens on this address alone: nothing of the local cloud can be reached from outside. */
export const loopback = "127.0.0.1";

/**
 * Below the ranges from which operating systems take ports for outgoing connections, so that a
 * port that is free now is still free when the process that gets it has started.
 */
const lowest = 20_000;
const highest = 30_000;

const handedOut = new Set<number>();

/** A port that nothing listens on and that this process has given to nobody. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 1_000; attempt++) {
    const port = randomInt(lowest, highest);
    if (handedOut.has(port)) continue;
    if ((await whyNotFree(port)) === undefined) {
      handedOut.add(port);
      return port;
    }
  }
  throw new Error(`no free port between ${lowest} and ${highest} on ${loopback}`);
}

/** Gives a port back. */
export function releasePort(port: number): void {
  handedOut.delete(port);
}

/** Undefined when one may listen on the port, else the code of the refusal, e.g. `EADDRINUSE`. */
export function whyNotFree(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
    server.listen(port, loopback, () => {
      server.close(() => {
        resolve(undefined);
      });
    });
  });
}

/** True when something accepts connections on the port. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: loopback });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => {
      resolve(false);
    });
  });
}
