/** The pack of `policies/`, started and asked as the pulumi CLI does it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import grpc from "@grpc/grpc-js";
import analyzerGrpc from "@pulumi/pulumi/proto/analyzer_grpc_pb.js";
import analyzerProto from "@pulumi/pulumi/proto/analyzer_pb.js";
import emptyProto from "google-protobuf/google/protobuf/empty_pb.js";
import type { RecordedResource } from "../../local/record.ts";
import { toStruct } from "../../local/wire/struct.ts";
import {
  archiveSignature,
  assetSignature,
  isObject,
  type Json,
  secretSignature,
  signatureKey,
  unknownValue,
} from "../../local/wire/values.ts";
import { repository } from "../support/checkout.ts";

/** What the CLI would print. */
export interface Diagnostic {
  readonly rule: string;
  readonly urn: string;
  readonly message: string;
  /** Only what is mandatory stops a deployment. */
  readonly mandatory: boolean;
}

export interface Analyzer extends AsyncDisposable {
  readonly info: InstanceType<typeof analyzerProto.AnalyzerInfo>;
  /** As before each resource is created, changed or left alone. */
  analyze(resource: RecordedResource): Promise<Diagnostic[]>;
  /** As when the program is done. */
  analyzeStack(resources: readonly RecordedResource[]): Promise<Diagnostic[]>;
  /** What `--policy-pack-config` says. */
  configure(options: Readonly<Record<string, Json>>): Promise<void>;
}

/** @throws Error with what the pack wrote when it does not start within half a minute */
export async function startPack(): Promise<Analyzer> {
  const folder = join(repository, "policies");
  // The CLI's shell script looks for the runner from the pack's folder, and runs it there.
  const runner = createRequire(join(folder, "x")).resolve("@pulumi/pulumi/cmd/run-policy-pack");
  const child = spawn(process.execPath, [runner, "127.0.0.1:1", "."], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stop = (): void => void child.kill("SIGKILL");
  process.once("exit", stop);
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const lines = createInterface({ input: child.stdout });
  const timeout = AbortSignal.timeout(30_000);
  const port = await Promise.race([
    once(lines, "line", { signal: timeout }).then(([line]) => Number(line)),
    once(child, "exit", { signal: timeout }).then(() => NaN),
  ]).catch(() => NaN);
  if (!Number.isInteger(port)) {
    stop();
    throw new Error(`the pack did not start:\n${errors}`);
  }
  const client = new analyzerGrpc.AnalyzerClient(
    `127.0.0.1:${port}`,
    grpc.credentials.createInsecure(),
  );
  const info = await ask<InstanceType<typeof analyzerProto.AnalyzerInfo>>((done) => {
    client.getAnalyzerInfo(new emptyProto.Empty(), done);
  });
  type Response = InstanceType<typeof analyzerProto.AnalyzeResponse>;
  return {
    info,
    analyze: async (resource) => {
      const request = new analyzerProto.AnalyzeRequest()
        .setType(resource.type)
        .setUrn(resource.urn)
        .setName(resource.name)
        .setProperties(toStruct(wired(resource.inputs) as Json))
        .setOptions(optionsOf(resource));
      const response = await ask<Response>((done) => {
        client.analyze(request, done);
      });
      return diagnosticsOf(response, resource.urn);
    },
    analyzeStack: async (resources) => {
      const request = new analyzerProto.AnalyzeStackRequest().setResourcesList(
        resources.map((resource) =>
          new analyzerProto.AnalyzerResource()
            .setType(resource.type)
            .setUrn(resource.urn)
            .setName(resource.name)
            .setProperties(toStruct(wired(outputsOf(resource)) as Json))
            .setOptions(optionsOf(resource))
            .setParent(resource.parent ?? "")
            .setDependenciesList([...resource.dependencies]),
        ),
      );
      const response = await ask<Response>((done) => {
        client.analyzeStack(request, done);
      });
      return diagnosticsOf(response, "");
    },
    configure: async (options) => {
      const request = new analyzerProto.ConfigureAnalyzerRequest();
      for (const [rule, properties] of Object.entries(options)) {
        request
          .getPolicyconfigMap()
          .set(
            rule,
            new analyzerProto.PolicyConfig()
              .setEnforcementlevel(analyzerProto.EnforcementLevel.MANDATORY)
              .setProperties(toStruct(properties)),
          );
      }
      await ask((done) => {
        client.configure(request, done);
      });
    },
    async [Symbol.asyncDispose]() {
      client.close();
      process.off("exit", stop);
      const ended = once(child, "exit");
      stop();
      await ended;
    },
  };
}

function ask<Response>(
  start: (done: (error: grpc.ServiceError | null, response: Response) => void) => void,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    start((error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });
}

/** At the end rules see outputs. Of resources these are the inputs at least; of the stack nothing else. */
function outputsOf({ type, inputs, outputs = {} }: RecordedResource): Json {
  return type === "pulumi:pulumi:Stack" ? outputs : inputs;
}

function optionsOf({
  protect,
}: RecordedResource): InstanceType<typeof analyzerProto.AnalyzerResourceOptions> {
  return new analyzerProto.AnalyzerResourceOptions().setProtect(protect);
}

function diagnosticsOf(
  response: InstanceType<typeof analyzerProto.AnalyzeResponse>,
  urn: string,
): Diagnostic[] {
  return response.getDiagnosticsList().map((diagnostic) => ({
    rule: diagnostic.getPolicyname(),
    urn: diagnostic.getUrn() || urn,
    message: diagnostic.getMessage(),
    mandatory: diagnostic.getEnforcementlevel() === analyzerProto.EnforcementLevel.MANDATORY,
  }));
}

/** A recorded value as the engine sends it: the contrary of `readable` in local/wire/values.ts. */
function wired(value: unknown): unknown {
  if (value === "[unknown]") return unknownValue;
  if (Array.isArray(value)) return value.map(wired);
  if (!isObject(value)) return value;
  const { "[secret]": secret, "[asset]": asset, "[archive]": archive, ...rest } = value;
  if (secret !== undefined) return { [signatureKey]: secretSignature, value: wired(secret) };
  if (isObject(asset)) return { ...asset, [signatureKey]: assetSignature };
  if (isObject(archive)) return { [signatureKey]: archiveSignature, assets: wired(archive) };
  return Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, wired(inner)]));
}
