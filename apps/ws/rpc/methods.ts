import type { GatewayConfig, RpcMethodOptions } from "../config/options.ts";
import { errors, type ProtocolError } from "../protocol/codes.ts";

/** One token of a subject: visible characters, but none that mean something in subjects or to us. */
const token = /^[!-)+\-/-9;-=?-~]{1,128}$/;

/** What holds for the method of this name, or why there is none. */
export function findMethod(
  rpc: GatewayConfig["rpc"],
  name: string,
): RpcMethodOptions | ProtocolError {
  const boundary = name.indexOf(":");
  const options =
    boundary === -1
      ? rpc.without_namespace
      : rpc.namespaces.find((each) => each.name === name.slice(0, boundary));
  if (options === undefined || !token.test(name.slice(boundary + 1))) return errors.methodNotFound;
  return options.enabled ? options : errors.notAvailable;
}

/** Whether any name could be that of a method. */
export function hasMethods({ without_namespace, namespaces }: GatewayConfig["rpc"]): boolean {
  return without_namespace.enabled || namespaces.some(({ enabled }) => enabled);
}
