import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ClientInfo } from "../../../../apps/ws/presence/client-info.ts";
import {
  decodePage,
  decodeQuestion,
  encodePage,
  encodeQuestion,
  type Page,
  type Question,
} from "../../../../apps/ws/presence/pages.ts";

const first: Question = { channel: "a", after: "", maxClients: 1_000 };

const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

function mapOf(infos: readonly ClientInfo[]): Map<string, ClientInfo> {
  return new Map(infos.map((info) => [info.client, info]));
}

function pageOf(clients: readonly ClientInfo[], question: Question, maxBytes: number): Page {
  const data = encodePage(mapOf(clients), question, maxBytes);
  assert.ok(data.length <= maxBytes, `a page has ${data.length} bytes of ${maxBytes}`);
  const page = decodePage(data, question);
  assert.ok(page);
  return page;
}

const jsonText = fc.json({ maxDepth: 1 }).filter(({ length }) => length < 200);
const clientInfo: fc.Arbitrary<ClientInfo> = fc
  .record({
    user: fc.string({ unit: "binary", maxLength: 20 }),
    client: fc.oneof(fc.uuid(), fc.string({ unit: "binary", minLength: 1, maxLength: 40 })),
    conn_info: fc.option(jsonText, { nil: undefined }),
    chan_info: fc.option(jsonText, { nil: undefined }),
  })
  .map(({ user, client, conn_info, chan_info }) => ({
    user,
    client,
    ...(conn_info === undefined ? {} : { conn_info }),
    ...(chan_info === undefined ? {} : { chan_info }),
  }));

describe("pages of clients", () => {
  it("hold all clients together, each once and unchanged", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(clientInfo, { selector: ({ client }) => client, maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 2_500, max: 4_000 }),
        (clients, maxClients, maxBytes) => {
          const found: ClientInfo[] = [];
          let question: Question = { ...first, maxClients };
          for (;;) {
            const page = pageOf(clients, question, maxBytes);
            assert.ok(page.complete);
            assert.ok(page.clients.length <= maxClients);
            found.push(...page.clients);
            if (page.more === undefined) break;
            question = { ...question, after: page.more };
          }
          assert.deepEqual(mapOf(found), mapOf(clients));
          assert.equal(found.length, clients.length);
        },
      ),
    );
  });

  it("are as large as allowed, and no larger", () => {
    const clients = Array.from({ length: 100 }, (_, index) => {
      return { user: "\u20ac".repeat(30), client: `${1_000 + index}` };
    });
    const page = pageOf(clients, first, 4_096);
    assert.equal(page.complete, true);
    assert.equal(page.more, page.clients.at(-1)?.client);
    assert.ok(page.clients.length > 20 && page.clients.length < 40);
  });

  it("hold who stays exactly once, whoever comes and goes between them", () => {
    const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 40 });
    fc.assert(
      fc.property(ids, fc.array(ids, { minLength: 1, maxLength: 10 }), (staying, others) => {
        const found: string[] = [];
        let question: Question = { ...first, maxClients: 5 };
        for (let turn = 0; ; turn += 1) {
          const passing = others[turn % others.length] ?? [];
          const clients = [...passing, ...staying].map((client) => ({ user: "", client }));
          const page = pageOf(clients, question, 10_000);
          found.push(...page.clients.map(({ client }) => client));
          if (page.more === undefined) break;
          question = { ...question, after: page.more };
        }
        assert.equal(new Set(found).size, found.length);
        for (const client of staying) assert.ok(found.includes(client));
      }),
    );
  });

  it("leave out a client that fits on none, and say so", () => {
    const large = { user: "x".repeat(2_000), client: "b" };
    const clients = ["a", "b", "c"].map((client) =>
      client === "b" ? large : { user: "", client },
    );
    const page = pageOf(clients, first, 1_024);
    assert.deepEqual(
      page.clients.map(({ client }) => client),
      ["a", "c"],
    );
    assert.equal(page.complete, false);
    // Also when it comes after the last one, or is the only one.
    assert.equal(pageOf(clients, { ...first, after: "a", maxClients: 1 }, 1_024).complete, false);
    assert.deepEqual(pageOf([large], first, 1_024), {
      clients: [],
      more: undefined,
      complete: false,
    });
  });

  it("are not taken when they are something else", () => {
    const client = { user: "u", client: "b" };
    const good = { clients: [client], complete: true };
    const question = { ...first, after: "a" };
    assert.ok(decodePage(bytes(good), question));
    const wrong: unknown[] = [
      null,
      [],
      {},
      { ...good, complete: 1 },
      { ...good, clients: {} },
      { ...good, clients: [null] },
      { ...good, clients: [{ ...client, user: 1 }] },
      { ...good, clients: [{ ...client, client: "" }] },
      { ...good, clients: [{ ...client, conn_info: { a: 1 } }] },
      { ...good, clients: [{ ...client, chan_info: "{" }] },
      // Out of order, twice, before what was asked for, without an end.
      { ...good, clients: [{ ...client, client: "c" }, client] },
      { ...good, clients: [client, client] },
      { ...good, clients: [{ ...client, client: "a" }] },
      { ...good, more: "a" },
      { ...good, more: "a", clients: [] },
      { ...good, more: 5 },
      { ...good, more: null },
    ];
    for (const each of wrong) assert.equal(decodePage(bytes(each), question), undefined);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (data) => {
          decodePage(data, question);
          assert.equal(decodeQuestion(data), undefined);
        },
      ),
    );
  });

  it("have no line breaks in what is put into a message as it is", () => {
    const page = decodePage(
      bytes({ clients: [{ user: "", client: "a", conn_info: '{\n"a":\r\n1.0}' }], complete: true }),
      first,
    );
    assert.equal(page?.clients[0]?.conn_info, '{ "a":  1.0}');
  });

  it("answer questions that are some", () => {
    assert.deepEqual(decodeQuestion(encodeQuestion(first)), first);
    for (const wrong of [
      { ...first, channel: 1 },
      { ...first, after: undefined },
      { ...first, maxClients: 0 },
      { ...first, maxClients: 1.5 },
      { ...first, maxClients: "1" },
    ]) {
      assert.equal(decodeQuestion(bytes(wrong)), undefined);
    }
  });
});
