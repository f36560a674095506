/**
 * What the front door costs: CPU per websocket message through it and through a bare TCP relay,
 * each in a process of its own, in the same run, one after the other and several times.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";
import { pathToFileURL } from "node:url";
import { WebSocket, WebSocketServer } from "ws";
import { FrontDoor } from "../local/cloud/front-door.ts";
import { median, round, table } from "./table.ts";

const connections = 20;
const payload = "x".repeat(128);
/** Messages of one connection that are on their way at a time, one round trip each. */
const window = 8;
const roundMs = 1_500;
const rounds = 5;
/** The most that the front door may cost, as a multiple of the relay's CPU. */
const allowed = 1.25;

type Kind = "relay" | "front door";

/** What a relaying process answers: µs of CPU since it was last asked. */
interface Used {
  readonly cpuMicros: number;
}

/** The relay's process: says its port, then its CPU time whenever it is asked. */
async function serve(kind: Kind, target: number): Promise<void> {
  let last = process.cpuUsage();
  process.on("message", () => {
    const used = process.cpuUsage(last);
    last = process.cpuUsage();
    process.send?.({ cpuMicros: used.user + used.system } satisfies Used);
  });
  process.on("disconnect", () => process.exit());
  process.send?.(kind === "relay" ? await relay(target) : await frontDoor(target));
}

async function relay(target: number): Promise<number> {
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port: target, host: "127.0.0.1", noDelay: true });
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream] satisfies Socket[]) {
      socket.on("error", end);
      socket.on("close", end);
    }
    client.pipe(upstream);
    upstream.pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return portOf(server.address());
}

async function frontDoor(target: number): Promise<number> {
  const door = new FrontDoor({
    find: () => ({
      service: "ws",
      kind: "flexible",
      ports: [target],
      enter: () => () => undefined,
    }),
  });
  await door.listen(0);
  return door.port;
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function start(kind: Kind, target: number): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(import.meta.filename, [kind, String(target)]);
  const [port] = (await once(child, "message")) as [number];
  return { child, port };
}

async function cpuOf(child: ChildProcess): Promise<number> {
  const answer = once(child, "message") as Promise<[Used]>;
  child.send("used");
  return (await answer)[0].cpuMicros;
}

/** Sends messages back and forth for a while; µs of CPU per message that passed, and how many. */
async function measure(
  child: ChildProcess,
  sockets: readonly WebSocket[],
): Promise<{ micros: number; perSecond: number }> {
  let messages = 0;
  let running = true;
  const done = sockets.map(
    (socket) =>
      new Promise<void>((resolve) => {
        let open = window;
        const onMessage = (): void => {
          messages++;
          if (running) {
            socket.send(payload);
          } else if (--open === 0) {
            socket.off("message", onMessage);
            resolve();
          }
        };
        socket.on("message", onMessage);
      }),
  );
  await cpuOf(child);
  const began = performance.now();
  for (const socket of sockets) for (let i = 0; i < window; i++) socket.send(payload);
  setTimeout(() => (running = false), roundMs);
  await Promise.all(done);
  const seconds = (performance.now() - began) / 1000;
  const cpuMicros = await cpuOf(child);
  // Each echo passes the relay twice.
  return { micros: cpuMicros / (2 * messages), perSecond: (2 * messages) / seconds };
}

export async function main(): Promise<void> {
  const echo = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  echo.on("connection", (socket) => {
    socket.on("message", (data, binary) => {
      socket.send(data, { binary });
    });
  });
  await once(echo, "listening");
  const target = portOf(echo.address());
  const kinds: readonly Kind[] = ["relay", "front door"];
  const subjects = await Promise.all(
    kinds.map(async (kind) => {
      const { child, port } = await start(kind, target);
      const sockets = Array.from(
        { length: connections },
        () => new WebSocket(`ws://127.0.0.1:${port}/ws/x`, { perMessageDeflate: false }),
      );
      await Promise.all(sockets.map((socket) => once(socket, "open")));
      return { kind, child, sockets, micros: [] as number[], perSecond: [] as number[] };
    }),
  );
  // The first round of each warms it up.
  for (let i = 0; i <= rounds; i++) {
    for (const subject of subjects) {
      const { micros, perSecond } = await measure(subject.child, subject.sockets);
      if (i === 0) continue;
      subject.micros.push(micros);
      subject.perSecond.push(perSecond);
    }
  }
  const relayMicros = median(subjects[0]?.micros ?? []);
  const rows = subjects.map(({ kind, micros, perSecond }) => [
    kind,
    round(median(micros), 2),
    round(Math.min(...micros), 2),
    round(Math.max(...micros), 2),
    round(median(perSecond)),
    round(median(micros) / relayMicros, 2),
  ]);
  console.log(
    `Front door: CPU per websocket message of ${payload.length} bytes, ${connections} connections ` +
      `(allowed: ${allowed} × the relay's)\n`,
  );
  console.log(table(["through", "µs, median", "least", "most", "messages/s", "× relay"], rows));
  for (const { child, sockets } of subjects) {
    for (const socket of sockets) socket.terminate();
    child.disconnect();
  }
  echo.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [kind, target] = process.argv.slice(2);
  if (kind === "relay" || kind === "front door") await serve(kind, Number(target));
  else await main();
}
