/** The two gRPC services that a Pulumi program calls: the resource monitor and the engine. */
import grpc from "@grpc/grpc-js";
import engineGrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engineProto from "@pulumi/pulumi/proto/engine_pb.js";
import resourceGrpc from "@pulumi/pulumi/proto/resource_grpc_pb.js";
import resourceProto from "@pulumi/pulumi/proto/resource_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { fromStruct, toStruct } from "../wire/struct.ts";
import type { Json } from "../wire/values.ts";
import { decodeRegistration, type Registration } from "./registration.ts";
import type { RunOptions } from "./types.ts";

/** What the program is told of a resource that it registered. */
export interface Answer {
  readonly urn: string;
  /** Absent for components, and in previews while the cloud has not named the thing. */
  readonly id?: string | undefined;
  /** What is left out is unknown in a preview and undefined otherwise. */
  readonly outputs: Json;
}

/** Decides what becomes of what a program registers. A rejection ends the program. */
export interface Monitor {
  register(registration: Registration): Promise<Answer>;
  registerOutputs(urn: string, outputs: Json): void;
  /** A data source. */
  invoke(token: string, args: Json): Promise<Json>;
}

export interface MonitorServer {
  readonly port: number;
  /** True once the program said that it has run to its end. */
  finished(): boolean;
  stop(): Promise<void>;
}

export interface MonitorOptions {
  readonly monitor: Monitor;
  readonly idleMs: number;
  /** Called once when the program made no call for `idleMs` while none was being answered. */
  readonly onIdle: () => void;
  readonly onLog: NonNullable<RunOptions["onLog"]>;
}

/** Raised to the program when the run has failed elsewhere: the SDK then leaves without a word. */
export class RunStopped extends Error {
  override readonly name = "RunStopped";
}

/** Both messages may hold a whole program's inputs; the SDK uses the same limit. */
const maxMessageBytes = 400 * 1024 * 1024;

const features = resourceProto.ResourceMonitorFeature;

export async function startMonitor(options: MonitorOptions): Promise<MonitorServer> {
  const server = new grpc.Server({ "grpc.max_receive_message_length": maxMessageBytes });
  const idle = idleTimer(options.idleMs, options.onIdle);
  let finished = false;

  /** Answers a call with a promise's result, and keeps the idle clock stopped meanwhile. */
  const answer =
    <Request, Response>(work: (request: Request) => Promise<Response> | Response) =>
    (call: { request: Request }, callback: grpc.sendUnaryData<Response>): void => {
      idle.enter();
      Promise.resolve()
        .then(() => work(call.request))
        .then(
          (response) => {
            callback(null, response);
          },
          (error: unknown) => {
            callback({
              code: error instanceof RunStopped ? grpc.status.UNAVAILABLE : grpc.status.UNKNOWN,
              details: error instanceof Error ? error.message : String(error),
            });
          },
        )
        .finally(() => {
          idle.leave();
        });
    };
  const nothing = (): InstanceType<typeof empty.Empty> => new empty.Empty();

  server.addService(resourceGrpc.ResourceMonitorService, {
    getDeploymentInfo: answer(() =>
      // Only what this engine carries out; the SDK refuses the rest with a message of its own.
      new resourceProto.DeploymentInfo().setSupportedfeaturesList([
        features.RESOURCE_MONITOR_FEATURE_SECRETS,
        features.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
      ]),
    ),
    registerResource: answer(
      async (request: InstanceType<typeof resourceProto.RegisterResourceRequest>) => {
        const { urn, id, outputs } = await options.monitor.register(decodeRegistration(request));
        return new resourceProto.RegisterResourceResponse()
          .setUrn(urn)
          .setId(id ?? "")
          .setObject(toStruct(outputs));
      },
    ),
    registerResourceOutputs: answer(
      (request: InstanceType<typeof resourceProto.RegisterResourceOutputsRequest>) => {
        options.monitor.registerOutputs(request.getUrn(), fromStruct(request.getOutputs()));
        return nothing();
      },
    ),
    invoke: answer(async (request: InstanceType<typeof resourceProto.ResourceInvokeRequest>) => {
      const result = await options.monitor.invoke(request.getTok(), fromStruct(request.getArgs()));
      return new resourceProto.ResourceInvokeResponse().setReturn(toStruct(result));
    }),
    readResource: answer((request: InstanceType<typeof resourceProto.ReadResourceRequest>) =>
      unsupported(`reading the existing resource ${request.getType()} ${request.getId()}`),
    ),
    existsResource: answer(() => unsupported("looking for existing resources")),
    call: answer((request: InstanceType<typeof resourceProto.ResourceCallRequest>) =>
      unsupported(`calling ${request.getTok()}`),
    ),
    registerPackage: answer(() => unsupported("parameterized packages")),
    signalAndWaitForShutdown: answer(() => {
      finished = true;
      return nothing();
    }),
  });
  server.addService(engineGrpc.EngineService, {
    log: answer((request: InstanceType<typeof engineProto.LogRequest>) => {
      options.onLog(severityOf(request.getSeverity()), request.getMessage());
      return nothing();
    }),
    getRootResource: answer(() => new engineProto.GetRootResourceResponse()),
    setRootResource: answer(() => new engineProto.SetRootResourceResponse()),
    requirePulumiVersion: answer(() => new engineProto.RequirePulumiVersionResponse()),
  });

  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    port,
    finished: () => finished,
    stop: () => {
      idle.stop();
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

function unsupported(what: string): never {
  throw new Error(`the embedded engine does not support ${what}`);
}

type Severity = Parameters<NonNullable<RunOptions["onLog"]>>[0];

function severityOf(severity: engineProto.LogSeverity): Severity {
  switch (severity) {
    case engineProto.LogSeverity.DEBUG:
      return "debug";
    case engineProto.LogSeverity.WARNING:
      return "warning";
    case engineProto.LogSeverity.ERROR:
      return "error";
    default:
      return "info";
  }
}

/** Runs only while no call is being answered. */
function idleTimer(
  idleMs: number,
  onIdle: () => void,
): { enter(): void; leave(): void; stop(): void } {
  let busy = 0;
  let timer = setTimeout(onIdle, idleMs);
  return {
    enter: () => {
      busy += 1;
      clearTimeout(timer);
    },
    leave: () => {
      busy -= 1;
      if (busy === 0) {
        clearTimeout(timer);
        timer = setTimeout(onIdle, idleMs);
      }
    },
    stop: () => {
      clearTimeout(timer);
      busy = Number.POSITIVE_INFINITY;
    },
  };
}
