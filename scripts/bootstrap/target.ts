/** What is to be brought into being: the arguments, held against the stack file, which has the say. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isProjectId } from "../../components/lib/checks.ts";
import { gatewaySecretIds } from "../../components/lib/gateway-config.ts";
import { decodeSettings, type Settings } from "../../config.ts";
import { readStackFile } from "../../local/engine/stack-file.ts";
import { orUsage, Refusal } from "../deploy/refusal.ts";

const usage = [
  "usage: npm run bootstrap -- --project <id> --stack <name> [--github <owner>/<repository>] [--yes]",
  "  --project   the Google Cloud project, as Pulumi.<stack>.yaml has it",
  "  --stack     the environment; its settings are in Pulumi.<stack>.yaml",
  "  --github    the repository whose pushes deploy, as build.github of that file has it",
  "  --region, --location  held against that file, too; they can be left out",
  "  --yes       does not ask before it begins",
].join("\n");

export interface Arguments {
  readonly project: string;
  readonly stack: string;
  readonly github?: string;
  readonly region?: string;
  readonly location?: string;
  readonly yes: boolean;
}

export interface Target {
  readonly project: string;
  readonly stack: string;
  readonly region: string;
  /** App Engine's location. */
  readonly location: string;
  readonly databaseLocation: string;
  readonly adopt: Settings["adopt"];
  /** Secrets of the gateway that any text will do for, as long as nobody knows it. */
  readonly newSecrets: readonly string[];
  /** Secrets of the gateway that hold what was valid before: only a person knows that. */
  readonly earlierSecrets: readonly string[];
  /** Settings of Google's provider. */
  readonly provider: Readonly<Record<string, string>>;
  /** `owner/repository`, where builds are started from GitHub. */
  readonly github?: string;
}

/** @throws Refusal with the usage */
export function readArguments(argv: readonly string[]): Arguments {
  return orUsage(usage, () => {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        project: { type: "string" },
        stack: { type: "string" },
        github: { type: "string" },
        region: { type: "string" },
        location: { type: "string" },
        yes: { type: "boolean", default: false },
      },
    });
    const { project, stack, github } = values;
    if (project === undefined) throw new Error("--project is missing");
    if (stack === undefined) throw new Error("--stack is missing");
    if (!isProjectId(project)) {
      throw new Error(
        `--project ${project}: allowed: a project's id (not its name or number), 6 to 30 lower-case letters, digits and hyphens`,
      );
    }
    if (github !== undefined && !/^[\w.-]+\/[\w.-]+$/.test(github)) {
      throw new Error(`--github ${github}: allowed: <owner>/<repository>`);
    }
    return { ...values, project, stack };
  });
}

/**
 * @param root the folder with the stack files
 * @throws Refusal that says every mistake of the stack file, or every argument that differs from it
 */
export function targetOf(args: Arguments, root: string): Target {
  if (args.stack === "local") throw new Refusal("The stack local needs no project: npm start");
  const { settings, provider } = readStack(args.stack, root);
  const file = `Pulumi.${args.stack}.yaml`;
  const build = settings.build.github;
  const github = build === undefined ? undefined : `${build.owner}/${build.repository}`;
  const problems = (
    [
      ["--project", args.project, settings.project, "gcp:project"],
      ["--region", args.region, settings.region, "gcp:region"],
      ["--location", args.location, settings.location, "appengine-realtime:location"],
      ...(github === undefined
        ? []
        : ([["--github", args.github, github, "build.github"]] as const)),
    ] as const
  )
    .filter(([, given, there]) => given !== undefined && given !== there)
    .map(
      ([name, given, there, key]) =>
        `${name} is ${String(given)}, but ${key} in ${file} is ${there}`,
    );
  if (args.github !== undefined && github === undefined) {
    const [owner = "", repository = ""] = args.github.split("/");
    problems.push(
      `--github is ${args.github}, but ${file} names no repository. Put it there and commit it:\n` +
        `  appengine-realtime:build:\n    github:\n      owner: ${owner}\n      repository: ${repository}\n` +
        `      repositoryId: "<what this says: gh api repos/${args.github} --jq .id>"`,
    );
  }
  if (problems.length > 0) {
    throw new Refusal([...problems, "Nothing was done. One of the two is wrong."].join("\n"));
  }
  const gateway = settings.ws.gateway ?? {};
  const all = gatewaySecretIds(gateway);
  const current = gatewaySecretIds(withoutEarlier(gateway));
  return {
    project: settings.project,
    stack: args.stack,
    region: settings.region,
    location: settings.location,
    databaseLocation: settings.databaseLocation,
    adopt: settings.adopt,
    provider,
    newSecrets: current,
    earlierSecrets: all.filter((id) => !current.includes(id)),
    ...(github === undefined ? {} : { github }),
  };
}

/** The settings as the stack file has them now. */
export function readSettingsOf(stack: string, root: string): Settings {
  return readStack(stack, root).settings;
}

function readStack(
  stack: string,
  root: string,
): { settings: Settings; provider: Record<string, string> } {
  try {
    const { config } = readStackFile(root, stack);
    const settings = decodeSettings(config, stack);
    const provider = Object.entries(config)
      .filter(([key]) => key.startsWith("gcp:"))
      .map(([key, value]) => [key.slice("gcp:".length), value]);
    return { settings, provider: Object.fromEntries(provider) as Record<string, string> };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Refusal(`${join(root, `Pulumi.${stack}.yaml`)}: ${text}`);
  }
}

/** The gateway's options without the secrets that were valid before. */
function withoutEarlier(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const text = JSON.stringify(options, (name, value: unknown) =>
    name.includes("previous") ? undefined : value,
  );
  return JSON.parse(text) as Record<string, unknown>;
}
