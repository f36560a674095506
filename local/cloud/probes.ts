/** Finding out whether another process serves: nothing but asking tells. */
import { get } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { loopback } from "./ports.ts";

/** Asks again and again until the answer is yes. Ends when aborted. */
export async function until(
  probe: () => boolean | Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted && !(await probe())) await wait(15);
}

/** The status of a GET. */
export function statusOf(port: number, path: string, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get({ host: loopback, port, path, agent: false, signal }, (response) => {
      response.resume();
      response.once("error", reject);
      response.once("end", () => {
        resolve(response.statusCode ?? 0);
      });
    });
    request.once("error", reject);
  });
}

/** True when a GET is answered with 200. */
export function isOk(port: number, path: string, signal: AbortSignal): Promise<boolean> {
  return statusOf(port, path, signal).then(
    (status) => status === 200,
    () => false,
  );
}
