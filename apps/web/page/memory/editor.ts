import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { messageOf } from "../ui/format.ts";
import type { Content } from "./api.ts";
import type { Updates } from "./updates.ts";

const maxKeyLength = 512;
/** Of a request's body; the key and what stands around it are some of it. */
const maxBodyBytes = 256 * 1024;

/** What is wrong with a key; undefined when nothing is. */
export function keyProblem(key: string): string | undefined {
  if (key === "") return "A key is needed.";
  if (key.length <= maxKeyLength) return undefined;
  return `A key has at most ${maxKeyLength} characters; this one has ${key.length}.`;
}

/** What is wrong with a value; undefined when nothing is. */
export function valueProblem(text: string): string | undefined {
  if (text.trim() === "") return 'A value is needed: JSON, such as 12, "text" or {"a": [1, 2]}.';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return /^[\s]*["{[]/.test(text)
      ? `This is no JSON: ${messageOf(error)}.`
      : `This is no JSON; a text stands in quotes: ${JSON.stringify(text.trim().slice(0, 40))}.`;
  }
  if (value === null) return "null deletes a key; use Delete for that.";
  const bytes = new TextEncoder().encode(text).length;
  if (bytes <= maxBodyBytes) return undefined;
  return `A change has at most 256 KiB; this one has ${Math.ceil(bytes / 1024)}.`;
}

/** A key and a value that a person is writing. */
export class Editor {
  readonly #content: ReadonlySignal<Content | undefined>;
  readonly #updates: Pick<Updates, "set" | "list">;
  readonly #key = signal("");
  readonly #text = signal("");
  /** What stood at the key, and at which revision, when the person began; undefined: nothing. */
  readonly #base = signal<{ readonly value: string | undefined; readonly rev: number }>({
    value: undefined,
    rev: 0,
  });
  readonly #tried = signal(false);
  readonly #sent = signal<number | undefined>(undefined);
  /** What is on its way from here, as it will stand there: it may be seen before it is confirmed. */
  readonly #own = signal<{ readonly key: string; readonly value: string } | undefined>(undefined);

  constructor(
    content: ReadonlySignal<Content | undefined>,
    updates: Pick<Updates, "set" | "list">,
  ) {
    this.#content = content;
    this.#updates = updates;
  }

  get key(): ReadonlySignal<string> {
    return this.#key;
  }

  get text(): ReadonlySignal<string> {
    return this.#text;
  }

  /** What stands at the key now; undefined: nothing. */
  readonly there: ReadonlySignal<string | undefined> = computed(() =>
    this.#content.value?.entries.get(this.#key.value),
  );

  /** Whether somebody has changed the key since the person began. */
  readonly moved: ReadonlySignal<boolean> = computed(() => {
    const { value, rev } = this.#base.value;
    const known = this.#content.value?.rev ?? -1;
    const key = this.#key.value;
    const there = this.there.value;
    if (key === "" || known < rev || there === value) return false;
    const own = this.#own.value;
    return own?.key !== key || own.value !== there;
  });

  /** Said once the person has tried to send it: nobody is told that a field is empty before. */
  readonly problems: ReadonlySignal<{
    readonly key: string | undefined;
    readonly value: string | undefined;
  }> = computed(() =>
    this.#tried.value
      ? { key: keyProblem(this.#key.value), value: valueProblem(this.#text.value) }
      : { key: undefined, value: undefined },
  );

  /** The last change that was sent from here. */
  get sent(): ReadonlySignal<number | undefined> {
    return this.#sent;
  }

  setKey(key: string): void {
    this.#key.value = key;
    this.accept();
  }

  setText(text: string): void {
    this.#text.value = text;
  }

  /** Takes a key with its value. */
  load(key: string): void {
    this.setKey(key);
    const there = this.there.peek();
    this.#text.value = there === undefined ? "" : JSON.stringify(JSON.parse(there), undefined, 2);
    this.#tried.value = false;
    this.#sent.value = undefined;
  }

  /** The person has seen what stands there now, and goes on. */
  accept(): void {
    const content = this.#content.peek();
    this.#base.value = {
      value: content?.entries.get(this.#key.peek()),
      rev: content?.rev ?? 0,
    };
  }

  /** Sends it, if nothing is wrong with it. */
  submit(): boolean {
    this.#tried.value = true;
    const { key, value } = this.problems.peek();
    if (key !== undefined || value !== undefined) return false;
    const text = this.#text.peek();
    const own = { key: this.#key.peek(), value: JSON.stringify(JSON.parse(text)) };
    this.#own.value = own;
    this.#sent.value = this.#updates.set(own.key, text, this.#base.peek().value, (rev) => {
      // What is there now is what was written from here.
      if (this.#key.peek() === own.key) this.#base.value = { value: own.value, rev };
      if (this.#own.peek() === own) this.#own.value = undefined;
    });
    this.#tried.value = false;
    return true;
  }
}
