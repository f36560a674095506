/** Google's emulators of what App Engine's services use, each from the moment that something needs it. */
import { join } from "node:path";
import { Emulator, type EmulatorCommands, type EmulatorName } from "./emulator.ts";
import type { Keeper } from "./keeper-client.ts";
import type { Log, Logs } from "./logs.ts";
import { loopback } from "./ports.ts";
import { PubSub } from "./pubsub.ts";
import type { PushForwarder } from "./push-forwarder.ts";
import type { SupervisedLimits } from "./supervised.ts";

export interface EmulatorsOptions {
  /** How they are started; or what is missing on this machine, in one line. Asked once. */
  readonly find: () => Promise<EmulatorCommands | { readonly missing: string }>;
  readonly folder: string;
  readonly forwarder: PushForwarder;
  readonly keeper: Keeper;
  readonly logs: Logs;
  readonly limits?: Partial<SupervisedLimits>;
}

export class Emulators {
  readonly datastore: Emulator;
  readonly pubsub: Emulator;
  readonly messages: PubSub;
  readonly #options: EmulatorsOptions;
  readonly #note: Log;
  readonly #databases = new Set<string>();
  #stopping = false;
  #found: Promise<EmulatorCommands | { readonly missing: string }> | undefined;

  constructor(options: EmulatorsOptions) {
    this.#options = options;
    const { folder, keeper, logs, limits, forwarder } = options;
    this.#note = logs.of("cloud");
    const emulator = (name: EmulatorName, prepare?: PubSub["declareAgain"]): Emulator =>
      new Emulator({
        ...{ name, keeper, logs, folder: join(folder, name) },
        commands: () => this.#commands(),
        ...(limits ? { limits } : {}),
        ...(prepare ? { prepare } : {}),
      });
    this.datastore = emulator("datastore");
    this.pubsub = emulator("pubsub", (port, signal) => this.messages.declareAgain(port, signal));
    this.messages = new PubSub({
      emulator: () => this.pubsub,
      forwarder,
      note: this.#note,
    });
  }

  /** Begins to start both, while a program that will need them is still loading. */
  begin(): void {
    this.#begin(this.datastore);
    this.#begin(this.pubsub);
  }

  /**
   * Begins to start Datastore and waits for nothing: all that a program declares depends on its
   * database, but only instances use it, and those wait.
   */
  async putDatabase(id: string): Promise<void> {
    if ("missing" in (await this.#find())) {
      // Every program of this kind declares a database, whether its services use it or not.
      this.#note(
        `the database ${id} is only written down, for it has no emulator here (docs/local.md)`,
      );
      return;
    }
    this.#databases.add(id);
    this.#begin(this.datastore);
  }

  async deleteDatabase(id: string): Promise<void> {
    if (this.#databases.delete(id) && this.#databases.size === 0) await this.datastore.reset();
  }

  /**
   * Where an instance finds them; once those that are needed serve. The ports are known before and
   * stay, so that an instance need not be started again for a topic that is declared later.
   */
  async environment(): Promise<Record<string, string>> {
    if ("missing" in (await this.#find())) return {};
    await Promise.all([
      this.#databases.size > 0 ? this.datastore.serving() : undefined,
      this.messages.used ? this.pubsub.serving() : undefined,
    ]);
    return {
      DATASTORE_EMULATOR_HOST: `${loopback}:${await this.datastore.port()}`,
      PUBSUB_EMULATOR_HOST: `${loopback}:${await this.pubsub.port()}`,
      // Google's clients would look for the metadata of a real machine, and wait for it.
      METADATA_SERVER_DETECTION: "none",
    };
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([this.datastore.stop(), this.pubsub.stop()]);
  }

  /** Whoever needs it waits for it, and is told why it does not start. */
  #begin(emulator: Emulator): void {
    emulator.serving().catch((error: unknown) => {
      if (!this.#stopping) this.#note(error instanceof Error ? error.message : String(error));
    });
  }

  #find(): Promise<EmulatorCommands | { readonly missing: string }> {
    this.#found ??= this.#options.find();
    return this.#found;
  }

  async #commands(): Promise<EmulatorCommands> {
    const found = await this.#find();
    if ("missing" in found) throw new Error(found.missing);
    return found;
  }
}
