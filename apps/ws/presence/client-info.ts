import { isJson, isRecord, withoutNewlines } from "../json.ts";

/** Who a client is, as other clients may see it. */
export interface ClientInfo {
  readonly user: string;
  readonly client: string;
  /** JSON text. */
  readonly conn_info?: string;
  /** JSON text. */
  readonly chan_info?: string;
}

/** What another gateway says of a client; undefined when that cannot be one. */
export function decodeClientInfo(value: unknown): ClientInfo | undefined {
  if (!isRecord(value)) return undefined;
  const { user, client } = value;
  if (typeof user !== "string" || typeof client !== "string" || client === "") return undefined;
  const connInfo = decodeJsonText(value["conn_info"]);
  const chanInfo = decodeJsonText(value["chan_info"]);
  if (connInfo === null || chanInfo === null) return undefined;
  return {
    user,
    client,
    ...(connInfo === undefined ? {} : { conn_info: connInfo }),
    ...(chanInfo === undefined ? {} : { chan_info: chanInfo }),
  };
}

/** The text, undefined when it is absent, null when it is no JSON and would break what it is put into. */
function decodeJsonText(value: unknown): string | undefined | null {
  if (value === undefined) return undefined;
  if (typeof value !== "string") return null;
  return isJson(value) ? withoutNewlines(value) : null;
}
