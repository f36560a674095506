/** Calls of the server API. */
import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";

export interface Call {
  readonly port: number;
  readonly key: string;
}

const agent = new Agent({ keepAlive: true });

/** Calls a method, and fails when anything but a result is answered. */
export async function post({ port, key }: Call, method: string, body: object): Promise<void> {
  const answer = await new Promise<string>((resolve, reject) => {
    const asked = request({
      ...{ agent, port, host: "127.0.0.1", method: "POST", path: `/api/${method}` },
      headers: { "content-type": "application/json", "x-api-key": key },
    });
    asked.on("response", (response) => {
      text(response).then(resolve, reject);
    });
    asked.on("error", reject);
    asked.end(JSON.stringify(body));
  });
  const { error, result } = JSON.parse(answer) as {
    error?: unknown;
    result?: { responses?: readonly { error?: unknown }[] };
  };
  const failed = result?.responses?.find((each) => each.error !== undefined);
  if (error !== undefined || result === undefined || failed !== undefined) {
    throw new Error(`${method} was answered with ${answer.slice(0, 300)}`);
  }
}

/** So many calls at a time, each when the one before it was answered. */
export async function publishForSeconds(
  call: Call,
  { channel, seconds, atATime }: { channel: string; seconds: number; atATime: number },
): Promise<{ tookMs: number; published: number }> {
  const begin = performance.now();
  const end = begin + seconds * 1_000;
  let published = 0;
  const callAgainAndAgain = async (): Promise<void> => {
    while (performance.now() < end) {
      await post(call, "publish", { channel, data: { n: published, pad: "x".repeat(100) } });
      published += 1;
    }
  };
  await Promise.all(Array.from({ length: atATime }, callAgainAndAgain));
  return { tookMs: performance.now() - begin, published };
}
