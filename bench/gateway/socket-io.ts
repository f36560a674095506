/**
 * Socket.IO as its documentation sets it up for several instances, on its adapter for NATS: a channel is
 * a room. Websockets only, no compression, as in the other servers. `socket-io.ts <NATS URL> <port>`.
 */
import { createServer } from "node:http";
import { createAdapter } from "@mickl/socket.io-nats-adapter";
import { connect } from "nats";
import { Server } from "socket.io";

const [natsUrl = "", port = "0"] = process.argv.slice(2);
const http = createServer((_request, response) => response.end());
const io = new Server(http, {
  transports: ["websocket"],
  serveClient: false,
  perMessageDeflate: false,
  adapter: createAdapter(await connect({ servers: natsUrl })),
});
io.on("connection", (socket) => {
  socket.on("join", async (room: string, joined: () => void) => {
    await socket.join(room);
    joined();
  });
  socket.on("publish", (room: string, data: unknown, published: () => void) => {
    io.to(room).emit("message", data);
    published();
  });
});
http.listen({ port: Number(port), host: "127.0.0.1", backlog: 4_096 });
