import type { IncomingMessage } from "node:http";
import type { Refusal } from "../admission.ts";
import { userFromHeader } from "../auth/proxy-user.ts";
import type { ConnectionClaims, TokenOutcome } from "../auth/tokens.ts";
import type { ChannelRules } from "../channel/rules.ts";
import type { GatewayConfig } from "../config/options.ts";
import { channelsOf } from "../protocol/connect.ts";
import type { RawAdmission } from "./endpoint.ts";

/** Whom a request of the raw endpoint comes from, and what it may do; or why it is refused. */
export interface IdentityOptions {
  readonly client: Pick<
    GatewayConfig["client"],
    | "insecure"
    | "allow_anonymous_connect_without_token"
    | "disallow_anonymous_connection_tokens"
    | "user_id_http_header"
  >;
  readonly rules: ChannelRules;
  readonly verify: (token: string) => Promise<TokenOutcome<ConnectionClaims>>;
}

interface Identity {
  readonly user: string;
  readonly insecure: boolean;
  readonly claims: ConnectionClaims | undefined;
}

/**
 * Decides about a raw websocket as the protocol does about a client that connects and subscribes. The
 * token comes as `Authorization: Bearer` or, since browsers can set no header, as `?token=`.
 */
export async function admitRaw(
  request: Pick<IncomingMessage, "headers">,
  { topic, query }: { readonly topic: string; readonly query: URLSearchParams },
  options: IdentityOptions,
): Promise<RawAdmission | Refusal> {
  const { rules } = options;
  const problem = rules.problem(topic);
  if (problem !== undefined) return { status: 400, code: "invalid_topic", message: problem };
  if (rules.options(topic) === undefined) {
    return { status: 404, code: "unknown_channel", message: "there is no such namespace" };
  }
  const identity = await identify(request, query, options);
  if ("status" in identity) return identity;
  const { user, insecure, claims } = identity;
  const granted = claims !== undefined && channelsOf(claims).some(([channel]) => channel === topic);
  if (!granted && rules.maySubscribe({ user, insecure }, topic) !== "yes") {
    return { status: 403, code: "forbidden", message: "this topic is not for this client" };
  }
  const expireAt = claims?.expireAt;
  return {
    topic,
    mayPublish: rules.mayPublish({ user, insecure }, topic, true),
    expiresAtMs: expireAt === undefined ? undefined : expireAt * 1_000,
  };
}

async function identify(
  { headers }: Pick<IncomingMessage, "headers">,
  query: URLSearchParams,
  { client, verify }: IdentityOptions,
): Promise<Identity | Refusal> {
  const token = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? query.get("token");
  if (token !== null && token !== "") {
    const outcome = await verify(token);
    if (!outcome.ok) {
      if (outcome.reason === "unavailable") {
        return { status: 503, code: "unavailable", message: outcome.message };
      }
      const code = outcome.reason === "expired" ? "token_expired" : "unauthorized";
      return unauthorized(code, outcome.message);
    }
    const { user, expireAt } = outcome.claims;
    if (expireAt !== undefined && expireAt * 1_000 <= Date.now()) {
      return unauthorized("token_expired", "what the token grants has expired");
    }
    if (user === "" && client.disallow_anonymous_connection_tokens) {
      return unauthorized("unauthorized", "the token names no user");
    }
    return { user, insecure: client.insecure, claims: outcome.claims };
  }
  const user = userFromHeader(headers, client.user_id_http_header);
  if (user !== undefined) return { user, insecure: client.insecure, claims: undefined };
  if (client.insecure || client.allow_anonymous_connect_without_token) {
    return { user: "", insecure: client.insecure, claims: undefined };
  }
  return unauthorized("unauthorized", "a token is needed: Authorization: Bearer, or ?token=");
}

function unauthorized(code: string, message: string): Refusal {
  return { status: 401, code, message, headers: { "www-authenticate": "Bearer" } };
}
