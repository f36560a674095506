import { BusError } from "../../lib/bus.ts";
import type { Outbox, Sender } from "../outbox.ts";
import type { Link } from "../transport/link.ts";
import { AnswerTurns } from "./answer-turns.ts";

/** Beyond this, frames of one turn do not wait for its end, and large answers wait for the peer to read. */
const roomBytes = 65_536;

/** What goes to a client: frames of one turn leave in one write, and nothing before the connect reply. */
export class Outgoing implements Sender {
  readonly #link: Link;
  readonly #outbox: Outbox;
  /** Frames of this turn. */
  readonly #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** What was published on server-side subscriptions before the connect reply. */
  #held: Uint8Array[] | undefined = [];
  #heldBytes = 0;
  /** Made when the first large answer is asked for. */
  #turns: AnswerTurns | undefined;

  constructor(link: Link, outbox: Outbox) {
    this.#link = link;
    this.#outbox = outbox;
  }

  /** What waits for the connect reply. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** What was published. */
  publish(bytes: Uint8Array): void {
    if (this.#held === undefined) {
      this.send(bytes);
      return;
    }
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }

  /** An answer, or what else is no publication. */
  send(bytes: Uint8Array): void {
    if (this.#pending.push(bytes) === 1) this.#outbox.add(this);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes > roomBytes) this.flush();
  }

  /** The connect reply was sent. */
  release(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.#heldBytes = 0;
    for (const bytes of held) this.send(bytes);
  }

  flush(): void {
    const pending = this.#pending;
    const [first] = pending;
    if (first === undefined) return;
    const bytes = pending.length === 1 ? first : Buffer.concat(pending);
    pending.length = 0;
    this.#pendingBytes = 0;
    this.#link.write(bytes);
    this.#turns?.check();
  }

  /** @see Host.turn */
  async turn(deadline: number): Promise<() => void> {
    const turns = (this.#turns ??= new AnswerTurns(
      () => this.#pendingBytes + this.#link.backlogBytes <= roomBytes,
    ));
    if (await turns.take(deadline - performance.now())) {
      return () => {
        turns.done();
      };
    }
    const reason = "the peer did not read the answers before this one in time";
    throw new BusError("unavailable", reason);
  }

  /** The peer has read what had waited for it. */
  drained(): void {
    this.#turns?.check();
  }

  end(): void {
    this.#turns?.end();
    this.#held = undefined;
  }
}
