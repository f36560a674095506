/**
 * `npm run realtime`: a client of the realtime gateway on a terminal. It shows what is published on a
 * channel and publishes each line that is typed; with `--demo` it goes through everything that the
 * gateway does, once. It is the npm client `centrifuge` as it is: docs/realtime.md.
 */
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Centrifuge } from "centrifuge";
import { cacheFolder } from "../local/tools/cache-folder.ts";
import { readPrivateRecord } from "../local/tools/private-record.ts";
import { runDemo } from "./realtime/demo.ts";

const usage = `usage: npm run realtime -- [options]
  --url <url>          default: ws://localhost:8080/connection/websocket
  --channel <channel>  default: chat:lobby; with --demo: a new one in chat
  --token <token>      where the gateway wants one
  --demo               goes through all that the gateway does, and exits with 0 when all was right
TOKEN_KEY in the environment is the key (HS256) that --demo signs tokens with; on this machine it is
that of npm start.`;

interface Arguments {
  readonly url: string;
  readonly channel: string | undefined;
  readonly token: string | undefined;
  readonly demo: boolean;
}

function readArguments(): Arguments | undefined {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: "string", default: "ws://localhost:8080/connection/websocket" },
        channel: { type: "string" },
        token: { type: "string" },
        demo: { type: "boolean", default: false },
      },
    });
    const { url, channel, token, demo } = values;
    if (!["ws:", "wss:"].includes(URL.parse(url)?.protocol ?? "")) {
      throw new Error(`--url ${url} is no URL of ws or wss`);
    }
    return { url, channel, token, demo };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    return undefined;
  }
}

/** The key with which the gateway of `npm start` verifies tokens, if the URL is of this machine. */
async function localKey(url: string): Promise<string | undefined> {
  if (!["localhost", "127.0.0.1"].includes(new URL(url).hostname)) return undefined;
  const file = join(cacheFolder(), "secrets.json");
  const secrets = await readPrivateRecord(file, () => {
    console.error(`${file} is damaged`);
  });
  return secrets["ws-token-hmac"];
}

function chat({ url, channel = "chat:lobby", token }: Arguments): void {
  const client = new Centrifuge(url, token === undefined ? {} : { token });
  const subscription = client.newSubscription(channel, { recoverable: true, joinLeave: true });
  const lines = createInterface({ input: process.stdin });
  client.on("connecting", ({ code, reason }) => {
    console.log(`* connecting (${code}: ${reason})`);
  });
  client.on("connected", ({ client: id }) => {
    console.log(`* connected as ${id}`);
  });
  client.on("error", ({ type, error }) => {
    console.log(`* ${type}: ${error.code}: ${error.message}`);
  });
  client.on("disconnected", ({ code, reason }) => {
    console.log(`* disconnected (${code}: ${reason})`);
    if (code !== 0) process.exitCode = 1;
    lines.close();
  });
  subscription.on("subscribed", ({ wasRecovering, recovered, streamPosition }) => {
    const at = streamPosition === undefined ? "" : ` at offset ${streamPosition.offset}`;
    const again = recovered ? ", what was missed follows" : ", what was missed is gone";
    console.log(`* subscribed to ${channel}${at}${wasRecovering ? again : ""}`);
  });
  subscription.on("unsubscribed", ({ code, reason }) => {
    if (code === 0) return;
    console.log(`* unsubscribed (${code}: ${reason})`);
    process.exitCode = 1;
    client.disconnect();
  });
  subscription.on("error", ({ type, error }) => {
    console.log(`* ${type}: ${error.code}: ${error.message}`);
  });
  subscription.on("join", ({ info }) => {
    console.log(`* ${info.user || "anonymous"} ${info.client} joined`);
  });
  subscription.on("leave", ({ info }) => {
    console.log(`* ${info.user || "anonymous"} ${info.client} left`);
  });
  subscription.on("publication", ({ offset, data, info }) => {
    const text = typeof data === "string" ? data : JSON.stringify(data);
    console.log(`${offset ?? "-"} ${info === undefined ? "a service" : info.client}: ${text}`);
  });
  subscription.subscribe();
  client.connect();

  let last = Promise.resolve();
  lines.on("line", (text) => {
    // One after the other: their order is that of the lines.
    last = last.then(async () => {
      try {
        await subscription.publish(text);
      } catch (error) {
        console.log(
          `* not published: ${error instanceof Error ? error.message : messageOf(error)}`,
        );
      }
    });
  });
  lines.on("close", () => {
    void last.then(() => {
      client.disconnect();
    });
  });
}

/** The client rejects with objects that are no errors. */
function messageOf(error: unknown): string {
  return JSON.stringify(error);
}

const given = readArguments();
if (given === undefined) process.exitCode = 2;
else if (given.demo) {
  const { url, channel, token } = given;
  const key = process.env["TOKEN_KEY"] ?? (await localKey(url));
  const succeeded = await runDemo({ url, channel, token, key, print: console.log });
  process.exitCode = succeeded ? 0 : 1;
} else chat(given);
