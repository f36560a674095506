/**
 * What the console, the page of the default service, is told of its environment: a pure function of what
 * the stack declares. The page draws the picture, and adds to it what lives.
 */
import type { DispatchRule } from "../dispatch-rules.ts";
import type { GatewayOptions } from "./gateway-config.ts";

export interface ConsoleArgs {
  readonly services: readonly {
    readonly service: string;
    readonly kind: "standard" | "flexible";
    readonly scaling: "automatic" | "manual";
    /** Whether it is a client of NATS. */
    readonly nats?: true;
  }[];
  readonly rules: readonly DispatchRule[];
  readonly natsMachines: readonly string[];
  /** Each instance of such a service is pushed what comes on the topic of its changes. */
  readonly replicated: readonly {
    readonly service: string;
    readonly instances: number;
    readonly topics: { readonly changes: string; readonly deadLetters: string };
  }[];
  readonly gateway: GatewayOptions;
}

/** The gateway's method that says which instances are connected; its option allows it or not. */
const servicesMethod = { namespace: "console", name: "services" } as const;

/** The text of the variable CONSOLE; the same for the same arguments. */
export function consoleText({
  services,
  rules,
  natsMachines,
  replicated,
  gateway,
}: ConsoleArgs): string {
  const client = at(gateway, "client");
  const channel = at(gateway, "channel");
  const rpc = at(gateway, "rpc");
  const isOn = (name: string): boolean => at(gateway, name)["enabled"] === true;
  // Where there is none, the page says what the attempt to connect comes to.
  const transports = [
    ...(at(gateway, "websocket")["disabled"] === true ? [] : ["websocket"]),
    ...["http_stream", "sse"].filter(isOn),
  ];
  const ping = at(rpc, "ping");
  const asks = list(rpc, "namespaces").some(
    ({ name, enabled }) => name === servicesMethod.namespace && enabled === true,
  );
  return JSON.stringify({
    anonymous:
      client["insecure"] === true || client["allow_anonymous_connect_without_token"] === true,
    transports: transports.length === 0 ? ["websocket"] : transports,
    pingMethod: ping["enabled"] === true ? (ping["method"] ?? "ping") : null,
    servicesMethod: asks ? `${servicesMethod.namespace}:${servicesMethod.name}` : null,
    channels: [
      ...("without_namespace" in channel ? ["add"] : []),
      ...list(channel, "namespaces").flatMap(({ name }) =>
        typeof name === "string" ? [`${name}:lobby`] : [],
      ),
    ],
    declared: {
      services: services.map((service) => ({ ...service, versions: [] })),
      rules: rules.map(({ path, service }) => ({ path, service })),
      nats: natsMachines.map((name) => ({ name, state: "declared" })),
      topics: replicated.flatMap(({ service, instances, topics: { changes, deadLetters } }) => [
        {
          name: changes,
          // Their names have the version in them, which is known to nobody who is deployed before it.
          subscriptions: Array.from({ length: instances }, (_, index) => ({
            ...{ name: `${service}-${index}`, service, index },
          })),
        },
        { name: deadLetters, subscriptions: [] },
      ]),
    },
  });
}

/** The key by which the gateway verifies tokens, and what else it wants of one. */
export interface DemoTokenArgs {
  /** Id of the secret. */
  readonly secret: string;
  readonly env: Readonly<Record<string, string>>;
}

/** What the default service needs to give tokens that the gateway takes; undefined where it cannot. */
export function demoTokenArgs(gateway: GatewayOptions): DemoTokenArgs | undefined {
  const token = at(at(gateway, "client"), "token");
  const { secret } = at(token, "hmac_secret_key");
  if (typeof secret !== "string") return undefined;
  const named = (variable: string, value: unknown): Record<string, string> =>
    typeof value === "string" && value !== "" ? { [variable]: value } : {};
  return {
    secret,
    env: {
      ...named("DEMO_TOKEN_AUDIENCE", token["audience"]),
      ...named("DEMO_TOKEN_ISSUER", token["issuer"]),
    },
  };
}

type Fields = Readonly<Record<string, unknown>>;

function at(fields: Fields, name: string): Fields {
  const value = fields[name];
  return isFields(value) ? value : {};
}

function list(fields: Fields, name: string): readonly Fields[] {
  const value = fields[name];
  return Array.isArray(value) ? value.filter(isFields) : [];
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
