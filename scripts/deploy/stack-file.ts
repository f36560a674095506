/** What the scripts need to know from `Pulumi.<stack>.yaml`. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Document, isMap, parseDocument } from "yaml";
import { isProjectId } from "../../components/lib/checks.ts";
import { Refusal } from "./refusal.ts";

export interface StackFile {
  readonly path: string;
  readonly text: string;
  readonly project: string;
  /** What it says to the provider: `gcp:<name>`, by name. */
  readonly provider: Readonly<Record<string, unknown>>;
  /** The image of ws, where the file names one. */
  readonly wsImage: string | undefined;
}

/** npm runs scripts in the folder of package.json; that is where the stack files are. */
export async function readStackFile(stack: string, folder = process.cwd()): Promise<StackFile> {
  const path = join(folder, `Pulumi.${stack}.yaml`);
  const { text, document, project } = await readStackDocument(path, stack);
  if (!isProjectId(project)) {
    throw new Refusal(`${path}: gcp:project: "${project}" is no project id`);
  }
  const image = document.getIn(["config", "appengine-realtime:ws", "image"]);
  const config = document.get("config");
  const keys = isMap(config) ? config.items.map(({ key }) => String(key)) : [];
  const provider = Object.fromEntries(
    keys
      .filter((key) => key.startsWith("gcp:"))
      .map((key) => [key.slice("gcp:".length), document.getIn(["config", key])]),
  );
  const wsImage = typeof image === "string" ? image : undefined;
  return { path, text, project, provider, wsImage };
}

/** The file as it was written, comments and all, with the project that it names. */
export async function readStackDocument(
  path: string,
  stack: string,
): Promise<{ text: string; document: Document; project: string }> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    throw new Refusal(`there is no stack "${stack}": ${path} cannot be read`);
  }
  const document = parseDocument(text);
  const [mistake] = document.errors;
  if (mistake) throw new Refusal(`${path}: ${mistake.message}`);
  const project = document.getIn(["config", "gcp:project"]);
  if (typeof project !== "string") throw new Refusal(`${path}: gcp:project is missing`);
  return { text, document, project };
}

/** A stack's name as the CLI takes it; the one of `npm start` is nowhere but on this machine. */
export function checkStack(stack: string | undefined, usage: string): string {
  if (stack === undefined || !/^[\w-]+$/.test(stack)) {
    throw new Refusal(`${stack === undefined ? "no stack" : `"${stack}" is no stack`}\n${usage}`);
  }
  if (stack === "local")
    throw new Refusal("the stack local is run by npm start, and by nothing else");
  return stack;
}
