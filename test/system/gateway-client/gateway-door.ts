import { eventually } from "../../support/eventually.ts";
import { FrontDoor } from "../../support/front-door.ts";
import type { GatewayPair } from "../../support/gateway-pair.ts";
import { Random } from "../../support/random.ts";

/** A load balancer in front of one gateway of a pair at a time. */
export class GatewayDoor implements AsyncDisposable {
  readonly #pair: GatewayPair;
  readonly #door: FrontDoor;

  private constructor(pair: GatewayPair, door: FrontDoor) {
    this.#pair = pair;
    this.#door = door;
  }

  /** Leads to the first gateway. */
  static async open(pair: GatewayPair): Promise<GatewayDoor> {
    const door = new GatewayDoor(pair, await FrontDoor.open(new Random(1)));
    door.leadTo(0);
    return door;
  }

  get port(): number {
    return this.#door.port;
  }

  /** From now on, whoever comes is led to this gateway. */
  leadTo(index: 0 | 1): void {
    this.#door.remove(1 - index);
    this.#door.add(index, this.#pair.port(index));
  }

  /** The same, and those that are there are cut off. */
  moveTo(index: 0 | 1): void {
    this.leadTo(index);
    this.#door.cut(new Random(1), 1);
  }

  /** Cuts all clients off, does something, and lets them come back to this gateway. */
  async away(work: () => Promise<unknown>, index: 0 | 1 = 1): Promise<void> {
    this.#door.remove(0);
    this.#door.remove(1);
    this.#door.cut(new Random(1), 1);
    await eventually("all are cut off", () => this.#door.connections === 0);
    await work();
    this.moveTo(index);
  }

  /** Lets nothing pass, until it is told to go on. */
  hang(): { resume(): void } {
    return this.#door.hang(new Random(1), 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#door[Symbol.asyncDispose]();
  }
}
