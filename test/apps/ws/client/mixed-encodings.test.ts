import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { WebSocket } from "ws";
import { clientKinds, type ClientKind } from "../../../support/client-kind.ts";
import { eventually } from "../../../support/eventually.ts";
import { subjectOf } from "../../../support/gateway-process.ts";
import { Client, startGateway } from "../../../support/gateway.ts";
import { NpmClient } from "../../../support/npm-client.ts";
import { referenceCodec } from "../../../support/reference-codec.ts";

const config = {
  client: { insecure: true },
  channel: {
    without_namespace: { history_size: 100, history_ttl: "300s", force_recovery: true },
    namespaces: [{ name: "plain" }],
  },
};

/** Bytes that are no text at all. */
const binary = Uint8Array.from([0, 0xff, 0xfe, 0x22, 0x0a, 0x80]);
/** What they are to those who get text. */
const binaryText = new TextDecoder().decode(binary);

describe("clients of both encodings in one channel", () => {
  for (const [what, channel] of [
    ["with history", "mixed"],
    ["without history", "plain:mixed"],
  ] as const) {
    it(`${what} see what others publish, whoever does, in one order and none of it broken`, async () => {
      await using running = await startGateway({ jetStream: true, gateway: config });
      const connect = (kind: ClientKind) => NpmClient.connect(running.port, { kind });
      using json = await connect(clientKinds.jsonWebsocket);
      using protobuf = await connect(clientKinds.protobufWebsocket);
      const raw = await Client.open(running.url(encodeURIComponent(channel)));
      const ofJson = await json.subscribe(channel);
      const ofProtobuf = await protobuf.subscribe(channel);

      await json.publish(channel, { by: "JSON", exact: 1.0, text: "é\n" });
      await protobuf.publish(channel, { by: "protobuf" });
      // Neither JSON nor text, and text that is no JSON.
      await protobuf.client.publish(channel, binary);
      await protobuf.client.publish(channel, new TextEncoder().encode("bare\ntext"));
      running.publisher.publish(subjectOf(channel), binary);
      running.publisher.publish(subjectOf(channel), "12345678901234567890");
      await running.publisher.flush();
      // Whoever comes last is one whose publications pass through NATS as well.
      await eventually("the services' are there", () => ofJson.publications.length === 6);
      raw.websocket.send("from a raw socket");

      const all = await ofJson.received(7);
      assert.deepEqual(all, [
        { by: "JSON", exact: 1, text: "é\n" },
        { by: "protobuf" },
        binaryText,
        "bare\ntext",
        binaryText,
        Number("12345678901234567890"),
        "from a raw socket",
      ]);
      await ofProtobuf.received(7);
      const bytes = ofProtobuf.payloads.map((data) => Buffer.from(data as Uint8Array));
      assert.deepEqual(
        bytes,
        [
          '{"by":"JSON","exact":1,"text":"é\\n"}',
          '{"by":"protobuf"}',
          binary,
          "bare\ntext",
          binary,
          "12345678901234567890",
          "from a raw socket",
        ].map((each) => Buffer.from(each as string)),
      );
      assert.deepEqual((await raw.received(7))[2], binaryText);
      // Both know who published, and the same offsets.
      const seen = ({ publications }: typeof ofJson) =>
        publications.map(({ info, offset }) => [info?.client, offset]);
      assert.deepEqual(seen(ofProtobuf), seen(ofJson));
      assert.deepEqual(
        seen(ofJson).map(([client]) => client),
        [json.id, protobuf.id, protobuf.id, protobuf.id, undefined, undefined, undefined],
      );
    });
  }

  it("read one history, recover from it, and see each other come and go", async () => {
    await using running = await startGateway({
      jetStream: true,
      gateway: {
        ...config,
        channel: {
          without_namespace: {
            ...config.channel.without_namespace,
            presence: true,
            join_leave: true,
            force_push_join_leave: true,
          },
        },
      },
    });
    using json = await NpmClient.connect(running.port);
    using protobuf = await NpmClient.connect(running.port, { kind: clientKinds.protobufWebsocket });
    const ofJson = await json.subscribe("mixed");
    const ofProtobuf = await protobuf.subscribe("mixed");
    await ofJson.happens("join ", 2);
    const { clients } = await protobuf.presence("mixed");
    assert.deepEqual(Object.keys(clients).toSorted(), [json.id, protobuf.id].toSorted());

    const { offset } = ofJson.position;
    await json.publish("mixed", { n: 1 });
    await protobuf.client.publish("mixed", binary);
    await ofProtobuf.received(2);
    const since = { offset: offset + 1, epoch: ofJson.position.epoch };
    for (const client of [json, protobuf]) {
      const history = await client.history("mixed", { limit: 10 });
      assert.deepEqual(
        history.publications.map(({ data }): unknown => data),
        [{ n: 1 }, binaryText],
      );
      assert.equal(history.offset, offset + 2);
      const later = await client.history("mixed", { limit: 10, since });
      assert.deepEqual(
        later.publications.map(({ data }): unknown => data),
        [binaryText],
      );
    }
    for (const client of [json, protobuf]) {
      const late = client.kind === protobuf.kind ? clientKinds.protobufWebsocket : json.kind;
      using other = await NpmClient.connect(running.port, { kind: late });
      const recovered = await other.subscribe("mixed", { since });
      assert.equal(recovered.contexts[0]?.recovered, true);
      assert.deepEqual(await recovered.received(1), [binaryText]);
      if (late.encoding === "protobuf") {
        assert.deepEqual(Buffer.from(recovered.payloads[0] as Uint8Array), Buffer.from(binary));
      }
    }
  });
});

