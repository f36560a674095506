/** Short runs that lead straight to where one defect shows. The real gateway passes them all. */
import { eventually } from "../../support/eventually.ts";
import { centrifuge, subjectOf } from "../../support/gateway-process.ts";
import { natsClient, Publisher, Recorder, Subscriber } from "./clients.ts";
import { type Position, violations } from "./history.ts";
import type { mutants } from "./mutants.ts";
import { speakingOf } from "./plan.ts";
import { rest, World } from "./world.ts";

const channel = "news";
/** In the same stream. */
const neighbour = "weather";

export interface Scenario {
  readonly name: string;
  /** `history_size`. */
  readonly size: number;
  /** False: with a loss that everybody is told of. */
  readonly lossless: boolean;
  readonly run: (scene: Scene) => Promise<void>;
  /** What the checker finds when the defect is there. */
  readonly finding: RegExp;
}

/** Two gateways, one channel, and what a scenario does with them. */
export class Scene {
  readonly world: World;
  readonly #stack: AsyncDisposableStack;
  readonly #subscribers: Subscriber[] = [];
  readonly #publishers: Publisher[] = [];
  readonly #recorder: Recorder;
  readonly #purged = new Map<string, number>();
  #sequence = 0;

  private constructor(world: World, stack: AsyncDisposableStack, recorder: Recorder) {
    this.world = world;
    this.#stack = stack;
    this.#recorder = recorder;
  }

