import { deepEqual, equal } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Stage, Steps } from "./stage.ts";
import { until } from "./until.ts";

/** What is answered with an error or a close code, if it is. */
export const refusalSteps = (stage: Stage): Steps => ({
  rpc: async () => {
    try {
      const answer: object = await stage.ada.peer.client.rpc("sum", { a: 1, b: 2 });
      deepEqual(answer, { data: { res: 3 } });
      return "the service add answers 3";
    } catch (error) {
      const code = codeOf(error);
      if (code === 108) return "108, not available: no methods are enabled";
      equal(code, 104);
      return "104, method not found: no service answers sum";
    }
  },
  "publish to an unknown namespace": async () => {
    const published = stage.ada.peer.client.publish(unknown(), 1);
    equal(await published.then(() => "it was published", codeOf), 102);
    return "102, unknown channel";
  },
  "subscribe to an unknown namespace": async () => {
    equal(await stage.refused(unknown()), 102);
    return "102, unknown channel";
  },
  "wrong channel": async () => {
    equal(await stage.refused(`${stage.namespace}two words`), 107);
    return "107, bad request";
  },
  "private channel without a token": async () => {
    const code = await stage.refused(`$${stage.namespace}demo`);
    stage.insecure = code === undefined;
    if (stage.insecure) return "allowed: the gateway is insecure";
    equal(code, 103);
    return "103, permission denied";
  },
  "invalid token": async () => {
    const { client, disconnects } = stage.peer({ token: "not a token" });
    client.connect();
    await until("end of the connection", () => disconnects.length > 0);
    deepEqual(disconnects, [3500]);
    return "closed with 3500, and the client does not come back";
  },
});

/** How clients go. */
export const leavingSteps = (stage: Stage): Steps => ({
  unsubscribe: async () => {
    const { peer, listener } = stage.bob;
    listener.subscription.unsubscribe();
    const { leaves } = stage.ada.listener;
    await until("leave event", () => leaves.some(({ info }) => info.client === peer.id));
    deepEqual(listener.unsubscribes, [0]);
    return `client ${peer.id} has left`;
  },
  disconnect: async () => {
    const { client, disconnects } = stage.ada.peer;
    const count = disconnects.length;
    client.disconnect();
    await until("end of the connection", () => disconnects.length > count);
    equal(disconnects.at(-1), 0);
    return "code 0";
  },
});

function unknown(): string {
  return `no-${randomBytes(4).toString("hex")}:channel`;
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : error;
}
