/** What clients saw while versions were replaced under them, and what must hold of it. */

/** A recoverable subscription of one client, with everything that it was told, in order. */
export interface Follower {
  readonly name: string;
  readonly channel: string;
  readonly seen: readonly (Subscribed | Delivered)[];
}

export interface Subscribed {
  readonly kind: "subscribed";
  /** Undefined when it was subscribed for the first time. */
  readonly recovered: boolean | undefined;
  readonly offset: number;
  readonly epoch: string;
}

export interface Delivered {
  readonly kind: "publication";
  readonly offset: number;
  readonly id: string;
}

export interface Published {
  readonly channel: string;
  readonly id: string;
  /** False when nobody said whether it was published. */
  readonly acknowledged: boolean;
}

/** The end of a websocket that its client did not ask for. */
export interface Closing {
  readonly at: number;
  readonly endpoint: "protocol" | "raw";
  readonly code: number;
}

/** Every loss, repetition and disorder, in words; empty when there was none. */
export function lossProblems(
  followers: readonly Follower[],
  published: readonly Published[],
): string[] {
  const byChannel = Map.groupBy(followers, ({ channel }) => channel);
  return [...byChannel].flatMap(([channel, own]) => [
    ...own.flatMap(chainProblems),
    ...agreementProblems(own),
    ...publicationProblems(
      own,
      published.filter((one) => one.channel === channel),
    ),
  ]);
}

/** Offsets go up by one, in one epoch, and each return recovers. */
function chainProblems({ name, seen }: Follower): string[] {
  const problems: string[] = [];
  let last: number | undefined;
  let epoch: string | undefined;
  for (const event of seen) {
    if (event.kind === "publication") {
      if (last === undefined) problems.push(`${name} got ${event.id} before it was subscribed`);
      else if (event.offset !== last + 1) {
        problems.push(`${name} got offset ${event.offset} after ${last}`);
      }
      last = event.offset;
      continue;
    }
    epoch ??= event.epoch;
    if (event.epoch !== epoch) problems.push(`${name} was moved to another epoch`);
    if (last !== undefined && event.recovered !== true) {
      problems.push(`${name} came back at offset ${last} and did not recover`);
    }
    last ??= event.offset;
  }
  if (last === undefined) problems.push(`${name} was never subscribed`);
  return problems;
}

/** What is at an offset, and what is the last, is the same for all. */
function agreementProblems(followers: readonly Follower[]): string[] {
  const problems: string[] = [];
  const truth = new Map<number, string>();
  const ends = new Map<number, string>();
  for (const { name, seen } of followers) {
    let end = 0;
    for (const event of seen) {
      end = Math.max(end, event.offset);
      if (event.kind !== "publication") continue;
      const other = truth.get(event.offset) ?? event.id;
      truth.set(event.offset, other);
      if (other !== event.id) {
        problems.push(
          `${name} got ${event.id} at offset ${event.offset}, where others got ${other}`,
        );
      }
    }
    ends.set(end, name);
  }
  if (ends.size > 1) {
    const text = [...ends].map(([end, name]) => `${name} at ${end}`).join(", ");
    problems.push(`subscribers ended at different offsets: ${text}`);
  }
  return problems;
}

function publicationProblems(
  followers: readonly Follower[],
  published: readonly Published[],
): string[] {
  const known = new Map(published.map((one) => [one.id, one]));
  return followers.flatMap(({ name, seen }) => {
    const problems: string[] = [];
    const got = new Set<string>();
    for (const event of seen) {
      if (event.kind !== "publication") continue;
      if (got.has(event.id)) problems.push(`${name} got ${event.id} twice`);
      if (!known.has(event.id)) problems.push(`${name} got ${event.id}, which nobody published`);
      got.add(event.id);
    }
    for (const { id, acknowledged } of published) {
      if (acknowledged && !got.has(id)) problems.push(`${name} lost ${id}`);
    }
    return problems;
  });
}

/** Codes by which a gateway that stops asks clients to come back: docs/realtime.md, docs/raw-websocket.md. */
const moveCodes = { protocol: 3001, raw: 1001 } as const;
/** A gateway asks in waves, 0.1 s apart; closings that are further apart than this are of two waves. */
const betweenWavesMs = 40;
/** Of twelve waves in 1.1 s; a busy client may see some of them as one. */
const leastWaves = 3;
const leastOverMs = 600;
const mostAtOnce = 0.75;

/**
 * What was wrong with how one gateway asked its websockets to move.
 *
 * @param open how many it had
 */
export function moveProblems(
  closings: readonly Closing[],
  open: Readonly<Record<Closing["endpoint"], number>>,
): string[] {
  const problems = new Set<string>();
  for (const endpoint of ["protocol", "raw"] as const) {
    const own = closings.filter((closing) => closing.endpoint === endpoint);
    if (own.length !== open[endpoint]) {
      problems.add(`${own.length} of ${open[endpoint]} ${endpoint} websockets were closed`);
    }
    for (const { code } of own) {
      if (code !== moveCodes[endpoint]) {
        problems.add(`a ${endpoint} websocket was closed with ${code}`);
      }
    }
  }
  const times = closings.map(({ at }) => at).sort((a, b) => a - b);
  /** How many each wave had. */
  const waves: number[] = [];
  for (const [index, at] of times.entries()) {
    if (at - (times[index - 1] ?? -Infinity) > betweenWavesMs) waves.push(0);
    waves[waves.length - 1] = (waves.at(-1) ?? 0) + 1;
  }
  const overMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
  const largest = Math.max(0, ...waves);
  if (waves.length < leastWaves || overMs < leastOverMs || largest > mostAtOnce * closings.length) {
    problems.add(
      `websockets were closed in ${waves.length} waves, of ${waves.join(", ")}, within ${overMs.toFixed(0)} ms`,
    );
  }
  return [...problems];
}
