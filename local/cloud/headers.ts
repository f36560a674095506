/** Headers on their way through the front door. */
import { randomBytes, randomInt } from "node:crypto";

/** Flat list of names and values, as node's `rawHeaders`: order, case and repetition stay. */
export type RawHeaders = readonly string[];

/** RFC 9110 §7.6.1: about one connection, never about the message. */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What only the platform may say: a client's own is removed. */
const platformPrefixes = ["x-appengine-", "x-forwarded-", "x-google-", "x-goog-iap-"];
const platformNames = new Set(["forwarded", "x-cloud-trace-context", "via"]);

/** Frames the body or names the host: set anew by the front door, from what the parser understood. */
const framing = new Set(["content-length", "host", "expect"]);

function pairs(raw: RawHeaders): [string, string][] {
  const result: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) result.push([raw[i] ?? "", raw[i + 1] ?? ""]);
  return result;
}

/** Names that the Connection headers declare to be about this connection only. */
function nominated(raw: RawHeaders): Set<string> {
  const names = new Set<string>();
  for (const [name, value] of pairs(raw)) {
    if (name.toLowerCase() !== "connection") continue;
    for (const token of value.split(",")) names.add(token.trim().toLowerCase());
  }
  return names;
}

export interface Forwarding {
  readonly clientAddress: string;
  readonly host: string;
  /** Where the app's default service answers, e.g. `appengine.localhost:8080`. */
  readonly defaultHostname: string;
}

/** A request's headers as an App Engine instance gets them, without Host and body framing. */
export function requestHeaders(raw: RawHeaders, forwarding: Forwarding): string[] {
  const dropped = nominated(raw);
  const kept = pairs(raw).filter(([name]) => {
    const lower = name.toLowerCase();
    return !(
      hopByHop.has(lower) ||
      framing.has(lower) ||
      dropped.has(lower) ||
      platformNames.has(lower) ||
      platformPrefixes.some((prefix) => lower.startsWith(prefix))
    );
  });
  const { clientAddress, host, defaultHostname } = forwarding;
  return [
    ...["Host", host],
    ...kept.flat(),
    ...["X-Forwarded-For", clientAddress],
    ...["X-Forwarded-Proto", "http"],
    ...["X-Cloud-Trace-Context", `${randomBytes(16).toString("hex")}/${randomInt(1, 2 ** 47)};o=1`],
    ...["X-Appengine-User-Ip", clientAddress],
    // What the platform says when it cannot place an address.
    ...["X-Appengine-Country", "ZZ"],
    ...["X-Appengine-Region", "?"],
    ...["X-Appengine-City", "?"],
    ...["X-Appengine-CityLatLong", "0.000000,0.000000"],
    ...["X-Appengine-Https", "off"],
    ...["X-Appengine-Default-Version-Hostname", defaultHostname],
    ...["X-Appengine-Request-Log-Id", randomBytes(16).toString("hex")],
  ];
}

/** A response's headers as the client gets them; how the body is framed is left to the sender. */
export function responseHeaders(raw: RawHeaders): string[] {
  return endToEndHeaders(raw);
}

/**
 * The headers that are about the message and not about one connection.
 * @param without names of others that are dropped, in lower case
 */
export function endToEndHeaders(raw: RawHeaders, without: readonly string[] = []): string[] {
  const dropped = nominated(raw);
  return pairs(raw)
    .filter(([name]) => {
      const lower = name.toLowerCase();
      if (hopByHop.has(lower) || without.includes(lower)) return false;
      return lower === "content-length" || !dropped.has(lower);
    })
    .flat();
}
