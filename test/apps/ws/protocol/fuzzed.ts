/** What is told nonsense, and what it may answer. */
import { ChannelRules } from "../../../../apps/ws/channel/rules.ts";
import { decodeConfig } from "../../../../apps/ws/config/options.ts";
import { disconnects, errors } from "../../../../apps/ws/protocol/codes.ts";
import { history } from "./peer.ts";

const config = decodeConfig({
  client: { insecure: true, channel_limit: 5 },
  rpc: { ping: { enabled: true } },
  channel: {
    without_namespace: { presence: true, join_leave: true, ...history, force_recovery: true },
    namespaces: [{ name: "ns" }],
  },
});

/** Of a session in which much is possible. */
export const fuzzed = { config, rules: new ChannelRules(config) };

/** What a client may be told that sends nonsense. */
export const allowedErrors: ReadonlySet<number> = new Set(
  Object.values(errors).map(({ code }) => code),
);

/** What it may be closed with. */
export const allowedCloses: ReadonlySet<number> = new Set([
  disconnects.badRequest.code,
  disconnects.notAvailable.code,
  disconnects.tooManyRequests.code,
  disconnects.channelLimit.code,
]);
