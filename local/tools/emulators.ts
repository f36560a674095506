/**
 * Finds Google's emulators and says how each is started. They are Java programs in the Google Cloud
 * SDK; `gcloud beta emulators` would start them too, but twice as slowly and behind processes of its
 * own that outlive a kill.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, realpathSync, statSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { platform } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "./cache-folder.ts";
import { onPath } from "./on-path.ts";

const run = promisify(execFile);

export type EmulatorName = "datastore" | "firestore" | "pubsub";

interface Kind {
  /** As `gcloud components install` knows it; its folder in the SDK has the same name. */
  readonly component: string;
  /** As apt knows it, for an SDK that came from there. */
  readonly aptPackage: string;
  /** Below the component's folder. */
  readonly jar: RegExp;
  readonly jarFolder: string;
  /** What follows `java <flags>`. */
  readonly args: (jar: string, place: EmulatorPlace) => readonly string[];
}

const kinds: Readonly<Record<EmulatorName, Kind>> = {
  datastore: {
    component: "cloud-datastore-emulator",
    aptPackage: "google-cloud-cli-datastore-emulator",
    jar: /^CloudDatastore\.jar$/,
    jarFolder: "",
    args: (jar, { port, folder }) => [
      ...["-cp", jar, "com.google.cloud.datastore.emulator.CloudDatastore", "start"],
      ...["--host=127.0.0.1", `--port=${port}`, "--firestore_in_datastore_mode", folder],
    ],
  },
  /** In Datastore mode, with the locks of production. It keeps nothing on disk. */
  firestore: {
    component: "cloud-firestore-emulator",
    aptPackage: "google-cloud-cli-firestore-emulator",
    jar: /^cloud-firestore-emulator\.jar$/,
    jarFolder: "",
    args: (jar, { port }) => [
      ...["-cp", jar, "com.google.cloud.datastore.emulator.firestore.CloudFirestore"],
      ...["--host=127.0.0.1", `--port=${port}`, "--database-mode=datastore-mode"],
    ],
  },
  pubsub: {
    component: "pubsub-emulator",
    aptPackage: "google-cloud-cli-pubsub-emulator",
    jar: /^cloud-pubsub-emulator-[\d.]+-all\.jar$/,
    jarFolder: "lib",
    // Without --iam_port=0 it takes the fixed port 8090 too.
    args: (jar, { port }) => ["-jar", jar, "--host=127.0.0.1", `--port=${port}`, "--iam_port=0"],
  },
};

/**
 * Java for a short life on a small machine: the first compiler alone starts a quarter sooner and
 * takes a third less CPU; without the bound each may grow to a quarter of the machine's memory; and
 * the performance file would stay in the temporary folder after a kill.
 */
const javaFlags = ["-XX:TieredStopAtLevel=1", "-Xmx512m", "-XX:-UsePerfData"];

/** What their classes are compiled for. */
const oldestJava = 11;

export interface EmulatorPlace {
  readonly port: number;
  /** Where the Datastore emulator keeps its data; the others keep none. It need not exist. */
  readonly folder: string;
}

export interface EmulatorCommand {
  readonly file: string;
  readonly args: readonly string[];
}

export interface Emulators {
  /** How one is started on a port of 127.0.0.1. It serves once `GET /` answers 200. */
  command(name: EmulatorName, place: EmulatorPlace): Promise<EmulatorCommand>;
  /** Where its loaded classes are kept for later starts, once `npm run provision` has written them. */
  archive(name: EmulatorName): string;
}

/**
 * @param wanted the emulators that must be there
 * @returns `missing`: one line that says what is not there and how to get it
 */
