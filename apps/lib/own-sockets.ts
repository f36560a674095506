import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

const channel = "net.client.socket";
const opener = new AsyncLocalStorage<object>();

/**
 * Runs something that opens TCP connections until one is good, and that may forget the others: cuts all
 * but the last when it succeeds, and all when it fails.
 */
export async function cutForgotten<T>(open: () => Promise<T>): Promise<T> {
  const sockets: Socket[] = [];
  const collect = (message: unknown): void => {
    if (opener.getStore() === sockets) sockets.push((message as { socket: Socket }).socket);
  };
  subscribe(channel, collect);
  try {
    const result = await opener.run(sockets, open);
    sockets.pop();
    return result;
  } finally {
    unsubscribe(channel, collect);
    for (const socket of sockets) socket.destroy();
  }
}
