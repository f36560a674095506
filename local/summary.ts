/** What `npm start` prints about a deployment: pure functions of the engine's state. */
import { z } from "zod";
import type { ResourceState, RunResult, State } from "./engine/types.ts";

const split = z.object({ allocations: z.record(z.string(), z.unknown()) });
const dispatch = z.array(z.object({ path: z.string(), service: z.string() }));

const manual = z.object({
  service: z.string(),
  versionId: z.string(),
  manualScaling: z.object({ instances: z.number() }),
});

interface Deployed {
  readonly service: string;
  readonly version: string;
  readonly websockets: boolean;
}

/** The versions that have the traffic, `default` first. */
export function deployed(state: State): Deployed[] {
  const found: Deployed[] = [];
  const flexible = new Set(
    ofType(state, "FlexibleAppVersion").map(({ inputs }) => String(inputs["service"])),
  );
  for (const { inputs } of ofType(state, "EngineSplitTraffic")) {
    const service = String(inputs["service"]);
    const { allocations } = split.parse(inputs["split"]);
    const version = Object.keys(allocations).join(" + ");
    found.push({ service, version, websockets: flexible.has(service) });
  }
  return found.sort((a, b) => rank(a).localeCompare(rank(b)));
}

/** A table of what can be opened: path, service, the service's own host; below it each instance's own. */
export function urlTable(state: State, port: number): string {
  const services = deployed(state);
  const rows: string[][] = [["URL", "service", "version", "own host", "websockets"]];
  const base = `localhost:${port}`;
  const rules = ofType(state, "ApplicationUrlDispatchRules").flatMap(({ inputs }) =>
    dispatch.parse(inputs["dispatchRules"]),
  );
  for (const { service, version, websockets } of services) {
    const paths = rules.filter((rule) => rule.service === service).map(({ path }) => path);
    const host = `http://${service}-dot-appengine.${base}/`;
    for (const path of service === "default" ? ["/"] : paths.length > 0 ? paths : [""]) {
      const url = path === "" ? "" : `http://${base}${path}`;
      rows.push([url, service, version, host, websockets ? "yes" : "no"]);
    }
  }
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return [
    ...rows.map((row) =>
      `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ")}`.trimEnd(),
    ),
    ...instanceHosts(state, services, base),
  ].join("\n");
}

/** Where the instances of the services are that have hosts for them: those with manual scaling. */
function instanceHosts(state: State, services: readonly Deployed[], base: string): string[] {
  const versions = ofType(state, "StandardAppVersion").flatMap(({ inputs }) => {
    const { data } = manual.safeParse(inputs);
    return data ?? [];
  });
  return services.flatMap(({ service, version }) => {
    const found = versions.find((one) => one.service === service && one.versionId === version);
    if (found === undefined) return [];
    const last = found.manualScaling.instances - 1;
    const host = `http://<i>-dot-${version}-dot-${service}-dot-appengine.${base}/`;
    return [`  each instance of ${service}: ${host}  i = ${last === 0 ? "0" : `0–${last}`}`];
  });
}

/** One line on what a deployment changed. */
export function changeLine(before: State, { state, counts }: RunResult): string {
  const old = new Map(deployed(before).map(({ service, version }) => [service, version]));
  const moved = deployed(state)
    .filter(({ service, version }) => old.get(service) !== version)
    .map(({ service, version }) => `${service} ${old.get(service) ?? "(new)"} → ${version}`);
  const numbers = (["import", "create", "update", "replace", "delete"] as const)
    .filter((kind) => counts[kind] > 0)
    .map((kind) => `${counts[kind]} ${kind}`);
  if (numbers.length === 0) return "nothing to change";
  return moved.length > 0 ? moved.join(", ") : numbers.join(", ");
}

/**
 * How the pulumi CLI is attached, as `npm run local-provider` prints it: the first line is the one
 * that a script would look for.
 */
export function attaching(
  providerPort: number,
  frontDoorPort: number,
  publicKeys: Readonly<Record<string, string>>,
): string {
  const keys = Object.entries(publicKeys).map(
    ([service, key]) => `--config natsKeys.${service}=${key}`,
  );
  return [
    `PULUMI_DEBUG_PROVIDERS=gcp:${providerPort}`,
    "",
    "With this variable exported, in another terminal (docs/pulumi-cli.md says what comes before):",
    "",
    [
      "pulumi up --stack local --config-file .pulumi-local/Pulumi.local.yaml --config-path",
      ...keys,
    ].join(" \\\n  "),
    "",
    `The front door is http://localhost:${frontDoorPort}; Ctrl-C ends all.`,
  ].join("\n");
}

function rank({ service }: Deployed): string {
  return service === "default" ? "" : service;
}

function ofType(state: State, name: string): ResourceState[] {
  return state.resources.filter(({ type }) => type.endsWith(`:${name}`));
}
