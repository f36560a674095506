import { HttpError } from "../lib/http.ts";
import { RpcError, type RpcMethod } from "../lib/rpc.ts";
import type { Calculator } from "./calculator.ts";

/** The operations as methods that clients of the gateway call; errors have the statuses of HTTP as codes. */
export function calculatorMethods(calculator: Calculator): Readonly<Record<string, RpcMethod>> {
  return Object.fromEntries(
    Object.entries(calculator).map(([name, operation]) => [
      name,
      async (data: Uint8Array) => {
        try {
          return Buffer.from(JSON.stringify(await operation(decode(data))));
        } catch (error) {
          if (!(error instanceof HttpError)) throw error;
          throw new RpcError(error.status, error.message, { cause: error });
        }
      },
    ]),
  );
}

/** Nothing is the absence of a body; wrong UTF-8 is no JSON. */
function decode(data: Uint8Array): unknown {
  if (data.length === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data));
  } catch (cause) {
    throw new RpcError(400, "the data is not JSON", { cause });
  }
}
