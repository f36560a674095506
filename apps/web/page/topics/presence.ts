import { computed, type ReadonlySignal, signal } from "@preact/signals";

/** A client on a channel. */
export interface Present {
  readonly client: string;
  /** Empty: an anonymous one. */
  readonly user: string;
  /** What its token says of it, if anything. */
  readonly info: unknown;
}

export interface Movement {
  /** Counts from 1 on. */
  readonly number: number;
  readonly kind: "join" | "leave";
  readonly at: number;
  readonly who: Present;
}

export type PresenceState = "unknown" | "asking" | "known" | "refused";

/** What there is to see of a presence. */
export interface PresenceView {
  /** Counts the drawings. */
  readonly drawing: number;
  /** The first of them, in order of users and ids. */
  readonly clients: readonly Present[];
  /** How many there are. */
  readonly count: number;
  /** Whether more of them may be there than are known. */
  readonly more: boolean;
  /** Newest first. */
  readonly movements: readonly Movement[];
  /** When the gateways were last asked, in milliseconds since 1970. */
  readonly askedAt: number | undefined;
  /** Whether joins and leaves come by themselves: one has. */
  readonly announced: boolean;
}

/** So many clients are remembered, and so many shown. */
const keptClients = 1_000;
const shownClients = 50;
/** So many joins and leaves are kept. */
const keptMovements = 30;

interface Info {
  readonly client: string;
  readonly user: string;
  readonly connInfo?: unknown;
  readonly chanInfo?: unknown;
}

/**
 * Who is on a channel: what the gateways answered when they were asked, and the joins and leaves since. Those
 * that come while they are asked count for more than the answer, which may be older.
 */
export class Presence {
  readonly #clients = new Map<string, Present>();
  #movements: readonly Movement[] = [];
  #moved = 0;
  #more = false;
  #askedAt: number | undefined;
  #announced = false;
  /** Whether there is something to see that `view` does not have. */
  #undrawn = false;
  /** Joins and leaves since the question that is open. */
  #since: Movement[] | undefined;
  #question = 0;
  readonly #state = signal<PresenceState>("unknown");
  readonly #problem = signal<string | undefined>(undefined);
  readonly #revision = signal(0);

  readonly view: ReadonlySignal<PresenceView> = computed(() => {
    const drawing = this.#revision.value;
    const clients = [...this.#clients.values()].sort(inOrder);
    return {
      drawing,
      clients: clients.slice(0, shownClients),
      ...{ count: clients.length, more: this.#more, movements: this.#movements },
      ...{ askedAt: this.#askedAt, announced: this.#announced },
    };
  });

  get state(): ReadonlySignal<PresenceState> {
    return this.#state;
  }

  /** Why nobody is known. */
  get problem(): ReadonlySignal<string | undefined> {
    return this.#problem;
  }

  /** The gateways are asked. @returns takes their answer, unless they have been asked again meanwhile */
  ask(): {
    readonly answered: (clients: Readonly<Record<string, Info>>, at: number) => void;
    readonly refused: (problem: string) => void;
  } {
    const question = ++this.#question;
    this.#since = [];
    this.#state.value = "asking";
    return {
      answered: (clients, at) => {
        if (question === this.#question) this.#answered(clients, at);
      },
      refused: (problem) => {
        if (question !== this.#question) return;
        this.#since = undefined;
        this.#problem.value = problem;
        this.#state.value = "refused";
      },
    };
  }

  join(info: Info, at: number): void {
    this.#move("join", info, at);
  }

  leave(info: Info, at: number): void {
    this.#move("leave", info, at);
  }

  /** Makes who came and went visible: `view` changes, where somebody did. */
  draw(): void {
    if (!this.#undrawn) return;
    this.#undrawn = false;
    this.#revision.value += 1;
  }

  #answered(clients: Readonly<Record<string, Info>>, at: number): void {
    const since = this.#since ?? [];
    this.#since = undefined;
    this.#clients.clear();
    this.#more = false;
    for (const id in clients) {
      const info = clients[id];
      if (info !== undefined) this.#remember(presentOf(info));
    }
    for (const movement of since) this.#apply(movement);
    this.#undrawn = true;
    this.#askedAt = at;
    this.#problem.value = undefined;
    this.#state.value = "known";
    this.draw();
  }

  #move(kind: Movement["kind"], info: Info, at: number): void {
    const movement = { number: ++this.#moved, kind, at, who: presentOf(info) };
    this.#undrawn = true;
    this.#announced = true;
    this.#movements = [movement, ...this.#movements].slice(0, keptMovements);
    // Bounded: who is asked about more than that has an answer that is no better.
    if (this.#since !== undefined && this.#since.length < 2 * keptClients) {
      this.#since.push(movement);
    }
    this.#apply(movement);
  }

  #apply({ kind, who }: Movement): void {
    if (kind === "join") this.#remember(who);
    else this.#clients.delete(who.client);
  }

  #remember(who: Present): void {
    if (this.#clients.size < keptClients || this.#clients.has(who.client)) {
      this.#clients.set(who.client, who);
    } else {
      this.#more = true;
    }
  }
}

function presentOf({ client, user, connInfo, chanInfo }: Info): Present {
  return { client, user, info: chanInfo ?? connInfo };
}

function inOrder(a: Present, b: Present): number {
  const [left, right] = a.user === b.user ? [a.client, b.client] : [a.user, b.user];
  return left < right ? -1 : 1;
}
