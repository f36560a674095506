import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { BacklogBudget } from "../backlog-budget.ts";
import type { Closing, Link, LinkOwner, OpenLink } from "./link.ts";
import type { PeerLimits } from "./peer.ts";
import { Writer } from "./writer.ts";

export interface HttpLinkOptions {
  /** Of a request that has been read; nothing of it is written yet. */
  readonly response: ServerResponse;
  readonly headers: Readonly<Record<string, string>>;
  /** What the body begins with. */
  readonly preamble: string;
  /** The last message, for a connection that ends by itself has no code and no reason. */
  readonly farewell: (closing: Closing) => Uint8Array;
  readonly budget: BacklogBudget;
  readonly limits: PeerLimits;
  /** Why it is closed when it reads too slowly, or when too much waits for all together. */
  readonly closings: { readonly slow: Closing; readonly crowded: Closing };
}

/** A peer that reads an answer without an end. What it has to say comes by other requests. */
export function httpLink(options: HttpLinkOptions): OpenLink {
  return (owner) => new HttpLink(options, owner);
}

class HttpLink implements Link {
  readonly #response: ServerResponse;
  readonly #socket: Socket;
  readonly #writer: Writer;
  readonly #farewell: (closing: Closing) => Uint8Array;
  readonly #closeGraceMs: number;
  #closing: Closing | undefined;
  #cut: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(
    { response, headers, preamble, farewell, budget, limits, closings }: HttpLinkOptions,
    owner: LinkOwner,
  ) {
    const { socket } = response;
    if (socket === null) throw new Error("the response has no connection any more");
    this.#response = response;
    this.#socket = socket;
    this.#farewell = farewell;
    this.#closeGraceMs = limits.closeGraceMs;
    const share = budget.share(() => {
      // One that is closing already would keep its backlog until its peer has read it.
      if (this.#cut === undefined) this.close(closings.crowded, limits.slowGraceMs);
      else socket.destroy();
    });
    this.#writer = new Writer(
      socket,
      limits.maxBacklogBytes,
      () => {
        this.close(closings.slow, limits.slowGraceMs);
      },
      (bytes) => {
        share.report(bytes);
        if (bytes === 0) owner.onDrain?.();
      },
    );
    // Who ends its half of the connection has gone, and so has who was cut off.
    const gone = (): void => void socket.destroy();
    socket.once("end", gone);
    response.once("close", () => {
      this.#ended = true;
      clearTimeout(this.#cut);
      socket.off("end", gone);
      share.end();
      owner.onClose(this.#closing);
    });
    // The body ends with the connection: so the bytes that all receivers share go to the socket as they
    // are. In chunks, each message would cost a copy, or three writes more.
    response.useChunkedEncodingByDefault = false;
    response.writeHead(200, headers);
    response.flushHeaders();
    if (preamble !== "") socket.write(preamble);
  }

  get closing(): Closing | undefined {
    return this.#closing;
  }

  get backlogBytes(): number {
    return this.#writer.backlogBytes;
  }

  write(bytes: Uint8Array): void {
    if (this.#closing === undefined && this.#socket.writable) this.#writer.write(bytes);
  }

  close(closing: Closing, graceMs = this.#closeGraceMs): void {
    if (this.#closing !== undefined || this.#ended) return;
    this.#closing = closing;
    // Behind a backlog it may come too late; then the connection just ends.
    if (this.#socket.writable) this.#socket.write(this.#farewell(closing));
    this.#response.end();
    this.#cut = setTimeout(() => {
      this.#socket.destroy();
    }, graceMs);
  }
}
