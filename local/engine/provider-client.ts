/** What the engine asks of a provider, over gRPC, each request with a deadline. */
import grpc from "@grpc/grpc-js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import providerProto from "@pulumi/pulumi/proto/provider_pb.js";
import { fromStruct, toStruct } from "../wire/struct.ts";
import type { Json } from "../wire/values.ts";

export interface CheckAnswer {
  readonly inputs: Json;
  readonly failures: readonly { readonly property: string; readonly reason: string }[];
}

export interface DiffAnswer {
  /** Undefined when the provider cannot say. */
  readonly changes: boolean | undefined;
  readonly replaces: readonly string[];
  readonly deleteBeforeReplace: boolean;
}

/** Every method rejects with what the provider said, or with a clear word on why it said nothing. */
export interface ProviderClient {
  check(urn: string, olds: Json, news: Json): Promise<CheckAnswer>;
  diff(id: string, urn: string, olds: Json, news: Json): Promise<DiffAnswer>;
  create(urn: string, inputs: Json): Promise<{ id: string; outputs: Json }>;
  update(id: string, urn: string, olds: Json, news: Json): Promise<Json>;
  delete(id: string, urn: string, outputs: Json): Promise<void>;
  /** Undefined when the thing is gone. */
  read(id: string, urn: string, outputs: Json): Promise<Json | undefined>;
  invoke(token: string, args: Json): Promise<Json>;
  close(): void;
}

/** The provider cannot be asked any more, whatever the question. */
export class ProviderGone extends Error {
  override readonly name = "ProviderGone";
}

const maxMessageBytes = 400 * 1024 * 1024;

/** @param stepMs the longest a single request may take */
export async function connectProvider(port: number, stepMs: number): Promise<ProviderClient> {
  const address = `127.0.0.1:${port}`;
  const client = new providerGrpc.ResourceProviderClient(
    address,
    grpc.credentials.createInsecure(),
    { "grpc.max_receive_message_length": maxMessageBytes },
  );

  type Done<Response> = (error: grpc.ServiceError | null, response: Response) => void;
  /** One request: `start` makes the call with what it is given. */
  function ask<Response>(
    what: string,
    start: (options: Partial<grpc.CallOptions>, done: Done<Response>) => void,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      start({ deadline: Date.now() + stepMs }, (error, response) => {
        if (error === null) resolve(response);
        else reject(explain(error, what, address, stepMs));
      });
    });
  }
  const metadata = new grpc.Metadata();

  await ask<InstanceType<typeof providerProto.ConfigureResponse>>("configure", (options, done) =>
    client.configure(
      new providerProto.ConfigureRequest().setAcceptsecrets(true),
      metadata,
      options,
      done,
    ),
  );

  return {
    async check(urn, olds, news) {
      const request = new providerProto.CheckRequest()
        .setUrn(urn)
        .setOlds(toStruct(olds))
        .setNews(toStruct(news));
      const response = await ask<InstanceType<typeof providerProto.CheckResponse>>(
        "check",
        (options, done) => client.check(request, metadata, options, done),
      );
      return {
        inputs: fromStruct(response.getInputs()),
        failures: response
          .getFailuresList()
          .map((failure) => ({ property: failure.getProperty(), reason: failure.getReason() })),
      };
    },
    async diff(id, urn, olds, news) {
      const request = new providerProto.DiffRequest()
        .setId(id)
        .setUrn(urn)
        .setOlds(toStruct(olds))
        .setNews(toStruct(news));
      const response = await ask<InstanceType<typeof providerProto.DiffResponse>>(
        "diff",
        (options, done) => client.diff(request, metadata, options, done),
      );
      const { DIFF_NONE, DIFF_SOME } = providerProto.DiffResponse.DiffChanges;
      const changes = response.getChanges();
      return {
        changes: changes === DIFF_SOME ? true : changes === DIFF_NONE ? false : undefined,
        replaces: response.getReplacesList(),
        deleteBeforeReplace: response.getDeletebeforereplace(),
      };
    },
    async create(urn, inputs) {
      const request = new providerProto.CreateRequest().setUrn(urn).setProperties(toStruct(inputs));
      const response = await ask<InstanceType<typeof providerProto.CreateResponse>>(
        "create",
        (options, done) => client.create(request, metadata, options, done),
      );
      return { id: response.getId(), outputs: fromStruct(response.getProperties()) };
    },
    async update(id, urn, olds, news) {
      const request = new providerProto.UpdateRequest()
        .setId(id)
        .setUrn(urn)
        .setOlds(toStruct(olds))
        .setNews(toStruct(news));
      const response = await ask<InstanceType<typeof providerProto.UpdateResponse>>(
        "update",
        (options, done) => client.update(request, metadata, options, done),
      );
      return fromStruct(response.getProperties());
    },
    async delete(id, urn, outputs) {
      const request = new providerProto.DeleteRequest()
        .setId(id)
        .setUrn(urn)
        .setProperties(toStruct(outputs));
      await ask("delete", (options, done) => client.delete(request, metadata, options, done));
    },
    async read(id, urn, outputs) {
      const request = new providerProto.ReadRequest()
        .setId(id)
        .setUrn(urn)
        .setProperties(toStruct(outputs));
      const response = await ask<InstanceType<typeof providerProto.ReadResponse>>(
        "read",
        (options, done) => client.read(request, metadata, options, done),
      );
      return response.getId() === "" ? undefined : fromStruct(response.getProperties());
    },
    async invoke(token, args) {
      const request = new providerProto.InvokeRequest().setTok(token).setArgs(toStruct(args));
      const response = await ask<InstanceType<typeof providerProto.InvokeResponse>>(
        "invoke",
        (options, done) => client.invoke(request, metadata, options, done),
      );
      return fromStruct(response.getReturn());
    },
    close: () => {
      client.close();
    },
  };
}

function explain(cause: grpc.ServiceError, what: string, address: string, stepMs: number): Error {
  switch (cause.code) {
    case grpc.status.UNAVAILABLE:
      return new ProviderGone(`the provider at ${address} is gone (${cause.details})`, { cause });
    case grpc.status.DEADLINE_EXCEEDED:
      return new ProviderGone(`the provider did not answer "${what}" within ${stepMs / 1000} s`, {
        cause,
      });
    default:
      return new Error(cause.details, { cause });
  }
}
