/** What a developer waits for: a preview, a start, a stop. Each beside a bare start of Node, and of the Pulumi SDK. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { median, round, table } from "./table.ts";

const root = join(import.meta.dirname, "..");
const runs = 3;
const limitsMs = { preview: 3_000, start: 8_000, stop: 5_000 };

function run(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [...args], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
}

/** Milliseconds until the process ends. */
async function wholeMs(args: readonly string[]): Promise<number> {
  const started = performance.now();
  const child = run(args);
  child.stdout?.resume();
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`node ${args.join(" ")} ended with ${String(code)}`);
  return performance.now() - started;
}

/** Milliseconds until `npm start`'s program says that it is ready, and then until it has stopped. */
async function cycleMs(): Promise<{ start: number; stop: number }> {
  const started = performance.now();
  const child = run(["local/main.ts", "--port", "18980"]);
  let text = "";
  await new Promise<void>((resolve, reject) => {
    child.once("exit", (code) => {
      reject(new Error(`npm start ended with ${String(code)}:\n${text}`));
    });
    child.stdout?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      if (text.includes("ready in")) resolve();
    });
  });
  const ready = performance.now();
  child.removeAllListeners("exit");
  child.kill("SIGTERM");
  await once(child, "exit");
  return { start: ready - started, stop: performance.now() - ready };
}

export async function main(): Promise<void> {
  const bare: number[] = [];
  const sdk: number[] = [];
  const previews = new Map<string, number[]>([
    ["dev", []],
    ["prod", []],
  ]);
  const starts: number[] = [];
  const stops: number[] = [];
  for (let i = 0; i < runs; i++) {
    bare.push(await wholeMs(["-e", "0"]));
    sdk.push(await wholeMs(["-e", 'require("@pulumi/pulumi")']));
    for (const [stack, times] of previews) {
      times.push(await wholeMs(["local/preview.ts", "--stack", stack]));
    }
    const { start, stop } = await cycleMs();
    starts.push(start);
    stops.push(stop);
  }
  const base = median(bare);
  const row = (what: string, times: readonly number[], limit?: number) => {
    const ms = median(times);
    return [
      what,
      round(ms),
      round(Math.min(...times)),
      round(Math.max(...times)),
      round(ms / base, 1),
      limit === undefined ? "" : `≤ ${limit}`,
      limit === undefined ? "" : ms <= limit ? "yes" : "NO",
    ];
  };
  console.log(`What a developer waits for, with a warm cache (${runs} runs)`);
  console.log(
    table(
      ["what", "median ms", "min", "max", "× bare node", "promised", "holds"],
      [
        row("node -e 0", bare),
        row("node, and the Pulumi SDK imported", sdk),
        ...[...previews].map(([stack, times]) =>
          row(`npm run preview -- --stack ${stack}`, times, limitsMs.preview),
        ),
        row("npm start to ready", starts, limitsMs.start),
        row("stop", stops, limitsMs.stop),
      ],
    ),
  );
}

if (import.meta.main) await main();
