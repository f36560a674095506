import type { IncomingHttpHeaders } from "node:http";
import type { RequestHandler } from "express";
import { HttpError } from "../../lib/http.ts";
import { isOriginAllowed } from "../origin.ts";

/** For how long a browser need not ask again, s; Chromium takes no longer one. */
const preflightSeconds = 7_200;

/** Names of headers, as a browser lists those that a page wants to send. */
const headerNames = /^[\w!#$%&'*+.^`|~, -]{1,1024}$/;

/**
 * Lets pages of allowed origins use a path, and only them: those that may open a websocket. Refused ones are
 * not served at all, since some requests do not need a browser's permission.
 *
 * @param allowed as for `isOriginAllowed`
 */
export function crossOrigin(
  methods: readonly string[],
  allowed: readonly string[] | null,
): RequestHandler {
  // Any page is not one that may act with the cookies of whoever looks at it.
  const named = allowed === null ? null : allowed.filter((pattern) => pattern !== "*");
  return ({ method, headers }, response, next) => {
    const { origin, host } = headers;
    response.vary("origin");
    if (!isOriginAllowed(origin, host, allowed) || (origin === undefined && isStrange(headers))) {
      throw new HttpError(403, "forbidden_origin", "this origin is not allowed");
    }
    if (origin !== undefined && origin !== "") {
      response.set("access-control-allow-origin", origin);
      if (isOriginAllowed(origin, host, named)) {
        response.set("access-control-allow-credentials", "true");
      }
    }
    if (method !== "OPTIONS") {
      next();
      return;
    }
    const wanted = headers["access-control-request-headers"];
    if (headers["access-control-request-method"] !== undefined) {
      response.set({
        "access-control-allow-methods": methods.join(", "),
        "access-control-max-age": String(preflightSeconds),
        ...(wanted === undefined || !headerNames.test(wanted)
          ? {}
          : { "access-control-allow-headers": wanted }),
      });
    }
    response
      .set("allow", ["OPTIONS", ...methods].join(", "))
      .status(204)
      .end();
  };
}

/**
 * Whether a browser says that it is not a page's own script that asks. Links, pictures and frames are asked
 * for with cookies and without an origin, also by pages that nobody has allowed.
 */
function isStrange(headers: IncomingHttpHeaders): boolean {
  const { "sec-fetch-site": site = "same-origin", "sec-fetch-dest": dest = "empty" } = headers;
  return site !== "same-origin" || dest !== "empty";
}
