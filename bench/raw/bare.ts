/**
 * The simplest server that does what the raw endpoint does for receivers: one NATS subscription, and
 * `send` of the library to each websocket. No limits, no checks. Prints its port.
 */
import { connect } from "nats";
import { type WebSocket, WebSocketServer } from "ws";

const nats = await connect({ servers: process.argv[2] ?? "" });
const websockets = new Set<WebSocket>();
nats.subscribe("t.bare", {
  callback: (_error, message) => {
    for (const websocket of websockets) websocket.send(message.data, { binary: false });
  },
});
const server = new WebSocketServer(
  { port: 0, host: "127.0.0.1", backlog: 4_096, clientTracking: false },
  () => {
    console.log(JSON.stringify({ message: "listening", ...(server.address() as object) }));
  },
);
server.on("connection", (websocket) => {
  websockets.add(websocket);
  websocket.on("close", () => websockets.delete(websocket));
});
