import type { ProtocolError } from "../protocol/codes.ts";

type Resolve = (error?: ProtocolError) => void;

/** What the server has ordered a session to do, until that is done. */
export class Orders {
  /** By ticket; most of the time there is none. */
  #pending: Map<number, Resolve> | undefined;
  #lastTicket = 0;

  /** @param give tells the session, with a ticket */
  async place(give: (ticket: number) => void): Promise<ProtocolError | undefined> {
    const ticket = (this.#lastTicket += 1);
    const { promise, resolve } = Promise.withResolvers<ProtocolError | undefined>();
    this.#pending ??= new Map();
    this.#pending.set(ticket, resolve);
    give(ticket);
    return promise;
  }

  obeyed(ticket: number, error?: ProtocolError): void {
    this.#pending?.get(ticket)?.(error);
    this.#pending?.delete(ticket);
    if (this.#pending?.size === 0) this.#pending = undefined;
  }

  /** There is nobody any more to do anything to. */
  end(): void {
    for (const ticket of [...(this.#pending?.keys() ?? [])]) this.obeyed(ticket);
  }
}
