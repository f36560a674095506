import type { RequestHandler } from "express";
import { HttpError } from "../../lib/http.ts";
import type { Bodies } from "../transport/http-body.ts";
import { isProtobuf } from "../transport/http-streams.ts";
import type { Forwarding, Outcome } from "./forwarding.ts";
import { decodeJsonRequest, type EmulationRequest } from "./request.ts";

export interface EmulationOptions {
  readonly bodies: Bodies;
  readonly maxBodyBytes: number;
  readonly forwarding: Forwarding;
  /** Decodes a body of protobuf. */
  readonly decodeProtobuf: (bytes: Uint8Array) => EmulationRequest | undefined;
}

/**
 * What clients of streams send. The npm client takes 404 and 5xx for the end of its connection, and other
 * failures for the end of these commands alone.
 */
export function emulationHandler({
  bodies,
  maxBodyBytes,
  forwarding,
  decodeProtobuf,
}: EmulationOptions): RequestHandler {
  return async (request, response) => {
    const decode = isProtobuf(request) ? decodeProtobuf : decodeJsonRequest;
    await bodies.with(request, maxBodyBytes, async (body) => {
      const decoded = decode(body);
      if (decoded === undefined) {
        throw new HttpError(400, "invalid_request", "the body must have node, session and data");
      }
      const outcome = await forwarding.deliver(decoded);
      if (outcome !== "taken") throw refusals[outcome]();
    });
    response.status(204).end();
  };
}

const refusals: Readonly<Record<Exclude<Outcome, "taken">, () => HttpError>> = {
  unknown_node: () =>
    new HttpError(404, "unknown_node", "the gateway of this session is not there"),
  too_large: () => new HttpError(413, "too_large", "the data is larger than NATS takes"),
  unavailable: () =>
    new HttpError(503, "unavailable", "the gateway of this session did not answer", {
      headers: { "retry-after": "1" },
    }),
};
