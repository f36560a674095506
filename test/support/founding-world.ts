/**
 * A Google Cloud project and Pulumi's state, as far as bootstrap sees and changes them: the answers of
 * gcloud, pulumi and npm over one state that a test looks into.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createUser } from "nkeys.js";
import { isMap, parseDocument } from "yaml";
import type { Cli, Outcome, RunOptions } from "../../scripts/bootstrap/cli.ts";
import { targetMatcher } from "../../scripts/bootstrap/declared.ts";

interface Bucket {
  location: string;
  versioning: boolean;
  uniform: boolean;
  closed: boolean;
  cleanup: boolean;
}

export interface Answer {
  readonly code?: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

/** What can go wrong with a command that changes something. */
export type Mishap = "refused" | "half done" | "done, but its end was lost";

/** Words of commands that change nothing. */
const questions =
  /^(gcloud (--version|auth|projects describe|billing projects describe|services list|storage buckets list|app describe|firestore databases list|secrets (list|describe)|secrets versions (list|access))|pulumi (version|whoami|stack export)|npm .*--dry-run)/;

const appToken = "gcp:appengine/application:Application";
const databaseToken = "gcp:firestore/database:Database";

/** To make a pair takes long; these are enough for every service to have one of its own, twice. */
const pairs = Array.from({ length: 6 }, () => createUser());

export class FoundingWorld {
  #pairs = 0;
  readonly project: string;
  readonly root: string;
  readonly declared: readonly string[];

  account: string | undefined = "jane@example.com";
  mayAsk = true;
  exists = true;
  billing = true;
  credentials = true;
  apis = new Set(["storage.googleapis.com"]);
  bucket: Bucket | undefined;
  backend = "file://~";
  state: { urns: Set<string>; pending: string[] } | undefined;
  /** Resources that are in the state, too. */
  readonly stateResources: object[] = [];
  application: string | undefined;
  database: { location: string; type: string } | undefined;
  readonly secrets = new Map<string, string[]>();
  connected = true;
  plugin = false;
  live = false;

  /** Command lines that changed something or tried to, in order. */
  readonly changes: string[] = [];
  /** Everything that was on any command line. */
  readonly lines: string[] = [];
  /** What happens to the next commands that change something: line → mishap. */
  mishap: (line: string) => Mishap | undefined = () => undefined;

  /**
   * @param root a folder with Pulumi.yaml and the stack files, whose keys are rewritten
   * @param declared URNs of what the program declares
   */
  constructor(project: string, root: string, declared: readonly string[]) {
    this.project = project;
    this.root = root;
    this.declared = declared;
  }

  /** The same without processes. */
  get cli(): Cli {
    return {
      run: (line: readonly string[], options: RunOptions = {}): Promise<Outcome> => {
        const answer = this.answer(line, options.input ?? "");
        return Promise.resolve({
          code: answer.code ?? 0,
          stdout: answer.stdout ?? "",
          stderr: answer.stderr ?? "",
        });
      },
    };
  }

  /** What the tool does when it is called so. */
  answer(line: readonly string[], input: string): Answer {
    const text = line.join(" ");
    this.lines.push(text);
    if (questions.test(text)) return this.#tell(text);
    this.changes.push(text);
    const mishap = this.mishap(text);
    if (mishap === "refused") return { code: 1, stderr: "ERROR: (tool) PERMISSION_DENIED: no" };
    const answer = this.#change(text, line, input, mishap === "half done");
    return mishap === undefined || (answer.code ?? 0) !== 0
      ? answer
      : { code: 1, stderr: "ERROR: (tool) the connection was lost" };
  }

