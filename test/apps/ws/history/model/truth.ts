import type { ChannelMessage } from "../../../../../apps/ws/channel-message.ts";

interface Position {
  readonly offset: number;
  readonly epoch: string;
}

/**
 * What must be true of all that gateways say. In one epoch, each offset stands for one publication: so
 * the number of a publication, counted by its publisher, and its offset differ by the same for all.
 */
export class Truth {
  /** What went wrong, kept for those that throw where nobody catches it. */
  readonly problems: string[] = [];
  /** By epoch, by how much offsets are smaller than the publishers' own numbers. */
  readonly #shifts = new Map<string, number>();

  saw(epoch: string, message: ChannelMessage): void {
    const { offset = Number.NaN } = message;
    const id = Number(Buffer.from(message.data).toString());
    const known = this.#shifts.get(epoch);
    if (!(offset >= 1)) throw this.wrong(`publication ${id} has offset ${offset}`);
    if (known === undefined) this.#shifts.set(epoch, id - offset);
    else if (known !== id - offset) {
      throw this.wrong(`in ${epoch}, ${offset} is publication ${id} and not ${offset + known}`);
    }
  }

  /** @param stored how many publications there were before it was asked */
  answered({ offset, epoch }: Position, stored: number): void {
    if (epoch === "") throw this.wrong("a position has no epoch");
    const shift = this.#shifts.get(epoch);
    if (shift === undefined || offset + shift >= stored) return;
    throw this.wrong(`the position is ${offset + shift}, but ${stored} were published before`);
  }

  /** A history ends with what the position says, and has no hole. */
  showed(position: Position, messages: readonly ChannelMessage[]): void {
    for (const message of messages) this.saw(position.epoch, message);
    const offsets = messages.map(({ offset = Number.NaN }) => offset);
    const first = position.offset - offsets.length + 1;
    if (offsets.every((offset, index) => offset === first + index)) return;
    throw this.wrong(`a history of ${offsets.join()} ends at ${position.offset}`);
  }

  /** What a client is given that was at a position, and is at another one then. */
  recovered(from: Position | undefined, to: Position, messages: readonly ChannelMessage[]): void {
    if (from === undefined || from.epoch !== to.epoch) throw this.wrong("recovered across epochs");
    const offsets = messages.map(({ offset = Number.NaN }) => offset);
    const wanted = Array.from({ length: to.offset - from.offset }, (_, i) => from.offset + i + 1);
    if (offsets.join() === wanted.join()) return;
    throw this.wrong(`recovered ${offsets.join()} from ${from.offset} to ${to.offset}`);
  }

  wrong(problem: string): Error {
    this.problems.push(problem);
    return new Error(problem);
  }
}
