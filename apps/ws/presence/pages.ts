import { isRecord, parseJson } from "../json.ts";
import { type ClientInfo, decodeClientInfo } from "./client-info.ts";

/** What one gateway asks another. */
export interface Question {
  readonly channel: string;
  /** Only clients whose id comes after this one. */
  readonly after: string;
  readonly maxClients: number;
}

/** Some of the answering gateway's clients, in the order of their ids. */
export interface Page {
  readonly clients: readonly ClientInfo[];
  /** What to ask after for the next page; undefined: there is none. */
  readonly more: string | undefined;
  /** False when a client was left out. */
  readonly complete: boolean;
}

export function encodeQuestion(question: Question): Uint8Array {
  return Buffer.from(JSON.stringify(question));
}

/** The question, or undefined for what is none. */
export function decodeQuestion(data: Uint8Array): Question | undefined {
  const value = parseJson(data);
  if (!isRecord(value)) return undefined;
  const { channel, after, maxClients } = value;
  const valid =
    typeof channel === "string" &&
    typeof after === "string" &&
    Number.isSafeInteger(maxClients) &&
    Number(maxClients) > 0;
  return valid ? { channel, after, maxClients: Number(maxClients) } : undefined;
}

/**
 * The page that answers a question. Pages are cut by the order of ids, so that who answers need not
 * remember anything between them, and a client that stays is on exactly one, whoever comes and goes
 * meanwhile.
 *
 * @param maxBytes how large the answer may become; a client whose info alone is larger is left out
 */
export function encodePage(
  clients: ReadonlyMap<string, ClientInfo>,
  { after, maxClients }: Question,
  maxBytes: number,
): Uint8Array {
  const ids = [...clients.keys()].filter((id) => id > after).sort();
  const taken: string[] = [];
  // Beside the clients: braces, names, and the id to go on after.
  let bytes = 512;
  let last = after;
  let complete = true;
  for (const id of ids) {
    const info = clients.get(id);
    if (info === undefined) continue;
    const { user, conn_info, chan_info } = info;
    const text = JSON.stringify({ user, client: id, conn_info, chan_info });
    const length = Buffer.byteLength(text) + 1;
    if (length > maxBytes - 512) {
      complete = false;
    } else if (taken.length >= maxClients || bytes + length > maxBytes) {
      return join(taken, last, complete);
    } else {
      taken.push(text);
      bytes += length;
    }
    last = id;
  }
  return join(taken, undefined, complete);
}

/** The answer to a question that is none; not a page. */
export const badQuestion: Uint8Array = Buffer.from('{"error":"bad question"}');

/** The page, or undefined for what cannot be the answer. */
export function decodePage(data: Uint8Array, { after }: Question): Page | undefined {
  const value = parseJson(data);
  if (!isRecord(value)) return undefined;
  const { clients, more, complete } = value;
  if (!Array.isArray(clients) || typeof complete !== "boolean") return undefined;
  const infos: ClientInfo[] = [];
  let last = after;
  for (const each of clients) {
    const info = decodeClientInfo(each);
    if (info === undefined || info.client <= last) return undefined;
    infos.push(info);
    last = info.client;
  }
  // Each page goes on where the one before ended, so that there is an end.
  if (more !== undefined && (typeof more !== "string" || more < last || more <= after)) {
    return undefined;
  }
  return { clients: infos, more, complete };
}

function join(clients: readonly string[], more: string | undefined, complete: boolean): Uint8Array {
  const rest = JSON.stringify({ more, complete }).slice(1);
  return Buffer.from(`{"clients":[${clients.join(",")}],${rest}`);
}
