import { callError, notConnected } from "./codes.ts";
import type { Connection } from "./connection.ts";

/** How long the other client may take to be there. */
const readyMs = 5_000;

/**
 * Cuts the connection, and has another client publish on the channel before the page is back, so that there is
 * something to recover.
 *
 * @throws CallError where the page is not connected, or the other client cannot do it
 */
export async function interruptAndPublish(
  connection: Connection,
  channel: string,
  texts: readonly string[],
): Promise<void> {
  const other = connection.companion();
  if (other === undefined || connection.state.peek() !== "connected") {
    throw notConnected();
  }
  try {
    const its = other.newSubscription(channel);
    its.subscribe();
    other.connect();
    await its.ready(readyMs);
    const published = Promise.withResolvers<undefined>();
    connection.interrupt(published.promise);
    try {
      for (const text of texts) await its.publish(text);
    } finally {
      published.resolve(undefined);
    }
  } catch (error) {
    throw callError(error);
  } finally {
    other.disconnect();
  }
}
