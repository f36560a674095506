/**
 * What NATS's own microservice protocol (ADR-32 of its architecture) calls discovery: whoever may ask
 * `$SRV.PING` and `$SRV.INFO` is answered by every process of every service, so that one question over
 * NATS says who is there. The tools of NATS ask the same questions.
 */
import { randomUUID } from "node:crypto";
import { type Bus, BusError, type BusMessage } from "./bus.ts";
import type { ServiceSettings } from "./environment.ts";
import type { Log } from "./log.ts";
import { rpcSubject } from "./rpc.ts";

/** Everybody is asked here who they are. */
export const infoSubject = "$SRV.INFO";

export const infoType = "io.nats.micro.v1.info_response";
const pingType = "io.nats.micro.v1.ping_response";

/** Of the answers' form; which version of a service runs is in the metadata. */
const formVersion = "1.0.0";

export interface DiscoveryOptions {
  readonly bus: Pick<Bus, "subscribe" | "send">;
  readonly log: Log;
  readonly settings: Pick<ServiceSettings, "service" | "version" | "instance">;
  /** Whether this process does now what it is there for. */
  readonly serving: () => boolean;
  /** The index of its instance, where it has one and knows it. */
  readonly index?: () => number | undefined;
  /** The methods that it answers, see serveRpc. */
  readonly methods?: readonly string[];
}

/** Answers who this process is, until the bus is closed: one that stops says so, and is there still. */
export function answerDiscovery(options: DiscoveryOptions): void {
  const { bus, settings, serving, index, methods = [] } = options;
  const { service: name, version, instance } = settings;
  // It is a token of a subject.
  const id = instance !== undefined && /^[\w-]{1,256}$/.test(instance) ? instance : randomUUID();
  const startedAt = new Date(performance.timeOrigin).toISOString();
  const endpoints = methods.map((method) => ({
    name: method.replace(":", "-"),
    subject: rpcSubject(method),
    queue_group: name,
    metadata: {},
  }));

  const answer = (type: string, more: object, { reply }: BusMessage): void => {
    if (reply === undefined) return;
    const place = index?.();
    // Metadata are texts.
    const metadata = {
      ...(version === undefined ? {} : { version }),
      instance: instance ?? id,
      ...(place === undefined ? {} : { index: String(place) }),
      started_at: startedAt,
      serving: String(serving()),
    };
    const body = { type, name, id, version: formVersion, metadata, ...more };
    try {
      bus.send(reply, Buffer.from(JSON.stringify(body)));
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      options.log.warn({ reason: error.message }, "an answer cannot be sent");
    }
  };
  const kinds: readonly (readonly [verb: string, type: string, more: object])[] = [
    ["PING", pingType, {}],
    ["INFO", infoType, { description: "", endpoints }],
  ];
  for (const [verb, type, more] of kinds) {
    for (const about of ["", `.${name}`, `.${name}.${id}`]) {
      bus.subscribe(`$SRV.${verb}${about}`, (_data, message) => {
        answer(type, more, message);
      });
    }
  }
}
