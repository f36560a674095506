import { isUtf8 } from "node:buffer";
import { isJson, withoutNewlines } from "../../json.ts";
import type {
  ClientInfo,
  ConnectResult,
  Encoded,
  Expiry,
  Payload,
  PresenceResult,
  Publication,
  Push,
  Reply,
  SubscribePush,
  SubscribeResult,
  Tags,
} from "../messages.ts";
import { isTooDeep } from "./raw-data.ts";

/** A reply as text, without raw newlines, as all that is encoded here. */
export function encodeReply(reply: Reply): string {
  return `{"id":${reply.id},${resultField(reply)}}`;
}

function resultField(reply: Reply): string {
  // The most frequent ones go first.
  if ("publish" in reply) return '"publish":{}';
  if ("error" in reply) return `"error":${JSON.stringify(reply.error)}`;
  if ("subscribe" in reply) return `"subscribe":${subscribeText(reply.subscribe)}`;
  if ("connect" in reply) return `"connect":${connectText(reply.connect)}`;
  if ("unsubscribe" in reply) return '"unsubscribe":{}';
  if ("presence" in reply) return `"presence":${presenceText(reply.presence)}`;
  if ("presence_stats" in reply) return `"presence_stats":${JSON.stringify(reply.presence_stats)}`;
  if ("history" in reply) {
    const { publications, epoch, offset } = reply.history;
    const list = publications.map(textOf).join(",");
    return `"history":{"publications":[${list}],"epoch":${JSON.stringify(epoch)},"offset":${offset}}`;
  }
  if ("rpc" in reply) return `"rpc":{${dataField(reply.rpc.data)}}`;
  if ("refresh" in reply) {
    const { client, version } = reply.refresh;
    return `"refresh":{${namesFields(client, version)}${expiryFields(reply.refresh)}}`;
  }
  return `"sub_refresh":{${expiryFields(reply.sub_refresh).slice(1)}}`;
}

export function encodePush(push: Push): string {
  const channel = push.channel === undefined ? "" : `"channel":${JSON.stringify(push.channel)},`;
  return `{"push":{${channel}${pushField(push)}}}`;
}

function pushField(push: Push): string {
  if ("join" in push) return `"join":{"info":${encodeClientInfo(push.join.info)}}`;
  if ("leave" in push) return `"leave":{"info":${encodeClientInfo(push.leave.info)}}`;
  if ("unsubscribe" in push) return `"unsubscribe":${JSON.stringify(push.unsubscribe)}`;
  if ("subscribe" in push) return `"subscribe":{${positionFields(push.subscribe).slice(1)}}`;
  if ("message" in push) return `"message":{${dataField(push.message.data)}}`;
  if ("refresh" in push) return `"refresh":{${expiryFields(push.refresh).slice(1)}}`;
  return `"disconnect":${JSON.stringify(push.disconnect)}`;
}

/** A publication for pushes, recoveries and histories alike. */
export function encodePublication({ data, info, offset, tags, delta }: Publication): string {
  const infoField = info === undefined ? "" : `,"info":${encodeClientInfo(info)}`;
  const offsetField = offset ? `,"offset":${offset}` : "";
  const tagsField = tags === undefined ? "" : `,"tags":${tagsText(tags)}`;
  const deltaField = delta === "delta" ? ',"delta":true' : "";
  return `{"data":${dataText(data, delta)}${infoField}${offsetField}${tagsField}${deltaField}}`;
}

function dataText(data: Payload, delta: Publication["delta"]): string {
  return delta === undefined ? publicationData(data) : JSON.stringify(textOf(data));
}

function tagsText(tags: Tags): string {
  let fields = "";
  for (const [key, value] of Object.entries(tags)) {
    fields += `,${JSON.stringify(key)}:${JSON.stringify(value)}`;
  }
  return `{${fields.slice(1)}}`;
}

/** What stands before and behind a publication's text in a push to a channel's subscribers. */
export function publicationPushAround(channel: string): readonly [before: string, after: string] {
  return [`{"push":{"channel":${JSON.stringify(channel)},"pub":`, "}}"];
}

