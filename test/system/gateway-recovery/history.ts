/** What clients did and saw, and what must hold of it. */

export interface Position {
  readonly offset: number;
  readonly epoch: string;
}

/** A subscribe reply. */
export interface Subscribed {
  readonly kind: "subscribed";
  readonly at: number;
  readonly wasRecovering: boolean;
  readonly recovered: boolean;
  /** Undefined when the channel is neither positioned nor recoverable. */
  readonly position: Position | undefined;
  /** True when the reply brought publications. */
  readonly brought: boolean;
}

/** A publication, from a reply or live: a client cannot tell. */
export interface Delivered {
  readonly kind: "publication";
  readonly at: number;
  readonly offset: number | undefined;
  readonly id: string;
}

/** The client gave up: it will not come back by itself. */
export interface Ended {
  readonly kind: "ended";
  readonly at: number;
  readonly reason: string;
}

/** One subscription of one client, across all its reconnects. */
export interface Follower {
  readonly name: string;
  readonly channel: string;
  /** From where it asked to be recovered when it first came; undefined: from now on. */
  readonly since?: Position | undefined;
  readonly seen: readonly (Subscribed | Delivered | Ended)[];
}

/** A publication as its publisher knows it; times of one monotonic clock. */
export interface Publish {
  readonly id: string;
  readonly channel: string;
  readonly publisher: string;
  /** Counts the publisher's publications. */
  readonly sequence: number;
  readonly invoked: number;
  /** When it was acknowledged; undefined when it was not. */
  readonly acknowledged?: number | undefined;
  /** A publisher that cannot know whether it was heard may send it twice. */
  readonly repeatable: boolean;
}

/** What a gateway says of a channel in the end. */
export interface Answer {
  readonly gateway: string;
  readonly channel: string;
  readonly position: Position;
  readonly publications: readonly { readonly offset: number | undefined; readonly id: string }[];
}

export interface History {
  readonly followers: readonly Follower[];
  readonly publishes: readonly Publish[];
  /** For each channel the ids of all that its stream ever stored, in the stream's order. */
  readonly truth: ReadonlyMap<string, readonly string[]>;
  readonly answers: readonly Answer[];
  /** So many of the latest publications of a channel must be recoverable. */
  readonly reachable: number;
  /** By channel, how many publications there had been when somebody deleted its history. */
  readonly purged?: ReadonlyMap<string, number>;
  /** True when nothing may ever have been lost: each channel has one epoch from beginning to end. */
  readonly lossless: boolean;
}

/** Every violation, in words; empty when the history is a correct one. */
export function violations(history: History): string[] {
  const numbering = new Numbering(history);
  return [
    ...publishProblems(history),
    ...numbering.problems,
    ...history.followers.flatMap((follower) => followerProblems(follower, history, numbering)),
    ...answerProblems(history, numbering),
  ];
}

/** Nothing that was acknowledged is lost, nothing is there twice, nothing comes from nowhere. */
function publishProblems({ publishes, truth }: History): string[] {
  const problems: string[] = [];
  const known = new Map(publishes.map((publish) => [publish.id, publish]));
  const indexes = new Map<string, number>();
  for (const [channel, ids] of truth) {
    for (const [index, id] of ids.entries()) {
      const publish = known.get(id);
      if (publish === undefined) problems.push(`${id} is in ${channel}, but nobody published it`);
      else if (publish.channel !== channel) {
        problems.push(`${id} was published to ${publish.channel}, but is in ${channel}`);
      } else if (indexes.has(id) && !publish.repeatable) {
        problems.push(`${id} was published once, but is twice in ${channel}`);
      }
      if (!indexes.has(id)) indexes.set(id, index);
    }
  }
  for (const { id, channel, acknowledged } of publishes) {
    if (acknowledged !== undefined && !indexes.has(id)) {
      problems.push(`${id} was acknowledged, but is not in ${channel}`);
    }
  }
  const byPublisher = Map.groupBy(publishes, ({ publisher, channel }) => `${publisher} ${channel}`);
  for (const own of byPublisher.values()) problems.push(...orderProblems(own, indexes));
  return problems;
}

/** What was acknowledged before the next was sent is before it. */
function orderProblems(own: readonly Publish[], indexes: ReadonlyMap<string, number>): string[] {
  const problems: string[] = [];
  let before: Publish | undefined;
  let highest = -1;
  for (const publish of own.toSorted((a, b) => a.sequence - b.sequence)) {
    const index = indexes.get(publish.id);
    if (index === undefined) continue;
    if (
      before !== undefined &&
      index < highest &&
      (before.acknowledged ?? Infinity) < publish.invoked
    ) {
      problems.push(`${publish.id} was published after ${before.id} was there, but is before it`);
    }
    if (index > highest && publish.acknowledged !== undefined) [before, highest] = [publish, index];
  }
  return problems;
}

