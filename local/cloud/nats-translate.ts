/**
 * From the machine's cloud-init to a configuration of nats-server that runs here. Every setting
 * stays as it is, but for addresses and paths; those are translated only in the exact forms that
 * are known, and anything else that looks like one is refused: a guess could open a port or write
 * into a folder of this machine.
 */
import { parse } from "yaml";
import { z } from "zod";
import { loopback } from "./ports.ts";

const configPath = "/etc/nats/nats-server.conf";

const cloudInit = z.object({
  write_files: z.array(z.object({ path: z.string(), content: z.string().optional() })).optional(),
});

/** The text of nats-server's configuration in a machine's user data; undefined when it has none. */
export function natsConfigOf(userData: string): string | undefined {
  if (!userData.startsWith("#cloud-config")) return undefined;
  const files = cloudInit.parse(parse(userData)).write_files ?? [];
  return files.find((file) => file.path === configPath)?.content;
}

export interface NatsPlace {
  readonly clientPort: number;
  readonly monitorPort: number;
  readonly clusterPort: number;
  readonly storeFolder: string;
  /** The port here that stands for port 6222 of a node; undefined for an address nobody declared. */
  readonly routePort: (address: string) => number | undefined;
}

interface Form {
  readonly block: string;
  readonly key: string;
  readonly exactly: string;
  readonly here: (place: NatsPlace) => string;
}

const forms: readonly Form[] = [
  {
    block: "",
    key: "listen",
    exactly: "0.0.0.0:4222",
    here: (place) => `${loopback}:${place.clientPort}`,
  },
  {
    block: "",
    key: "http",
    exactly: "127.0.0.1:8222",
    here: (place) => `${loopback}:${place.monitorPort}`,
  },
  {
    block: "jetstream",
    key: "store_dir",
    exactly: '"/data"',
    here: (place) => JSON.stringify(place.storeFolder),
  },
  {
    block: "cluster",
    key: "listen",
    exactly: "0.0.0.0:6222",
    here: (place) => `${loopback}:${place.clusterPort}`,
  },
];

/** Settings of nats-server that hold addresses, ports or paths, in whatever block. */
const placeKeys = new Set(
  (
    "listen net host port addr http https http_port https_port monitor_port http_base_path " +
    "store_dir storedir pid_file ports_file_dir log_file logfile include routes gateways remotes " +
    "advertise client_advertise cluster_advertise no_advertise cert_file key_file ca_file dir resolver url urls prof_port"
  ).split(" "),
);

/** Things that look like an address or a path wherever they stand. */
const suspicious = /0\.0\.0\.0|\d+\.\d+\.\d+\.\d+|:\/\/|["'\s]\/|["']?[A-Za-z]:\\/;

/**
 * @throws Error that lists every line whose address or path has an unknown form
 */
export function translateNatsConfig(text: string, place: NatsPlace): string {
  const problems: string[] = [];
  const seen = new Set<string>();
  const blocks: string[] = [];
  const lines = text.split("\n").map((line, index) => {
    const refuse = (why: string): string => {
      problems.push(`line ${index + 1}: ${line.trim()} (${why})`);
      return line;
    };
    const content = line.trim();
    if (content === "" || content.startsWith("#") || content.startsWith("//")) return line;
    if (/^[}\]],?$/.test(content)) {
      blocks.pop();
      return line;
    }
    const opens = /^([\w$-]*)\s*[:=]?\s*[{[]$/.exec(content);
    if (opens) {
      blocks.push(opens[1] ?? "");
      return placeKeys.has(opens[1] ?? "") ? refuse("it must be on one line") : line;
    }

    const block = blocks.join(".");
    const indent = line.slice(0, line.length - line.trimStart().length);
    const setting = /^([\w$-]+)\s*[:=\s]\s*(.+)$/.exec(content);
    const key = setting?.[1] ?? "";
    const value = setting?.[2] ?? "";
    if (block === "cluster" && key === "routes") {
      const routes = translateRoutes(value, place);
      return typeof routes === "string" ? `${indent}routes: ${routes}` : refuse(routes.why);
    }
    const form = forms.find((one) => one.block === block && one.key === key);
    if (form !== undefined) {
      if (content !== `${key}: ${form.exactly}`) return refuse(`expected ${key}: ${form.exactly}`);
      if (seen.has(`${block}.${key}`)) return refuse("it is said twice");
      seen.add(`${block}.${key}`);
      return `${indent}${key}: ${form.here(place)}`;
    }
    if (placeKeys.has(key)) return refuse(`${key} is not known ${block ? `in ${block}` : "here"}`);
    if (suspicious.test(` ${content}`)) return refuse("an address or a path of unknown form");
    return line;
  });
  for (const { block, key, exactly } of forms) {
    const wanted = block === "" || new RegExp(`^\\s*${block}\\s*[:=]?\\s*\\{`, "m").test(text);
    if (wanted && !seen.has(`${block}.${key}`) && problems.length === 0) {
      problems.push(`${block ? `${block}: ` : ""}the line "${key}: ${exactly}" is missing`);
    }
  }
  if (problems.length > 0) {
    throw new Error(
      ["nats-server's configuration cannot be translated to this machine:", ...problems].join(
        "\n  ",
      ),
    );
  }
  return lines.join("\n");
}

function translateRoutes(value: string, place: NatsPlace): string | { why: string } {
  const form = 'routes: ["nats://<address>:6222", …]';
  let urls: unknown;
  try {
    urls = JSON.parse(value);
  } catch {
    return { why: `expected ${form}` };
  }
  const parsed = z.array(z.string()).safeParse(urls);
  if (!parsed.success) return { why: `expected ${form}` };
  const here: string[] = [];
  for (const url of parsed.data) {
    const address = /^nats:\/\/(\d+\.\d+\.\d+\.\d+):6222$/.exec(url)?.[1];
    if (address === undefined) return { why: `expected ${form}` };
    const port = place.routePort(address);
    if (port === undefined) return { why: `the program declares no address ${address}` };
    here.push(`nats://${loopback}:${port}`);
  }
  return JSON.stringify(here);
}