  #tell(text: string): Answer {
    const json = (value: unknown): Answer => ({ stdout: JSON.stringify(value) });
    const no = (stderr: string): Answer => ({ code: 1, stderr: `ERROR: (gcloud) ${stderr}` });
    const named = /secrets versions (?:list (\S+)|access latest --secret=(\S+))/.exec(text);
    const versions = this.secrets.get(named?.[1] ?? named?.[2] ?? "") ?? [];
    if (text.startsWith("gcloud auth list")) {
      return json(this.account === undefined ? [] : [{ account: this.account }]);
    }
    if (text.includes("print-access-token")) {
      return this.credentials ? { stdout: "ya29.a-token" } : no("no credentials");
    }
    if (text === "gcloud --version") return {};
    if (text === "pulumi version") return { stdout: "v3.270.0" };
    if (text.startsWith("pulumi whoami")) {
      return { stdout: `User: jane\nBackend URL: ${this.backend}\n` };
    }
    if (text.startsWith("pulumi stack export")) return this.#export();
    if (text.startsWith("npm ")) {
      return { code: text.endsWith("--expect-no-changes") && this.live ? 0 : 4 };
    }
    if (!text.includes(this.project)) return no(`of which project? ${text}`);
    if (!this.exists) return no("PERMISSION_DENIED: no such project, or you may not see it");
    if (text.startsWith("gcloud projects describe")) return json({ projectId: this.project });
    if (!this.mayAsk) return no("PERMISSION_DENIED: you may not ask that");
    if (text.startsWith("gcloud billing")) return json({ billingEnabled: this.billing });
    if (text.startsWith("gcloud services list")) {
      return json([...this.apis].map((name) => ({ config: { name } })));
    }
    const api = /^gcloud (app|firestore|secrets)/.exec(text)?.[1];
    if (api !== undefined) {
      const name =
        { app: "appengine", firestore: "firestore", secrets: "secretmanager" }[api] ?? "";
      if (!this.apis.has(`${name}.googleapis.com`)) return no(`the API ${name} is off`);
    }
    if (text.includes("buckets list")) return json(this.bucket === undefined ? [] : [this.#raw()]);
    if (text.startsWith("gcloud app describe")) {
      return this.application === undefined
        ? no("The current Google Cloud project [x] does not contain an App Engine application.")
        : json({ id: this.project, locationId: this.application });
    }
    if (text.startsWith("gcloud firestore")) {
      const { location: locationId, type } = this.database ?? {};
      const name = `projects/${this.project}/databases/(default)`;
      return json(this.database === undefined ? [] : [{ name, locationId, type }]);
    }
    if (text.startsWith("gcloud secrets list")) {
      return json([...this.secrets.keys()].map((id) => ({ name: `projects/1/secrets/${id}` })));
    }
    const described = /^gcloud secrets describe (\S+)/.exec(text)?.[1];
    if (described !== undefined) return this.secrets.has(described) ? {} : no("NOT_FOUND");
    if (text.startsWith("gcloud secrets versions list")) {
      return json(versions.map((_, n) => ({ name: `versions/${n + 1}`, state: "ENABLED" })));
    }
    if (text.startsWith("gcloud secrets versions access")) return { stdout: versions.at(-1) ?? "" };
    return no(`unknown: ${text}`);
  }

  #raw(): object {
    const { location, versioning, uniform, closed, cleanup } = this.bucket ?? ({} as Bucket);
    return {
      name: `${this.project}-pulumi-state`,
      location: location.toUpperCase(),
      versioning: { enabled: versioning },
      iamConfiguration: {
        uniformBucketLevelAccess: { enabled: uniform },
        publicAccessPrevention: closed ? "enforced" : "inherited",
      },
      ...(cleanup
        ? {
            lifecycle: {
              rule: [{ action: { type: "Delete" }, condition: { numNewerVersions: 100 } }],
            },
          }
        : {}),
    };
  }

