import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { BacklogBudget } from "../backlog-budget.ts";
import type { Closing, Link, LinkOwner } from "./link.ts";
import { Writer } from "./writer.ts";

export interface PeerLimits {
  /** What may wait for one peer that reads slowly. */
  readonly maxBacklogBytes: number;
  /** How long a peer may take to answer a close frame before its socket is cut. */
  readonly closeGraceMs: number;
  /** The same for one that reads too slowly: its close frame waits behind its backlog. */
  readonly slowGraceMs: number;
}

/** The other end of a websocket: whole frames go to it, messages come from it, both within limits. */
export class Peer implements Link {
  readonly #websocket: WebSocket;
  readonly #writer: Writer;
  readonly #limits: PeerLimits;
  #closing: Closing | undefined;
  #cut: NodeJS.Timeout | undefined;

  /**
   * @param socket the socket below; frames are written to it beside those of the library
   * @param budget the bound on what waits for this and all others
   * @param closings why it is closed when it reads too slowly, or when too much waits for all together
   */
  constructor(
    { websocket, socket }: { readonly websocket: WebSocket; readonly socket: Duplex },
    budget: BacklogBudget,
    limits: PeerLimits,
    closings: { readonly slow: Closing; readonly crowded: Closing },
    owner: LinkOwner,
  ) {
    this.#websocket = websocket;
    this.#limits = limits;
    const share = budget.share(() => {
      // One that is closing already would keep its backlog until its peer has answered.
      if (this.#cut === undefined) this.close(closings.crowded, limits.slowGraceMs);
      else websocket.terminate();
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
    websocket.on("message", (data, isBinary) => {
      // The server keeps ws's default binary type, in which a message is one Buffer.
      if (Buffer.isBuffer(data) && this.#closing === undefined) owner.onMessage(data, isBinary);
    });
    if (owner.onPong !== undefined) websocket.on("pong", () => owner.onPong?.());
    websocket.on("error", () => {
      // A broken frame, a text that is no UTF-8 or too long: the library closes with the right code.
      this.#cutAfter(limits.closeGraceMs);
    });
    websocket.on("close", () => {
      clearTimeout(this.#cut);
      share.end();
      owner.onClose(this.#closing);
    });
  }

  get closing(): Closing | undefined {
    return this.#closing;
  }

  /** What waits for the peer to read it. */
  get backlogBytes(): number {
    return this.#writer.backlogBytes;
  }

  get isPaused(): boolean {
    return this.#websocket.isPaused;
  }

  write(bytes: Uint8Array): void {
    // A close frame, whoever sent it, is the last: what followed would be an error of the socket.
    if (this.#websocket.readyState === this.#websocket.OPEN) this.#writer.write(bytes);
  }

  ping(): void {
    if (this.#websocket.readyState === this.#websocket.OPEN) this.#websocket.ping();
  }

  /** Takes no messages until `resume`. */
  pause(): void {
    this.#websocket.pause();
  }

  resume(): void {
    this.#websocket.resume();
  }

  /** Says goodbye and cuts the socket when the peer does not answer in time. */
  close(closing: Closing, graceMs = this.#limits.closeGraceMs): void {
    if (this.#closing !== undefined) return;
    this.#closing = closing;
    this.#websocket.close(closing.code, closing.reason);
    // A paused socket would not see the peer's answer.
    this.#websocket.resume();
    this.#cutAfter(graceMs);
  }

  terminate(): void {
    this.#websocket.terminate();
  }

  #cutAfter(graceMs: number): void {
    this.#cut ??= setTimeout(() => {
      this.#websocket.terminate();
    }, graceMs);
  }
}
