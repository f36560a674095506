/**
 * The receivers and the publisher of the benchmark, in a process of their own. It counts bytes and
 * parses no frames, so that it is never slower than the server. Talks to its parent over IPC:
 * `{port, natsUrl, topic, sockets, payloadBytes}` opens the sockets; then each `{bursts, size}` publishes
 * bursts of so many messages, each when the one before has reached everybody.
 */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect } from "nats";

interface Setup {
  readonly port: number;
  readonly natsUrl: string;
  readonly topic: string;
  readonly sockets: number;
  readonly payloadBytes: number;
}

interface Round {
  readonly bursts: number;
  readonly size: number;
}

const request = (topic: string): string =>
  [
    `GET /ws/${topic} HTTP/1.1`,
    "Host: localhost",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "\r\n",
  ].join("\r\n");

const pingByte = 0x89;
/** FIN and pong; masked with zeros, empty. */
const pong = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);
const limitMs = 60_000;

let received = 0;

async function open({ port, topic }: Setup): Promise<Socket> {
  const socket = connectTcp(port, "127.0.0.1");
  await once(socket, "connect");
  socket.write(request(topic));
  const [head] = (await once(socket, "data")) as [Buffer];
  if (!head.toString("latin1").startsWith("HTTP/1.1 101 ")) throw new Error(head.toString());
  socket.on("data", (chunk: Buffer) => {
    received += chunk.length;
    // Payloads and other headers hold no such byte. Who answers no ping is cut.
    if (chunk.includes(pingByte)) {
      received -= 2;
      socket.write(pong);
    }
  });
  return socket;
}

const next = async <T>(): Promise<T> => ((await once(process, "message")) as [T])[0];
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const setup = await next<Setup>();
const nats = await connect({ servers: setup.natsUrl });
for (let count = 0; count < setup.sockets; count += 50) {
  await Promise.all(Array.from({ length: 50 }, () => open(setup)));
}
const subject = `t.${setup.topic}`;
const payload = Buffer.alloc(setup.payloadBytes, "x");
const frameBytes = setup.payloadBytes + (setup.payloadBytes < 126 ? 2 : 4);
process.send?.({ opened: setup.sockets });

for (;;) {
  const { bursts, size } = await next<Round>();
  const begin = performance.now();
  for (let burst = 0; burst < bursts; burst += 1) {
    const expected = received + size * setup.sockets * frameBytes;
    for (let index = 0; index < size; index += 1) nats.publish(subject, payload);
    while (received < expected) {
      await turn();
      if (performance.now() - begin > limitMs) throw new Error("the messages did not all arrive");
    }
  }
  process.send?.({ tookMs: performance.now() - begin });
}