  /** Plays a scenario; what the checker says of it. */
  static async play({ size, lossless, run }: Scenario, main?: string): Promise<string[]> {
    await using world = await World.start({ gateways: 2, size, main });
    await using stack = new AsyncDisposableStack();
    const recorder = await Recorder.start(world.nats.port, [channel, neighbour]);
    stack.defer(() => recorder.close());
    const scene = new Scene(world, stack, recorder);
    await run(scene);
    await Promise.all(scene.#publishers.map((publisher) => publisher.settle()));
    await scene.#record();
    const end = await scene.position(1);
    const converged = (): boolean =>
      scene.#subscribers.every((subscriber) => subscriber.isAt(channel, end));
    // A defect may keep them from it for ever.
    const withinMs = main === undefined ? 20_000 : 3_000;
    await eventually("all are at the end", converged, { withinMs }).catch(() => undefined);
    return violations({
      followers: scene.#subscribers.flatMap(({ followers }) => followers),
      publishes: scene.#publishers.flatMap(({ publishes }) => publishes),
      truth: recorder.truth,
      answers: [],
      purged: scene.#purged,
      reachable: size,
      lossless,
    });
  }

  /** A subscriber of the gateway of an index; it never goes to another. */
  async subscribe(
    index: number,
    { since, subscribed = true }: { since?: Position; subscribed?: boolean } = {},
  ): Promise<Subscriber> {
    const subscriber = await Subscriber.start(
      {
        ...{ name: `subscriber ${this.#subscribers.length}`, channels: [channel] },
        // Each in another way, so that what one reads wrong another may read right.
        ...{ speaks: speakingOf(this.#subscribers.length), serverSide: false },
      },
      this.world.port(index),
      new Map(since === undefined ? [] : [[channel, since]]),
    );
    this.#subscribers.push(subscriber);
    this.#stack.defer(() => {
      subscriber.close();
    });
    if (subscribed) await eventually("it is subscribed", () => subscriber.subscribed);
    return subscriber;
  }

  /** Publishes so often, straight to NATS, or over the gateway of an index. */
  async publish(
    count: number,
    { over, to = channel }: { over?: number; to?: string } = {},
  ): Promise<void> {
    const name = `publisher-${this.#publishers.length}`;
    const publisher = await Publisher.start(
      {
        ...{ name, channels: [to], everyMs: 0, seed: 0, speaks: speakingOf(0) },
        kind: over === undefined ? "stream" : "client",
      },
      { door: over === undefined ? 0 : this.world.port(over), nats: this.world.nats.port },
    );
    this.#publishers.push(publisher);
    for (let sent = 1; sent <= count; sent += 1) {
      await publisher.publish(to, ++this.#sequence);
      // A short history forgets them soon.
      if (sent % 20 === 0) await this.#record();
    }
    await publisher.close();
  }

  /** The position of the channel's end, by the gateway of an index. */
  async position(index: number): Promise<Position> {
    const client = centrifuge(this.world.port(index));
    client.connect();
    try {
      // A busy process may answer a ping too late, and lose the connection with the question.
      const { offset, epoch } = await eventually("the position is told", () =>
        client.history(channel),
      );
      return { offset, epoch };
    } finally {
      // It would try to connect for ever, and so keep the process.
      client.disconnect();
    }
  }

  /** NATS may have come back a moment ago, and answer late. */
  async #record(): Promise<void> {
    await eventually("the streams can be read", async () => {
      await this.#recorder.read();
      return true;
    });
  }

  /** Deletes what the stream holds of the channel. */
  async purge(): Promise<void> {
    await this.#record();
    this.#purged.set(channel, this.#recorder.truth.get(channel)?.length ?? 0);
    const nats = await natsClient(this.world.nats.port);
    const manager = await nats.jetstreamManager();
    const subject = subjectOf(channel);
    await manager.streams.purge(await manager.streams.find(subject), { filter: subject });
    await nats.close();
  }
}

/** By the mutant that must not pass. */
export const scenarios: Readonly<Record<keyof typeof mutants, Scenario>> = {
  gap: {
    name: "a message is lost between NATS and one gateway, whose connection lives",
    size: 1_000,
    lossless: true,
    async run(scene) {
      await scene.subscribe(0);
      await scene.subscribe(1);
      const [wire] = scene.world.wires;
      if (wire === undefined) return;
      let count = 0;
      wire.passage = ({ subject }) =>
        subject === `r.${subjectOf(channel)}` && ++count % 5 === 3 ? "is lost" : "passes";
      await scene.publish(21);
    },
    finding: /got \S+ on news with the offset \d+ of epoch \S+, which is/,
  },
  buffered: {
    name: "others publish while a gateway reads a channel's history for the first time",
    size: 1_000,
    lossless: true,
    async run(scene) {
      await scene.subscribe(1);
      await scene.publish(1);
      // The other gateway writes down how far it has counted, so that there is nothing to be read.
      await rest(200);
      const [wire] = scene.world.wires;
      if (wire === undefined) return;
      // The answers to its questions are late, what is published meanwhile is not.
      wire.passage = ({ subject }) => (subject.startsWith("_INBOX") ? "is held" : "passes");
      const beginning = { offset: 0, epoch: "" };
      const subscriber = await scene.subscribe(0, { since: beginning, subscribed: false });
      await eventually("it has asked", () => wire.held >= 2);
      await scene.publish(5);
      await rest(50);
      wire.passage = () => "passes";
      wire.release();
      await eventually("it is subscribed", () => subscriber.subscribed);
      await scene.publish(2);
    },
    finding: /got \S+ on news with the offset \d+ of epoch \S+, which is/,
  },
  epoch: {
    name: "somebody comes with the position of another epoch",
    size: 1_000,
    lossless: true,
    async run(scene) {
      await scene.subscribe(0);
      await scene.publish(5);
      // Not one that anybody else is in: the epoch of a client that slept for long.
      await scene.subscribe(1, { since: { offset: 2, epoch: "long-ago" } });
      await scene.publish(2);
    },
    finding: /was recovered from offset 2 of epoch long-ago in epoch/,
  },
  old: {
    name: "somebody comes from before what a short history holds",
    size: 10,
    lossless: true,
    async run(scene) {
      await scene.subscribe(0);
      await scene.publish(40);
      const { epoch } = await scene.position(0);
      await scene.subscribe(0, { since: { offset: 5, epoch } });
      await scene.publish(2);
    },
    finding: /got \S+ with the offset \d+ after the offset 5/,
  },
  reconnect: {
    name: "a gateway loses its connection to NATS, and others publish meanwhile",
    size: 1_000,
    lossless: true,
    async run(scene) {
      const subscriber = await scene.subscribe(0);
      await scene.subscribe(1);
      await scene.publish(3);
      const before = await scene.position(1);
      await eventually("the first have arrived", () => subscriber.isAt(channel, before));
      scene.world.wires[0]?.close();
      await scene.publish(5);
      scene.world.wires[0]?.open();
    },
    finding: /subscriber 0 on news ended at publication \d of 8/,
  },
  anchor: {
    name: "a gateway comes to a channel that another one has counted for long",
    size: 10,
    lossless: true,
    async run(scene) {
      await scene.subscribe(0);
      await scene.publish(100);
      await scene.subscribe(1);
      await scene.publish(5);
    },
    finding: /on news with the offset \d+ of epoch \S+, which is/,
  },
  lost: {
    name: "a gateway is cut off from NATS for longer than the history reaches back",
    size: 10,
    lossless: false,
    async run(scene) {
      const subscriber = await scene.subscribe(0);
      await scene.publish(5);
      const before = await scene.position(1);
      await eventually("the first have arrived", () => subscriber.isAt(channel, before));
      scene.world.wires[0]?.close();
      // More than are stored beyond what clients may see, and nobody counts meanwhile.
      await scene.publish(350);
      scene.world.wires[0]?.open();
      await eventually("it is back", async () => {
        return (await fetch(`http://127.0.0.1:${scene.world.port(0)}/healthz/ready`)).ok;
      });
      await scene.publish(5);
    },
    finding: /subscriber 0 on news (got|ended)/,
  },
  purge: {
    name: "a channel is purged while a subscriber is away",
    size: 1_000,
    lossless: false,
    async run(scene) {
      // What is older in the stream stays.
      await scene.publish(1, { to: neighbour });
      await scene.subscribe(1);
      await scene.publish(5);
      const { epoch } = await scene.position(1);
      await scene.publish(3);
      await scene.purge();
      await scene.publish(3);
      await scene.subscribe(0, { since: { offset: 5, epoch } });
      await scene.publish(2);
    },
    finding: /subscriber \d on news (got|ended)|got \S+ on news with the offset/,
  },
  acknowledged: {
    name: "NATS stalls under a publisher, and dies",
    size: 1_000,
    lossless: true,
    async run(scene) {
      await scene.subscribe(0);
      await scene.publish(3, { over: 0 });
      await scene.world.nats.signal("SIGSTOP");
      await scene.publish(1, { over: 0 });
      await scene.world.nats.signal("SIGKILL");
      await scene.world.nats.restart();
      await scene.publish(2, { over: 1 });
      await scene.publish(1);
    },
    finding: /was acknowledged, but is not in news/,
  },
};
