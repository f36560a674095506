/** Which service, version and instance a request goes to: App Engine's rules as a pure function. */

export interface DispatchRule {
  /** `*`, `*.<domain>` or a whole domain. */
  readonly domain: string;
  /** Begins with `/`; may end with `*`. */
  readonly path: string;
  readonly service: string;
}

export interface RoutedVersion {
  /** Instances that a host can name; 0 where the platform has no such hosts (all but manual). */
  readonly addressable: number;
}

export interface RoutedService {
  readonly versions: ReadonlyMap<string, RoutedVersion>;
  /** version → share of the traffic, together 1; empty before the first version. */
  readonly shares: ReadonlyMap<string, number>;
}

export interface RoutingTable {
  /** In order of precedence. */
  readonly rules: readonly DispatchRule[];
  readonly services: ReadonlyMap<string, RoutedService>;
}

export interface Route {
  readonly service: string;
  readonly version: string;
  /** Present when the host named it. */
  readonly instance?: number;
}

const defaultService = "default";

/**
 * The route of a request; undefined when there is no version to send it to.
 *
 * A host with `-dot-` names its target, and no dispatch rule applies to it; a target that does not
 * exist is the default service (soft routing). Other requests go by the first rule that fits.
 *
 * @param host as in the request's header, with or without port
 * @param path of the request's target, without query
 * @param random in [0, 1), picks among the versions that share a service's traffic
 */
export function route(
  table: RoutingTable,
  host: string,
  path: string,
  random: number,
): Route | undefined {
  const name = hostName(host);
  const target = targetOf(name);
  if (target !== undefined) {
    return named(table, target, random) ?? byTraffic(table, defaultService, random);
  }
  const rule = table.rules.find((one) => fitsDomain(one, name) && fitsPath(one, path));
  const chosen = rule && byTraffic(table, rule.service, random);
  return chosen ?? byTraffic(table, defaultService, random);
}

/** Lower case, without port and final dot. */
export function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

/** `v1-dot-m-dot-app.localhost` → ["v1", "m"]; undefined for a host that names no target. */
function targetOf(name: string): readonly string[] | undefined {
  if (!name.endsWith(".localhost")) return undefined;
  const parts = (name.split(".")[0] ?? "").split("-dot-");
  return parts.length > 1 ? parts.slice(0, -1) : undefined;
}

function named(table: RoutingTable, target: readonly string[], random: number): Route | undefined {
  const [first, second, third] = target;
  if (first === undefined || target.length > 3) return undefined;
  if (second === undefined) {
    return (
      byTraffic(table, first, random) ??
      // App Engine takes a lone name that is no service for a version of the default service.
      exact(table, defaultService, first)
    );
  }
  if (third === undefined) return exact(table, second, first);
  const found = exact(table, third, second);
  const addressable = table.services.get(third)?.versions.get(second)?.addressable ?? 0;
  const instance = /^(0|[1-9]\d{0,5})$/.test(first) ? Number(first) : Infinity;
  return found && instance < addressable ? { ...found, instance } : undefined;
}

function exact(table: RoutingTable, service: string, version: string): Route | undefined {
  return table.services.get(service)?.versions.has(version) ? { service, version } : undefined;
}

function byTraffic(table: RoutingTable, service: string, random: number): Route | undefined {
  const found = table.services.get(service);
  if (found === undefined) return undefined;
  const shares = [...found.shares].filter(([id, share]) => share > 0 && found.versions.has(id));
  const total = shares.reduce((sum, [, share]) => sum + share, 0);
  let left = random * total;
  for (const [version, share] of shares) {
    left -= share;
    if (left < 0) return { service, version };
  }
  const last = shares.at(-1);
  return last && { service, version: last[0] };
}

function fitsDomain({ domain }: DispatchRule, name: string): boolean {
  if (domain === "*") return true;
  return domain.startsWith("*.") ? name.endsWith(domain.slice(1)) : name === domain;
}

function fitsPath({ path }: DispatchRule, requested: string): boolean {
  return path.endsWith("*") ? requested.startsWith(path.slice(0, -1)) : requested === path;
}
