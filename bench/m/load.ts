/**
 * Sends `GET /m` on some connections, each time as soon as the last answer is whole, and counts. It
 * knows how long an answer is from the first one, so that it costs less than what it measures.
 */
import { connect } from "node:net";

interface Order {
  readonly port: number;
  readonly connections: number;
  readonly ms: number;
}

const request = Buffer.from("GET /m HTTP/1.1\r\nHost: localhost\r\n\r\n");

process.on("message", ({ port, connections, ms }: Order) => {
  void measure(port, connections, ms).then((count) => process.send?.({ count }));
});

async function measure(port: number, connections: number, ms: number): Promise<number> {
  const length = await answerLength(port);
  let count = 0;
  const end = performance.now() + ms;
  await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise<void>((resolve, reject) => {
          const socket = connect(port, "127.0.0.1");
          let left = length;
          socket.on("error", reject);
          socket.on("connect", () => socket.write(request));
          socket.on("data", (chunk) => {
            left -= chunk.length;
            if (left > 0) return;
            count += 1;
            left = length;
            if (performance.now() < end) {
              socket.write(request);
            } else {
              socket.destroy();
              resolve();
            }
          });
        }),
    ),
  );
  return count;
}

/** Bytes of one answer, its head included. */
function answerLength(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    const chunks: Buffer[] = [];
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      const text = Buffer.concat(chunks).toString("latin1");
      const head = text.indexOf("\r\n\r\n");
      const body = /content-length: (\d+)/i.exec(text)?.[1];
      if (head < 0 || body === undefined || text.length < head + 4 + Number(body)) return;
      socket.destroy();
      resolve(text.length);
    });
  });
}