/** How the offsets of each epoch count the truth, from everything that anybody saw. */
class Numbering {
  readonly problems: string[] = [];
  /** By channel and epoch: the index in the truth of what has the offset 0. */
  readonly #bases = new Map<string, number>();

  constructor({ followers, answers, truth, lossless }: History) {
    const seen = new Map<string, Map<string, Sighting[]>>();
    const note = (channel: string, epoch: string, sightings: readonly Sighting[]): void => {
      const epochs = seen.get(channel) ?? new Map<string, Sighting[]>();
      seen.set(channel, epochs);
      const all = epochs.get(epoch) ?? [];
      epochs.set(epoch, all);
      for (const sighting of sightings) all.push(sighting);
    };
    for (const follower of followers) {
      let epoch: string | undefined;
      let own: Sighting[] = [];
      const flush = (): void => {
        if (epoch !== undefined) note(follower.channel, epoch, own);
        own = [];
      };
      for (const event of follower.seen) {
        if (event.kind === "subscribed") {
          flush();
          epoch = event.position?.epoch;
        } else if (event.kind === "publication") own.push({ ...event, by: follower.name });
      }
      flush();
    }
    for (const { gateway, channel, position, publications } of answers) {
      const sightings = publications.map((publication) => ({ ...publication, by: gateway }));
      note(channel, position.epoch, sightings);
    }
    for (const [channel, epochs] of seen) {
      const ids = truth.get(channel) ?? [];
      for (const [epoch, sightings] of epochs) this.#learn(channel, epoch, ids, sightings);
      if (lossless && epochs.size > 1) {
        const list = [...epochs.keys()].join(", ");
        this.problems.push(
          `${channel} has ${epochs.size} epochs (${list}), though nothing was lost`,
        );
      }
      const bases = [...epochs.keys()].flatMap((epoch) => this.#base(channel, epoch) ?? []);
      const first = Math.min(...bases);
      // Of a short history, the beginning may have been forgotten before anybody came.
      const counted = lossless || followers.some((follower) => sawBeginning(follower, channel));
      if (counted && bases.length > 0 && first !== -1) {
        this.problems.push(
          `the first publication of ${channel} has the offset ${-first} instead of 1`,
        );
      }
    }
  }

  /** Where in the truth a position is: the index of the last publication up to it. */
  index(channel: string, { offset, epoch }: Position): number | undefined {
    const base = this.#base(channel, epoch);
    return base === undefined ? undefined : base + offset;
  }

  #base(channel: string, epoch: string): number | undefined {
    return this.#bases.get(`${channel} ${epoch}`);
  }

  #learn(
    channel: string,
    epoch: string,
    ids: readonly string[],
    sightings: readonly Sighting[],
  ): void {
    const places = Map.groupBy(ids.keys(), (index) => ids[index]);
    // What most of them say; of an id that is stored twice, either place may be the right one.
    const votes = new Map<number, number>();
    for (const { id, offset } of sightings) {
      if (offset === undefined) continue;
      for (const index of places.get(id) ?? []) {
        votes.set(index - offset, (votes.get(index - offset) ?? 0) + 1);
      }
    }
    const [elected] = [...votes].sort(([, a], [, b]) => b - a);
    const [base] = elected ?? [];
    if (base !== undefined) this.#bases.set(`${channel} ${epoch}`, base);
    const wrong = sightings.filter(
      ({ id, offset }) => offset === undefined || base === undefined || ids[base + offset] !== id,
    );
    for (const { by, id, offset } of wrong.slice(0, 5)) {
      const there = base === undefined || offset === undefined ? undefined : ids[base + offset];
      this.problems.push(
        `${by} got ${id} on ${channel} with the offset ${offset ?? "none"} of epoch ${epoch}, ` +
          `which is ${there ?? "nobody's"}`,
      );
    }
  }
}

/** Whether it came when nothing had been published. */
function sawBeginning({ channel, seen: [first] }: Follower, of: string): boolean {
  return channel === of && first?.kind === "subscribed" && first.position?.offset === 0;
}

interface Sighting {
  readonly by: string;
  readonly offset: number | undefined;
  readonly id: string;
}

