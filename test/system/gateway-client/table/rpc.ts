import assert from "node:assert/strict";
import { headers } from "nats";
import { token } from "../../../support/gateway-pair.ts";
import type { Rows, Stage } from "./stage.ts";

/** A service that answers calls of one method; it gets payloads and callers. */
function serve(stage: Stage, answer: (data: Uint8Array) => Uint8Array): string {
  // In a name of its own, since many rows run at a time.
  const method = stage.channel();
  stage.defer(
    stage.pair.publisher.subscribe(`rpc.${method}`, {
      callback: (_error, message) => {
        const caller = message.headers?.get("Centrifuge-Caller") ?? "";
        const answered = headers();
        if (caller.includes('"carl"')) {
          answered.set("Nats-Service-Error-Code", "1234");
          answered.set("Nats-Service-Error", "not for carl");
        }
        message.respond(answer(message.data), { headers: answered });
      },
    }),
  );
  return method;
}

export const rpcRows: Rows = {
  async "calls methods that services answer"(stage) {
    const client = await stage.connect(0);
    const method = serve(stage, (data) => Buffer.from(`{"got":${Buffer.from(data).toString()}}`));
    await stage.pair.publisher.flush();
    assert.deepEqual(await client.rpc(method, { ü: [1, "ß"] }), { got: { ü: [1, "ß"] } });
    assert.deepEqual(await client.rpc(method, null), { got: null });
    assert.deepEqual(await client.rpc("ping", {}), {});
    await assert.rejects(client.rpc("dance", {}), { code: 104 });
  },

  async "gets answers that are no JSON, and errors of services"(stage) {
    const [client, carl] = await Promise.all([
      stage.connect(0),
      stage.connect(1, { token: await token({ sub: "carl" }) }),
    ]);
    const bytes = Uint8Array.of(0x61, 0xff, 0x62);
    const method = serve(stage, () => bytes);
    await stage.pair.publisher.flush();
    assert.deepEqual(await client.rpc(method, 1), "a\ufffdb");
    if (stage.kind.encoding === "protobuf") {
      const answer = await client.client.rpc(method, bytes);
      assert.deepEqual(Buffer.from(answer.data as Uint8Array), Buffer.from(bytes));
    }
    await assert.rejects(carl.rpc(method, 1), { code: 1234, message: "not for carl" });
    assert.deepEqual(carl.connection, ["connecting 0", "connected"]);
  },

  async "calls many at a time, each answered with its own"(stage) {
    const client = await stage.connect(1);
    const method = serve(stage, (data) => data);
    await stage.pair.publisher.flush();
    const numbers = Array.from({ length: 50 }, (_, index) => index);
    const answers = await Promise.all(numbers.map((n) => client.rpc(method, { n })));
    assert.deepEqual(
      answers,
      numbers.map((n) => ({ n })),
    );
  },
};
