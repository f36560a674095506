import { type ReadonlySignal, signal } from "@preact/signals";
import { Calculator } from "./calculator/calculator.ts";
import { Connection } from "./live/connection.ts";
import { Memory } from "./memory/memory.ts";
import type { ConsoleSettings } from "./settings.ts";
import { cloudSource } from "./system/cloud-source.ts";
import { localSource } from "./system/local-source.ts";
import { System } from "./system/system.ts";
import { Topics } from "./topics/topics.ts";

/** Everything behind the views; it lives as long as the page. */
export interface Console {
  readonly settings: ConsoleSettings;
  readonly connection: Connection;
  readonly calculator: Calculator;
  readonly topics: Topics;
  readonly memory: Memory;
  readonly system: System;
}

/** Makes the models and ties them together. */
export function createConsole(settings: ConsoleSettings): Console {
  const visible = pageVisible();
  const connection = createConnection(settings, visible);
  const calculator = new Calculator({
    origin: location.origin,
    connection,
    fetch: fetch.bind(globalThis),
  });
  const topics = new Topics({
    ...{ connection, suggestions: settings.channels },
    frame: requestAnimationFrame.bind(globalThis),
  });
  // So that whoever looks has something to see at once.
  const [first] = settings.channels;
  if (first !== undefined) topics.subscribe(first);
  const memory = new Memory({
    fetch: fetch.bind(globalThis),
    now: () => performance.now(),
    visible,
  });
  const system = createSystem(settings, connection, visible);
  connection.connect();
  return { settings, connection, calculator, topics, memory, system };
}

/** Whether somebody can see the page; models rest while nobody can. */
function pageVisible(): ReadonlySignal<boolean> {
  const visible = signal(!document.hidden);
  document.addEventListener("visibilitychange", () => {
    visible.value = !document.hidden;
  });
  return visible;
}

function createConnection(settings: ConsoleSettings, visible: ReadonlySignal<boolean>): Connection {
  const { transports, pingMethod, demoTokens, anonymous } = settings;
  const known = anonymous ? ({ kind: "anonymous" } as const) : undefined;
  return new Connection({
    origin: location.origin,
    ...{ transports, pingMethod, visible },
    identity: demoTokens ? { kind: "demo" } : known,
    wires: { fetch: fetch.bind(globalThis), WebSocket, EventSource },
  });
}

function createSystem(
  { local, declared, servicesMethod, version }: ConsoleSettings,
  connection: Connection,
  visible: ReadonlySignal<boolean>,
): System {
  const get = fetch.bind(globalThis);
  const call = connection.call.bind(connection);
  return new System({
    source: local
      ? localSource({ fetch: get, declared })
      : cloudSource({ fetch: get, declared, servicesMethod, version, call }),
    now: () => performance.now(),
    visible,
  });
}