/** What one subscription got is the stream, without hole or repetition, or it was told. */
function followerProblems(
  { name, channel, since, seen }: Follower,
  { truth, reachable, purged, answers }: History,
  numbering: Numbering,
): string[] {
  const problems: string[] = [];
  const indexes = {
    reachable,
    gone: purged?.get(channel) ?? 0,
    index: (position: Position) => numbering.index(channel, position),
  };
  const who = `${name} on ${channel}`;
  let at: Position | undefined = since;
  let ended = false;
  for (const event of seen) {
    switch (event.kind) {
      case "ended":
        problems.push(`${who} was sent away: ${event.reason}`);
        ended = true;
        break;
      case "publication":
        if (at === undefined) {
          problems.push(`${who} got ${event.id} before it was subscribed`);
        } else if (event.offset !== at.offset + 1) {
          const kind =
            event.offset === undefined
              ? "without an offset"
              : event.offset <= at.offset
                ? `again or late (offset ${event.offset})`
                : `with the offset ${event.offset}`;
          problems.push(`${who} got ${event.id} ${kind} after the offset ${at.offset}`);
        }
        if (at !== undefined) at = { ...at, offset: event.offset ?? at.offset };
        break;
      case "subscribed":
        problems.push(...replyProblems(event, at, indexes).map((problem) => `${who} ${problem}`));
        at = {
          epoch: event.position?.epoch ?? "",
          offset: event.position?.offset ?? at?.offset ?? 0,
        };
        break;
    }
  }
  if (ended) return problems;
  const length = truth.get(channel)?.length ?? 0;
  const index = at === undefined ? undefined : numbering.index(channel, at);
  if (at === undefined) problems.push(`${who} was never subscribed`);
  else if (index !== undefined && index + 1 !== length) {
    problems.push(`${who} ended at publication ${index + 1} of ${length}`);
  } else if (index === undefined) {
    // Nobody got anything in its epoch; what the gateways say of the end must do.
    const end = answers.find((answer) => answer.channel === channel)?.position;
    if (end !== undefined && (end.offset !== at.offset || end.epoch !== at.epoch)) {
      problems.push(`${who} ended at the offset ${at.offset} of epoch ${at.epoch}, not at the end`);
    }
  }
  return problems;
}

/**
 * @param before where the client was, and from where it asked to be recovered
 * @param indexes.gone how many publications were deleted before their time
 */
function replyProblems(
  { position, wasRecovering, recovered, brought }: Subscribed,
  before: Position | undefined,
  indexes: {
    readonly reachable: number;
    readonly gone: number;
    readonly index: (position: Position) => number | undefined;
  },
): string[] {
  const { reachable, gone, index } = indexes;
  if (position === undefined) return ["was subscribed without a position"];
  const problems: string[] = [];
  if (position.epoch === "") problems.push("was subscribed without an epoch");
  if (before === undefined) {
    if (wasRecovering) problems.push("was recovered without having asked");
    if (brought) problems.push("got publications with its first reply");
    return problems;
  }
  if (!wasRecovering) problems.push("asked to be recovered, and was not told whether it was");
  const text = `offset ${before.offset} of epoch ${before.epoch}`;
  const sameEpoch = before.epoch === "" || before.epoch === position.epoch;
  if (recovered) {
    if (!sameEpoch) problems.push(`was recovered from ${text} in epoch ${position.epoch}`);
    if (position.offset !== before.offset) {
      problems.push(`was recovered from the offset ${position.offset}, but asked from ${text}`);
    }
    return problems;
  }
  if (brought) problems.push("got publications, though it was not recovered");
  if (sameEpoch && position.offset < before.offset) {
    problems.push(`was put back from ${text} to ${position.offset}`);
  }
  const here = index(before.epoch === "" ? { ...before, epoch: position.epoch } : before);
  const top = index(position);
  const missing = here === undefined || top === undefined ? undefined : top - here;
  const wasDeleted = gone > 0 && here !== undefined && here < gone;
  if (missing !== undefined && missing >= 0 && missing <= reachable && !wasDeleted) {
    problems.push(
      `was not recovered from ${text}, though only ${missing} publications followed (now offset ` +
        `${position.offset} of epoch ${position.epoch})`,
    );
  }
  return problems;
}

/** All gateways say the same, and it is the end of the stream. */
function answerProblems({ answers, truth, reachable }: History, numbering: Numbering): string[] {
  const problems: string[] = [];
  for (const [channel, all] of Map.groupBy(answers, (answer) => answer.channel)) {
    const ids = truth.get(channel) ?? [];
    const positions = new Set(all.map(({ position }) => `${position.offset} of ${position.epoch}`));
    if (positions.size > 1) {
      const list = all.map(
        ({ gateway, position }) => `${position.offset} of epoch ${position.epoch} (${gateway})`,
      );
      problems.push(`the gateways do not agree where ${channel} ends: ${list.join(", ")}`);
    }
    for (const { gateway, position, publications } of all) {
      const index = numbering.index(channel, position);
      if (index !== undefined && index !== ids.length - 1) {
        problems.push(
          `${gateway} says that ${channel} ends at publication ${index + 1} of ${ids.length}`,
        );
      }
      const wanted = ids.slice(-reachable);
      const got = publications.map(({ id }) => id);
      if (got.join() !== wanted.join()) {
        problems.push(
          `${gateway} has ${got.length} publications of ${channel} in its history, ` +
            `not the last ${wanted.length} in order`,
        );
      }
    }
  }
  return problems;
}
