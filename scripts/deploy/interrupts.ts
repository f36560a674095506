/**
 * Ctrl-C and the like, while a child works that must come to its own end: Pulumi that is killed leaves a
 * lock on the state, and does not know what became of its last requests. So the first signal is passed
 * on, once (a second one would make Pulumi stop at once), and its end is waited for.
 */
import type { ChildProcess } from "node:child_process";

const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type Name = (typeof names)[number];
/** What a shell says of a process that died of it. */
const numbers = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

export class Interrupts implements Disposable {
  readonly #aborted = new AbortController();
  readonly #say: (text: string) => void;
  readonly #handlers: readonly (readonly [Name, () => void])[];
  #child: ChildProcess | undefined;
  #first: Name | undefined;

  /** @param say tells the user what happens */
  constructor(say: (text: string) => void) {
    this.#say = say;
    this.#handlers = names.map((name) => [
      name,
      () => {
        this.#received(name);
      },
    ]);
    for (const [name, handler] of this.#handlers) process.on(name, handler);
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#aborted.signal;
  }

  /** The exit code that a signal asks for; undefined when there was none. */
  get exitCode(): number | undefined {
    return this.#first === undefined ? undefined : 128 + numbers[this.#first];
  }

  /** From now on until it ends, the child gets the first signal. */
  guard(child: ChildProcess): void {
    this.#child = child;
    child.once("exit", () => (this.#child = undefined));
    // It came between the last child and this one.
    if (this.#first !== undefined) this.#pass(this.#first);
  }

  [Symbol.dispose](): void {
    for (const [name, handler] of this.#handlers) process.off(name, handler);
  }

  #received(name: Name): void {
    const again = this.#first !== undefined;
    this.#first ??= name;
    if (again) {
      if (this.#child !== undefined) {
        this.#say(
          `Still waiting for pulumi (process ${this.#child.pid ?? "?"}) to come to an end. Killing it would leave ` +
            "a lock, and resources of which it does not know whether they exist.",
        );
      }
      return;
    }
    if (this.#child !== undefined) this.#pass(name);
    this.#aborted.abort(new Error(name));
  }

  #pass(name: Name): void {
    this.#say(`${name}: pulumi ends what it has begun and stops. Waiting for it.`);
    // A terminal that is gone is nothing that Pulumi knows how to take.
    this.#child?.kill(name === "SIGHUP" ? "SIGTERM" : name);
  }
}
