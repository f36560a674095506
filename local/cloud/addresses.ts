/** Addresses that the program declares, and the loopback ports that stand for their ports. */
import { freePort, loopback, releasePort } from "./ports.ts";

export class Addresses {
  /** address → port in the cloud → port here. */
  readonly #declared = new Map<string, Map<number, Promise<number>>>();

  declare(address: string): void {
    if (!this.#declared.has(address)) this.#declared.set(address, new Map());
  }

  async forget(address: string): Promise<void> {
    const ports = this.#declared.get(address);
    this.#declared.delete(address);
    for (const port of ports?.values() ?? []) releasePort(await port);
  }

  has(address: string): boolean {
    return this.#declared.has(address);
  }

  /**
   * The port here that stands for a port of a declared address; the same one as long as the
   * address is declared, whatever happens to the machine that has it.
   */
  port(address: string, cloudPort: number): Promise<number> {
    const ports = this.#declared.get(address);
    if (ports === undefined) throw new Error(`the program declares no address ${address}`);
    let port = ports.get(cloudPort);
    if (port === undefined) {
      port = freePort();
      ports.set(cloudPort, port);
    }
    return port;
  }

  /**
   * The text with every `<declared address>:<port>` replaced by what stands for it here.
   * @throws Error when a declared address is in it without a port
   */
  async translate(text: string): Promise<string> {
    let result = text;
    for (const address of this.#declared.keys()) {
      const escaped = address.replaceAll(".", "\\.");
      const withPort = new RegExp(`(?<![\\d.])${escaped}:(\\d{1,5})(?!\\d)`, "g");
      for (const [whole, port] of text.matchAll(withPort)) {
        const here = await this.port(address, Number(port));
        result = result.replaceAll(
          new RegExp(`(?<![\\d.])${whole.replaceAll(".", "\\.")}(?!\\d)`, "g"),
          `${loopback}:${here}`,
        );
      }
      if (new RegExp(`(?<![\\d.])${escaped}(?![\\d.])`).test(result)) {
        throw new Error(
          `"${text}" names the address ${address} without a port; the local cloud can translate only ${address}:<port>`,
        );
      }
    }
    return result;
  }
}
