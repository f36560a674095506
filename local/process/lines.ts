/** From a process's output to lines. */
import { StringDecoder } from "node:string_decoder";

/**
 * Cuts a stream of bytes into lines. What a line has beyond `maxChars` is dropped and said so:
 * a process that never ends its line must not fill the memory.
 */
export class LineCutter {
  readonly #decoder = new StringDecoder("utf8");
  readonly #maxChars: number;
  readonly #onLine: (line: string) => void;
  #rest = "";
  #dropped = 0;

  constructor(onLine: (line: string) => void, maxChars = 16_384) {
    this.#onLine = onLine;
    this.#maxChars = maxChars;
  }

  push(chunk: Buffer): void {
    const parts = this.#decoder.write(chunk).split("\n");
    const last = parts.pop() ?? "";
    for (const part of parts) {
      this.#append(part);
      this.#emit();
    }
    this.#append(last);
  }

  /** The stream ended: what has no newline is a line too. */
  end(): void {
    this.#append(this.#decoder.end());
    if (this.#rest !== "") this.#emit();
  }

  #append(text: string): void {
    const room = this.#maxChars - this.#rest.length;
    this.#rest += text.slice(0, room);
    this.#dropped += Math.max(0, text.length - room);
  }

  #emit(): void {
    const line = this.#rest.endsWith("\r") ? this.#rest.slice(0, -1) : this.#rest;
    const note = this.#dropped > 0 ? ` … (${this.#dropped} more characters)` : "";
    this.#rest = "";
    this.#dropped = 0;
    this.#onLine(line + note);
  }
}