export async function findEmulators(
  wanted: readonly EmulatorName[] = ["datastore", "pubsub"],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Emulators | { readonly missing: string }> {
  const sdk = sdkFolder(env);
  if ("missing" in sdk) return sdk;
  const jars = new Map<EmulatorName, string>();
  const absent: EmulatorName[] = [];
  for (const name of wanted) {
    const jar = await jarOf(sdk.folder, name);
    if (jar === undefined) absent.push(name);
    else jars.set(name, jar);
  }
  if (absent.length > 0) {
    const components = absent.map((name) => kinds[name].component).join(" ");
    const packages = absent.map((name) => kinds[name].aptPackage).join(" ");
    return {
      missing:
        `the Google Cloud SDK in ${sdk.folder} has no ${components}: ` +
        `gcloud components install ${components} (an SDK from apt: apt-get install ${packages})`,
    };
  }
  const java = await javaFile(env);
  if ("missing" in java) return java;
  const jarFile = (name: EmulatorName): string => {
    const jar = jars.get(name);
    if (jar === undefined) throw new Error(`the ${name} emulator was not asked for`);
    return jar;
  };
  // Java refuses an archive of another Java or another jar, with a line that nobody needs.
  const archive = (name: EmulatorName): string => {
    const jar = jarFile(name);
    const { size, mtimeMs } = statSync(jar);
    const of = JSON.stringify([java.file, java.version, javaFlags, jar, size, mtimeMs]);
    const digest = createHash("sha256").update(of).digest("hex").slice(0, 16);
    return join(cacheFolder(env), "emulators", `${name}-${digest}.jsa`);
  };
  return {
    archive,
    command: async (name, place) => {
      const jar = jarFile(name);
      // All that its action "create" would make, without a second start of Java.
      if (name === "datastore") await mkdir(join(place.folder, "WEB-INF"), { recursive: true });
      const classes = archive(name);
      const shared = existsSync(classes) ? [`-XX:SharedArchiveFile=${classes}`] : [];
      return { file: java.file, args: [...javaFlags, ...shared, ...kinds[name].args(jar, place)] };
    },
  };
}

/** By the variable, else by where `gcloud` really is; to ask gcloud itself would take a second. */
function sdkFolder(
  env: NodeJS.ProcessEnv,
): { readonly folder: string } | { readonly missing: string } {
  const given = env["CLOUDSDK_ROOT_DIR"];
  if (given !== undefined && given !== "") {
    if (existsSync(join(given, "platform"))) return { folder: given };
    return { missing: `CLOUDSDK_ROOT_DIR is ${given}, where no Google Cloud SDK is` };
  }
  const gcloud = onPath("gcloud", env, [".cmd", ""]);
  if (gcloud === undefined) {
    return {
      missing:
        "the Google Cloud SDK is not installed (no gcloud on PATH): https://cloud.google.com/sdk/docs/install, " +
        "then gcloud components install pubsub-emulator cloud-datastore-emulator",
    };
  }
  const folder = dirname(dirname(realpathSync(gcloud)));
  if (existsSync(join(folder, "platform"))) return { folder };
  return {
    missing: `${gcloud} does not lead to the Google Cloud SDK's folder: set CLOUDSDK_ROOT_DIR to it`,
  };
}

async function jarOf(sdk: string, name: EmulatorName): Promise<string | undefined> {
  const { component, jarFolder, jar } = kinds[name];
  const folder = join(sdk, "platform", component, jarFolder);
  const files = await readdir(folder).catch(() => []);
  const found = files.find((file) => jar.test(file));
  return found && join(folder, found);
}

async function javaFile(
  env: NodeJS.ProcessEnv,
): Promise<{ readonly file: string; readonly version: string } | { readonly missing: string }> {
  const home = env["JAVA_HOME"];
  const file =
    home === undefined || home === ""
      ? onPath("java", env, [".exe", ""])
      : join(home, "bin", platform() === "win32" ? "java.exe" : "java");
  const how = `install Java ${oldestJava} or later (Debian: apt-get install default-jre-headless; macOS: brew install openjdk; Windows: winget install EclipseAdoptium.Temurin.21.JRE)`;
  if (file === undefined) return { missing: `Java is not installed (no java on PATH): ${how}` };
  try {
    // macOS has a `java` on every machine that only says that there is none.
    const { stderr } = await run(file, ["-XX:TieredStopAtLevel=1", "-version"], { env });
    const version = /version "(?:1\.)?(\d+)/.exec(stderr)?.[1];
    if (Number(version) >= oldestJava) return { file, version: stderr };
    return { missing: `${file} is Java ${version ?? "of an unknown version"}: ${how}` };
  } catch {
    return { missing: `${file} does not run: ${how}` };
  }
}
