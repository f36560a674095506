import { findMethod, hasMethods } from "../rpc/methods.ts";
import { errors } from "./codes.ts";
import type { RpcOutcome } from "./effects.ts";
import type { RpcCommand } from "./messages.ts";
import type { SessionState } from "./state.ts";

const emptyObject = Buffer.from("{}");

export function rpc(state: SessionState, { id, name, data }: RpcCommand, size: number): void {
  const config = state.options.config.rpc;
  const { ping } = config;
  if (ping.enabled && name === ping.method) {
    state.reply(id, { rpc: { data: emptyObject } });
    return;
  }
  if (!hasMethods(config)) {
    state.fail(id, ping.enabled ? errors.methodNotFound : errors.notAvailable);
    return;
  }
  const options = findMethod(config, name);
  if ("code" in options) {
    state.fail(id, options);
    return;
  }
  const { user, insecure } = state.asker;
  if (user === "" && !options.allow_for_anonymous && !insecure) {
    state.fail(id, errors.permissionDenied);
    return;
  }
  if (state.calls >= config.connection_call_limit) {
    state.fail(id, errors.tooManyRequests);
    return;
  }
  state.calls += 1;
  state.emit({
    kind: "rpc",
    task: state.begin({ kind: "rpc", id, size }),
    method: name,
    data,
    caller: callerText(state),
    withinMs: options.timeout,
  });
}

export function rpcAnswered(state: SessionState, id: number, outcome: RpcOutcome): void {
  state.calls -= 1;
  if (outcome.ok) state.reply(id, { rpc: { data: outcome.data } });
  else state.fail(id, outcome.error);
}

/** Who calls, as JSON for a header: what is JSON in it already has no raw newlines. */
function callerText({
  asker: { user },
  options: { client },
  connInfo,
  meta,
}: SessionState): string {
  const names = `"user":${JSON.stringify(user)},"client":${JSON.stringify(client)}`;
  const info = connInfo === undefined ? "" : `,"info":${connInfo}`;
  return `{${names}${info}${meta === undefined ? "" : `,"meta":${meta}`}}`;
}