  #export(): Answer {
    if (this.bucket === undefined) return { code: 255, stderr: "error: bucket doesn't exist" };
    if (this.state === undefined) return { code: 255, stderr: "error: no stack named 'dev' found" };
    const { urns, pending } = this.state;
    return {
      stdout: JSON.stringify({
        version: 3,
        deployment:
          urns.size === 0
            ? { manifest: {} }
            : {
                resources: [
                  {
                    urn: "urn:pulumi:dev::appengine-realtime::pulumi:pulumi:Stack::dev",
                    type: "pulumi:pulumi:Stack",
                    outputs: {
                      url: "https://it.example.com",
                      workloadIdentityProvider: "projects/1/x",
                    },
                  },
                  ...[...urns].map((urn) => ({ urn, type: typeOf(urn) })),
                  ...this.stateResources,
                ],
                pending_operations: pending.map((urn) => ({
                  type: "creating",
                  resource: { urn, type: typeOf(urn) },
                })),
              },
      }),
    };
  }

  #change(text: string, line: readonly string[], input: string, half: boolean): Answer {
    if (text.startsWith("gcloud services enable")) {
      const apis = line.filter((word) => word.endsWith(".googleapis.com"));
      for (const api of half ? apis.slice(0, 1) : apis) this.apis.add(api);
      return {};
    }
    if (text.startsWith("gcloud storage buckets create")) {
      if (this.bucket !== undefined) return { code: 1, stderr: "ERROR: 409 it exists" };
      const location = /--location=(\S+)/.exec(text)?.[1] ?? "us";
      const isClosed = text.includes("--public-access-prevention");
      this.bucket = {
        ...{ location, versioning: false, cleanup: false, closed: isClosed },
        uniform: text.includes("--uniform-bucket-level-access"),
      };
      return {};
    }
    if (text.startsWith("gcloud storage buckets update")) {
      if (this.bucket === undefined) return { code: 1, stderr: "ERROR: 404" };
      const bucket = { ...this.bucket, versioning: text.includes("--versioning") };
      const file = /--lifecycle-file=(\S+)/.exec(text)?.[1];
      this.bucket = half
        ? bucket
        : { ...bucket, uniform: true, closed: true, cleanup: file !== undefined };
      return {};
    }
    if (text.startsWith("pulumi login ")) {
      this.backend = line[2] ?? "";
      return {};
    }
    if (text.startsWith("pulumi stack init")) {
      if (this.state !== undefined) return { code: 255, stderr: "error: it exists" };
      this.state = { urns: new Set(), pending: [] };
      return {};
    }
    if (text.startsWith("pulumi plugin install resource gcp ")) {
      this.plugin = !half;
      return {};
    }
    if (text.startsWith("pulumi up")) {
      if (!this.plugin) return { code: 255, stderr: "error: no resource plugin gcp" };
      const targets = line.filter((_, n) => line[n - 1] === "--target");
      return this.#up(this.declared.filter(targetMatcher(targets)), half);
    }
    if (text.startsWith("npm run --silent deploy")) {
      const wanting = [...this.secrets].filter(([, versions]) => versions.length === 0);
      // A service without its secret never becomes ready.
      if (wanting.length > 0) return { code: 1, stderr: `no value: ${wanting.join()}` };
      const answer = this.#up(this.declared, half);
      this.live = !half && answer.code === undefined;
      return answer;
    }
    if (text.startsWith("npm run --silent nats-keys")) return this.#natsKeys(half);
    const id = /^gcloud secrets versions add (\S+)/.exec(text)?.[1];
    if (id !== undefined) {
      const versions = this.secrets.get(id);
      if (versions === undefined) return { code: 1, stderr: "ERROR: NOT_FOUND" };
      if (!half) versions.push(input);
      return {};
    }
    return { code: 64, stderr: `unknown: ${text}` };
  }

  #up(all: readonly string[], half: boolean): Answer {
    if (this.state === undefined) return { code: 255, stderr: "error: no stack" };
    const urns = half ? all.slice(0, all.length >> 1) : all;
    for (const urn of urns) {
      if (this.state.urns.has(urn)) continue;
      if (urn.includes("cloudbuild/trigger") && !this.connected) {
        return {
          code: 255,
          stdout: "error 400: Repository mapping does not exist. Please visit …",
        };
      }
      this.state.urns.add(urn);
      const api = /projects\/service:Service::apis-(\S+)$/.exec(urn)?.[1];
      if (api !== undefined) this.apis.add(`${api}.googleapis.com`);
      const secret = /secret:Secret::(?:ws-secrets-)?(\S+)$/.exec(urn)?.[1];
      if (secret !== undefined) this.secrets.set(secret, []);
      if (urn.includes(`${appToken}::`)) this.application = "us-central";
      if (urn.includes(`${databaseToken}::`)) {
        this.database = { location: "nam5", type: "DATASTORE_MODE" };
      }
    }
    return { stdout: "Resources: …\n" };
  }

  /** What scripts/nats-keys.ts does; where there are processes, that itself is run. */
  #natsKeys(half: boolean): Answer {
    const file = join(this.root, "Pulumi.dev.yaml");
    const document = parseDocument(readFileSync(file, "utf8"));
    const path = ["config", "appengine-realtime:natsKeys"];
    const keys = document.getIn(path);
    const services = isMap(keys) ? keys.items.map(({ key }) => String(key)) : [];
    for (const service of services) {
      const pair = pairs[this.#pairs++ % pairs.length] ?? createUser();
      const versions = this.secrets.get(`nats-seed-${service}`);
      if (versions === undefined) return { code: 1, stderr: "no secret" };
      versions.push(new TextDecoder().decode(pair.getSeed()));
      document.setIn([...path, service], pair.getPublicKey());
    }
    // The file comes last: all seeds are there, and it still has the keys of before.
    if (!half) writeFileSync(file, document.toString({ lineWidth: 0 }));
    this.live = false;
    return {};
  }
}

function typeOf(urn: string): string {
  return urn.split("::")[2]?.split("$").at(-1) ?? "";
}