describe("the encoding of a websocket", () => {
  const connect = { id: 1, connect: {} };
  const asJson = JSON.stringify(connect);
  const asProtobuf = Buffer.from(referenceCodec.encodeCommands([connect]));

  it("is protobuf by its subprotocol or its query, and JSON by default", async () => {
    await using running = await startGateway();
    const answerTo = async (query: string, offered: string[], command: string | Buffer) => {
      const url = `ws://127.0.0.1:${running.port}/connection/websocket${query}`;
      const websocket = new WebSocket(url, offered);
      await once(websocket, "open");
      websocket.send(command);
      const outcome = await Promise.race([
        once(websocket, "message") as Promise<[Buffer, boolean]>,
        once(websocket, "close") as Promise<[number]>,
      ]);
      websocket.terminate();
      if (typeof outcome[0] === "number") return [websocket.protocol, outcome[0]];
      const [reply, isBinary] = outcome as [Buffer, boolean];
      const replies = isBinary
        ? referenceCodec.decodeReplies(reply)
        : [JSON.parse(reply.toString()) as unknown];
      assert.ok((replies as { connect: { client: string } }[])[0]?.connect.client !== "");
      return [websocket.protocol, isBinary ? "protobuf" : "JSON"];
    };
    const outcomes = await Promise.all([
      answerTo("", [], asJson),
      answerTo("", ["centrifuge-json"], asJson),
      answerTo("?format=json", ["mqtt", "centrifuge-json"], asJson),
      answerTo("", ["centrifuge-protobuf"], asProtobuf),
      answerTo("?format=protobuf", [], asProtobuf),
      answerTo("?cf_protocol=protobuf", [], asProtobuf),
      // What would be right in a frame of the other kind.
      answerTo("", [], Buffer.from(asJson)),
      answerTo("", ["centrifuge-protobuf"], asProtobuf.toString()),
    ]);
    assert.deepEqual(outcomes, [
      ["", "JSON"],
      ["centrifuge-json", "JSON"],
      ["centrifuge-json", "JSON"],
      ["centrifuge-protobuf", "protobuf"],
      ["", "protobuf"],
      ["", "protobuf"],
      ["", 3501],
      ["centrifuge-protobuf", 3501],
    ]);
  });
});
