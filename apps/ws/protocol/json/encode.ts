import type {
  ClientInfo,
  ConnectResult,
  Expiry,
  PresenceResult,
  Publication,
  PublicationText,
  Push,
  Reply,
  SubscribeResult,
} from "../messages.ts";

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
    const list = publications.join(",");
    return `"history":{"publications":[${list}],"epoch":${JSON.stringify(epoch)},"offset":${offset}}`;
  }
  if ("rpc" in reply) return `"rpc":{"data":${reply.rpc.data}}`;
  if ("refresh" in reply) {
    const { client, version } = reply.refresh;
    return `"refresh":{${namesFields(client, version)}${expiryFields(reply.refresh)}}`;
  }
  return `"sub_refresh":{${expiryFields(reply.sub_refresh).slice(1)}}`;
}

export function encodePush({ channel, join, leave, unsubscribe }: Push): string {
  const start = `{"push":{"channel":${JSON.stringify(channel)},`;
  if (join !== undefined) return `${start}"join":{"info":${encodeClientInfo(join.info)}}}}`;
  if (leave !== undefined) return `${start}"leave":{"info":${encodeClientInfo(leave.info)}}}}`;
  return `${start}"unsubscribe":${JSON.stringify(unsubscribe ?? {})}}}`;
}

/** A publication for pushes, recoveries and histories alike. */
export function encodePublication({ data, info, offset }: Publication): PublicationText {
  const infoField = info === undefined ? "" : `,"info":${encodeClientInfo(info)}`;
  const offsetField = offset ? `,"offset":${offset}` : "";
  return `{"data":${data}${infoField}${offsetField}}`;
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
export function publicationData(payload: Uint8Array): string {
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString();
  return isJson(text) ? withoutNewlines(text) : JSON.stringify(text);
}

/** JSON text without raw newlines, which can only be white space in it. */
export function withoutNewlines(json: string): string {
  return json.includes("\n") || json.includes("\r") ? json.replaceAll(/[\r\n]/g, " ") : json;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function connectText(result: ConnectResult): string {
  const { client, version, ping, pong, time, subs } = result;
  let text = `{${namesFields(client, version)}${expiryFields(result)}`;
  if (subs !== undefined) text += `,"subs":${mapText(subs, subscribeText)}`;
  if (ping !== undefined) text += `,"ping":${ping}`;
  if (pong) text += ',"pong":true';
  if (time !== undefined) text += `,"time":${time}`;
  return `${text}}`;
}

function subscribeText(result: SubscribeResult): string {
  const { epoch, offset, publications, data } = result;
  let fields = expiryFields(result);
  if (result.recoverable) fields += ',"recoverable":true';
  if (result.positioned) fields += ',"positioned":true';
  if (epoch) fields += `,"epoch":${JSON.stringify(epoch)}`;
  if (offset) fields += `,"offset":${offset}`;
  if (publications?.length) fields += `,"publications":[${publications.join(",")}]`;
  if (result.recovered) fields += ',"recovered":true';
  if (result.was_recovering) fields += ',"was_recovering":true';
  if (data !== undefined) fields += `,"data":${data}`;
  return `{${fields.slice(1)}}`;
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