export function encodeClientInfo({ user, client, conn_info, chan_info }: ClientInfo): string {
  const ofConnection = conn_info === undefined ? "" : `,"conn_info":${conn_info}`;
  const ofChannel = chan_info === undefined ? "" : `,"chan_info":${chan_info}`;
  return `{"user":${JSON.stringify(user)},"client":${JSON.stringify(client)}${ofConnection}${ofChannel}}`;
}

/** Any payload as JSON text without raw newlines: JSON as it is, all else as a JSON string. */
export function publicationData(payload: Payload): string {
  return jsonOf(textOf(payload));
}

function jsonOf(text: string): string {
  return isJson(text) && !isTooDeep(text) ? withoutNewlines(text) : JSON.stringify(text);
}

/** The same as UTF-8; most payloads are it already. */
export function publicationPayload(payload: Payload): Payload {
  const text = textOf(payload);
  const json = jsonOf(text);
  return json === text && isUtf8(payload) ? payload : Buffer.from(json);
}

/** Absent when it is empty. */
function dataField(payload: Payload): string {
  return payload.length === 0 ? "" : `"data":${publicationData(payload)}`;
}

/** Bytes as text; what this codec has encoded is text already. */
export function textOf(encoded: Encoded): string {
  if (typeof encoded === "string") return encoded;
  return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength).toString();
}

function connectText(result: ConnectResult): string {
  const { client, version, ping, pong, time, subs, session, node } = result;
  let text = `{${namesFields(client, version)}${expiryFields(result)}`;
  if (subs !== undefined) text += `,"subs":${mapText(subs, subscribeText)}`;
  if (ping !== undefined) text += `,"ping":${ping}`;
  if (pong) text += ',"pong":true';
  if (session !== undefined) text += `,"session":${JSON.stringify(session)}`;
  if (node !== undefined) text += `,"node":${JSON.stringify(node)}`;
  if (time !== undefined) text += `,"time":${time}`;
  return `${text}}`;
}

function subscribeText(result: SubscribeResult): string {
  const { publications } = result;
  let fields = expiryFields(result) + positionFields(result);
  if (publications?.length) fields += `,"publications":[${publications.map(textOf).join(",")}]`;
  if (result.recovered) fields += ',"recovered":true';
  if (result.was_recovering) fields += ',"was_recovering":true';
  if (result.delta) fields += ',"delta":true';
  return `{${fields.slice(1)}}`;
}

/** What a client has to know of a subscription, whoever asked for it; with a comma before each. */
function positionFields({ recoverable, positioned, epoch, offset, data }: SubscribePush): string {
  let fields = "";
  if (recoverable) fields += ',"recoverable":true';
  if (positioned) fields += ',"positioned":true';
  if (epoch) fields += `,"epoch":${JSON.stringify(epoch)}`;
  if (offset) fields += `,"offset":${offset}`;
  if (data !== undefined) fields += `,"data":${data}`;
  return fields;
}

/** What is shared by those who asked together is made once for all of them. */
const presenceTexts = new WeakMap<PresenceResult["presence"], string>();

function presenceText({ presence, incomplete }: PresenceResult): string {
  const clients = presenceTexts.get(presence) ?? mapText(presence, encodeClientInfo);
  presenceTexts.set(presence, clients);
  const text = `{"presence":${clients}`;
  return incomplete ? `${text},"incomplete":true}` : `${text}}`;
}

function namesFields(client: string, version: string): string {
  return `"client":${JSON.stringify(client)},"version":${JSON.stringify(version)}`;
}

/** With a comma before each. */
function expiryFields({ expires, ttl }: Expiry): string {
  return expires ? `,"expires":true${ttl ? `,"ttl":${ttl}` : ""}` : "";
}

function mapText<T>(map: ReadonlyMap<string, T>, encode: (value: T) => string): string {
  let fields = "";
  for (const [key, value] of map) fields += `,${JSON.stringify(key)}:${encode(value)}`;
  return `{${fields.slice(1)}}`;
}
