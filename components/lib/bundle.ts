import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type BuildOptions, buildSync, type Message } from "esbuild";

/** What is deployed of an app. Paths have `/`; those of sources are relative to the app's folder. */
export interface App {
  /** The app's folder below the root, e.g. `apps/web`. Its `main.ts` becomes `main.js`. */
  readonly folder: string;
  /** Files that are copied: path in the archive → source. */
  readonly files?: Readonly<Record<string, string>>;
  /** Scripts and style sheets for browsers: path in the archive → `.ts`, `.tsx` or `.css` that is bundled to it. */
  readonly browserBundles?: Readonly<Record<string, string>>;
}

export interface BundledFile {
  /** Path in the archive. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface Bundle {
  /** SHA-256 over the files' paths and bytes, 64 hex digits. */
  readonly digest: string;
  /** Everything that is in the archive, sorted by path. */
  readonly files: readonly BundledFile[];
}

/**
 * What App Engine's build sees beside `main.js`: no dependency to install and, because of the empty
 * `gcp-build`, nothing to build.
 */
const packageJson = {
  private: true,
  type: "module",
  engines: { node: "24.x" },
  scripts: { start: "node main.js", "gcp-build": "" },
};

/** CommonJS packages expect these three; a module has none of them. */
const banner =
  'import{createRequire as $createRequire}from"node:module";' +
  "const require=$createRequire(import.meta.url)," +
  "__filename=import.meta.filename,__dirname=import.meta.dirname;";

/**
 * Bundles an app. The result depends on nothing but the content of the sources: not on where the
 * checkout is, on line endings, the clock or the environment.
 *
 * @throws Error that names the app, with one line `file:line:column: what is wrong` per mistake
 */
export function bundleApp(root: string, app: App): Bundle {
  const copies = Object.entries(app.files ?? {});
  const browserBundles = Object.entries(app.browserBundles ?? {});
  const problems = pathProblems([...copies, ...browserBundles].map(([path]) => path));
  if (problems.length > 0) throw refusal(app, problems);
  const files: BundledFile[] = [
    { path: "package.json", bytes: encode(`${JSON.stringify(packageJson, undefined, 2)}\n`) },
    { path: "main.js", bytes: bundleScript(root, app, "main.ts", server) },
    ...browserBundles.map(([path, source]) => ({
      path,
      bytes: bundleScript(root, app, source, browser),
    })),
    ...copies.map(([path, source]) => ({
      path,
      bytes: copied(root, app, source),
    })),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { digest: digestOf(files), files };
}

/**
 * Writes a bundle's files to `folder`, which appears with everything in it or not at all. A folder
 * that holds the bundle already is left alone; another content is replaced.
 */
export function writeBundle(bundle: Bundle, folder: string): void {
  if (holds(folder, bundle)) return;
  const temporary = `${folder}.${randomUUID()}.tmp`;
  try {
    for (const { path, bytes } of bundle.files) {
      mkdirSync(dirname(join(temporary, path)), { recursive: true });
      writeFileSync(join(temporary, path), bytes);
    }
    rmSync(folder, { recursive: true, force: true });
    renameSync(temporary, folder);
  } catch (error) {
    // Another run may have been faster; what counts is what is there now.
    if (!holds(folder, bundle)) throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

const shared = {
  bundle: true,
  write: false,
  format: "esm",
  charset: "utf8",
  sourcemap: false,
  legalComments: "none",
  logLevel: "silent",
  // Not the tsconfig.json that is found, or not found, above the sources.
  tsconfigRaw: { compilerOptions: { target: "es2024", verbatimModuleSyntax: true, strict: true } },
} satisfies BuildOptions;

const server = {
  ...shared,
  platform: "node",
  target: "node24",
  banner: { js: banner },
  minify: true,
  keepNames: true,
  // Short lines keep line numbers in stack traces meaningful. In a page they would cost 3 % of what is sent.
  lineLimit: 160,
  // Optional accelerators of `ws`: installed on some machines only, and native, so never bundled.
  external: ["bufferutil", "utf-8-validate"],
} satisfies BuildOptions;

const browser = {
  ...shared,
  platform: "browser",
  target: "es2022",
  minify: true,
  jsx: "automatic",
  jsxImportSource: "preact",
} satisfies BuildOptions;

function bundleScript(root: string, app: App, source: string, options: BuildOptions): Uint8Array {
  try {
    const { outputFiles } = buildSync({
      ...options,
      write: false,
      absWorkingDir: root,
      entryPoints: [`./${app.folder}/${source}`],
      outfile: source.endsWith(".css") ? "main.css" : "main.js",
    });
    const [output] = outputFiles;
    if (output === undefined) throw new Error(`esbuild made nothing of ${source}`);
    return output.contents;
  } catch (error) {
    if (!isBuildFailure(error)) throw error;
    throw refusal(app, error.errors.map(describe), error);
  }
}

function describe({ location, text }: Message): string {
  return location === null
    ? text
    : `${location.file}:${location.line}:${location.column + 1}: ${text}`;
}

function isBuildFailure(error: unknown): error is Error & { readonly errors: Message[] } {
  return error instanceof Error && "errors" in error && Array.isArray(error.errors);
}

function refusal(app: App, problems: readonly string[], cause?: unknown): Error {
  return new Error(
    [`the app ${app.folder} cannot be bundled:`, ...problems.map((p) => `  - ${p}`)].join("\n"),
    { cause },
  );
}

/** Text is copied with Unix line endings, so that the checkout's own do not matter. */
function copied(root: string, app: App, source: string): Uint8Array {
  const path = join(root, app.folder, source);
  if (!existsSync(path)) throw refusal(app, [`${app.folder}/${source}: no such file`]);
  const bytes = readFileSync(path);
  if (bytes.includes(0)) return bytes;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return encode(text.replaceAll("\r\n", "\n"));
  } catch {
    return bytes;
  }
}

function pathProblems(paths: readonly string[]): string[] {
  const taken = new Set(["main.js", "package.json"]);
  return paths.flatMap((path) => {
    if (taken.has(path)) return [`${path}: is in the archive already`];
    taken.add(path);
    return /^(?!\.)[\w.-]+(\/(?!\.)[\w.-]+)*$/.test(path)
      ? []
      : [`${path}: is no path in an archive; a/b.c, no hidden file`];
  });
}

function digestOf(files: readonly BundledFile[]): string {
  const hash = createHash("sha256");
  // Lengths first, so that no other list of files can have the same bytes.
  for (const { path, bytes } of files) hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  return hash.digest("hex");
}

function holds(folder: string, bundle: Bundle): boolean {
  return bundle.files.every(({ path, bytes }) => {
    try {
      return readFileSync(join(folder, path)).equals(bytes);
    } catch {
      return false;
    }
  });
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
