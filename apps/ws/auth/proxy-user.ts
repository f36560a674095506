import type { IncomingHttpHeaders } from "node:http";

/** The user that a proxy in front has found out, if the configuration trusts it. */
export function userFromHeader(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = name === "" ? undefined : headers[name.toLowerCase()];
  return typeof value === "string" && value !== "" ? value : undefined;
}
