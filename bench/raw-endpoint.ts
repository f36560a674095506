/**
 * What a delivered message costs the raw endpoint, beside a bare loop over `ws` that does the same in
 * the same run. Server, bare server and load are processes of their own; rounds alternate, so that
 * whatever else the machine does hits both.
 */
import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { apps } from "../components/lib/apps.ts";
import { bundleApp, writeBundle } from "../components/lib/bundle.ts";
import { freePort } from "../local/cloud/ports.ts";
import { provideNatsServer, thisMachine } from "../local/tools/nats-server.ts";
import { median, round, table } from "./table.ts";

const root = join(import.meta.dirname, "..");
const sockets = 1_000;
const payloadBytes = 128;
const rounds = 5;
/** The endpoint's CPU per delivery over the bare loop's; the issue of the raw endpoint sets it. */
const maxRatio = 1.1;
const modes = [
  { name: "one at a time", bursts: 100, size: 1 },
  { name: "bursts of 50", bursts: 10, size: 50 },
] as const;

type Mode = (typeof modes)[number];

interface Sample {
  readonly cpuUs: number;
  readonly perSecond: number;
}

/** A server under load: where its CPU time is read, and who loads it. */
interface Subject {
  readonly name: string;
  readonly pid: number;
  readonly load: ChildProcess;
  readonly samples: Map<Mode, Sample[]>;
}

/** CPU time of a process so far, user and system, in microseconds. */
async function cpuUs(pid: number): Promise<number> {
  if (platform() === "linux") {
    // Field 1 may hold spaces, but ends with the last parenthesis; ticks are 10 ms on every Linux.
    const fields =
      (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ").at(-1)?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  }
  const text = execFileSync("ps", ["-o", "time=", "-p", String(pid)], { encoding: "utf8" });
  return (
    text
      .trim()
      .split(":")
      .reduce((sum, part) => sum * 60 + Number(part), 0) * 1_000_000
  );
}

/** The load's next message. */
async function answer<T>(load: ChildProcess): Promise<T> {
  const stop = new AbortController();
  try {
    const ended = once(load, "exit", stop).then(() => {
      throw new Error("the load ended before its work was done");
    });
    const [message] = (await Promise.race([once(load, "message", stop), ended])) as [T];
    return message;
  } finally {
    stop.abort();
  }
}

async function measure(subject: Subject, mode: Mode): Promise<Sample> {
  const before = await cpuUs(subject.pid);
  subject.load.send({ bursts: mode.bursts, size: mode.size });
  const { tookMs } = await answer<{ tookMs: number }>(subject.load);
  const used = (await cpuUs(subject.pid)) - before;
  const deliveries = mode.bursts * mode.size * sockets;
  return { cpuUs: used / deliveries, perSecond: (deliveries / tookMs) * 1_000 };
}

/** Resolves with what the pattern finds in a child's output, and lets the rest pass. */
async function says(stream: Readable, pattern: RegExp): Promise<string> {
  let text = "";
  return new Promise((resolve, reject) => {
    stream.setEncoding("utf8").on("data", (part: string) => {
      if (text.length > 16_384) return;
      text += part;
      const found = pattern.exec(text);
      if (found !== null) resolve(found[1] ?? "");
    });
    stream.once("end", () => {
      reject(new Error(`a server did not start: ${text}`));
    });
  });
}

export async function main(): Promise<void> {
  const children: ChildProcess[] = [];
  const started = <T extends ChildProcess>(child: T): T => {
    children.push(child);
    return child;
  };
  const folder = await mkdtemp(join(tmpdir(), "bench-raw-"));
  try {
    const natsServer = await provideNatsServer(thisMachine(console.error));
    const natsPort = await freePort();
    const natsUrl = `nats://127.0.0.1:${natsPort}`;
    const nats = started(
      spawn(natsServer, ["-a", "127.0.0.1", "-p", String(natsPort)], {
        stdio: ["ignore", "ignore", "pipe"],
      }),
    );
    await says(nats.stderr, /(Server is ready)/);

    writeBundle(bundleApp(root, apps.ws), folder);
    const stdio: ["ignore", "pipe", "inherit"] = ["ignore", "pipe", "inherit"];
    const servers = {
      "raw endpoint": started(
        spawn(process.execPath, [join(folder, "main.js")], {
          env: {
            ...process.env,
            HOST: "127.0.0.1",
            PORT: "0",
            NATS_URL: natsUrl,
            // The bare loop asks nobody who they are either.
            WS_CONFIG: JSON.stringify({ client: { insecure: true } }),
          },
          stdio,
        }),
      ),
      "bare ws loop": started(
        spawn(process.execPath, [join(root, "bench/raw/bare.ts"), natsUrl], { stdio }),
      ),
    };

    const subjects: Subject[] = [];
    for (const [name, server] of Object.entries(servers)) {
      const port = Number(await says(server.stdout, /"port":(\d+)/));
      if (name === "raw endpoint") {
        while (!(await fetch(`http://127.0.0.1:${port}/healthz/ready`)).ok);
      }
      const load = started(fork(join(root, "bench/raw/load.ts")));
      load.send({
        port,
        natsUrl,
        topic: name === "raw endpoint" ? "raw" : "bare",
        sockets,
        payloadBytes,
      });
      await answer(load);
      subjects.push({ name, pid: server.pid ?? 0, load, samples: new Map() });
    }

    for (const mode of modes) {
      // One round to warm up, which is not counted.
      for (let count = 0; count <= rounds; count += 1) {
        for (const subject of count % 2 === 0 ? subjects : subjects.toReversed()) {
          const sample = await measure(subject, mode);
          if (count === 0) subject.samples.set(mode, []);
          else subject.samples.get(mode)?.push(sample);
        }
      }
    }
    report(subjects);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
}

function report(subjects: readonly Subject[]): void {
  const rows = modes.flatMap((mode) => {
    const costs = subjects.map((subject) => {
      const samples = subject.samples.get(mode) ?? [];
      return {
        name: subject.name,
        cpuUs: median(samples.map((sample) => sample.cpuUs)),
        perSecond: median(samples.map((sample) => sample.perSecond)),
      };
    });
    const bare = costs.find(({ name }) => name === "bare ws loop")?.cpuUs ?? Number.NaN;
    return costs.map(({ name, cpuUs, perSecond }) => [
      `${sockets} sockets, ${payloadBytes} B, ${mode.name}`,
      name,
      round(cpuUs, 2),
      round(perSecond),
      round(cpuUs / bare, 2),
    ]);
  });
  const head = ["raw endpoint", "server", "CPU µs per delivery", "deliveries/s", "× bare"];
  console.log(table(head, rows));
  const ratios = rows.filter(([, name]) => name === "raw endpoint").map((row) => Number(row[4]));
  console.log(
    `limit: ${maxRatio} × bare: ${Math.max(...ratios) <= maxRatio ? "held" : "NOT HELD"}`,
  );
}
