import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { z } from "zod";
import { decodeReferringConfig } from "../../apps/ws/config/options.ts";
import { gatewayConfigText } from "../../components/lib/gateway-config.ts";
import { decodeSettings, namespace, schemas } from "../../config.ts";
import { readStackFile, stackNames } from "../../local/engine/stack-file.ts";
import { natsServerVersion } from "../../local/tools/nats-server.ts";
import { settingsDocuments } from "../../scripts/config-reference/documents.ts";
import { settingsFields } from "../../scripts/config-reference/reference.ts";

const root = join(import.meta.dirname, "..", "..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const project = parse(read("Pulumi.yaml")) as {
  readonly name: string;
  readonly config: Readonly<Record<string, { type: string; description?: string }>>;
};

const settingsOf = (stack: string) => decodeSettings(readStackFile(root, stack).config, stack);

/** The word that Pulumi.yaml has for values that a schema takes. */
function typeOf(schema: z.ZodType): string {
  if (schema instanceof z.ZodString || schema instanceof z.ZodEnum) return "string";
  if (schema instanceof z.ZodBoolean) return "boolean";
  if (schema instanceof z.ZodObject) return "object";
  return assert.fail(`no word for ${schema.type}`);
}

/** The keys that a stack may leave out. */
const optional = Object.entries(schemas)
  .filter(([, schema]) => schema instanceof z.ZodExactOptional)
  .map(([key]) => key);

/** Every field that a stack may set, e.g. `network.connector.range`; those that it may leave out with a `?`. */
function fields(path: string, schema: z.core.$ZodType): string[] {
  if (schema instanceof z.ZodExactOptional) {
    const inner = schema.unwrap();
    return [`${path}?`, ...(inner instanceof z.ZodObject ? fields(path, inner) : [])];
  }
  if (!(schema instanceof z.ZodObject)) return [path];
  return Object.entries(schema.shape).flatMap(([key, inner]) =>
    fields(`${path}.${key}`, inner as z.core.$ZodType),
  );
}

describe("Pulumi.yaml", () => {
  it("declares exactly the keys that every stack has to set, each with its type and a description", () => {
    assert.equal(project.name, namespace);
    assert.deepEqual(
      Object.entries(project.config).map(([key, { type }]) => [key, type]),
      // The CLI would ask every stack for an optional key, too, were it declared.
      Object.entries(schemas)
        .filter(([key]) => !optional.includes(key))
        .map(([key, schema]) => [key, typeOf(schema)]),
    );
    assert.deepEqual(optional, ["m", "alerts"]);
    assert.match(read("Pulumi.yaml"), /left out, and are declared nowhere: m and alerts\./);
    for (const [key, declaration] of Object.entries(project.config)) {
      assert((declaration.description ?? "").length > 20, `${key} has a description`);
      // A default here would be a second place for a value, and only the CLI would know of it.
      assert.deepEqual(Object.keys(declaration), ["type", "description"]);
    }
  });
});

describe("the stack files", () => {
  it("are those of dev, local and prod at least", () => {
    for (const stack of ["dev", "local", "prod"]) assert(stackNames(root).includes(stack), stack);
  });

  for (const stack of stackNames(root)) {
    it(`Pulumi.${stack}.yaml is a right one, with every key that it must have and none that is not known`, () => {
      const settings = settingsOf(stack);
      const given = parse(read(`Pulumi.${stack}.yaml`)) as { config: Record<string, unknown> };
      const own = Object.keys(schemas).map((key) => `${namespace}:${key}`);
      const left = optional.map((key) => `${namespace}:${key}`);
      assert.deepEqual(Object.keys(given.config), [
        "gcp:project",
        "gcp:region",
        ...own.filter((key) => !left.includes(key) || key in given.config),
      ]);
      assert.equal(settings.nats.version, natsServerVersion, "tests run what is deployed");
    });
  }

  for (const stack of stackNames(root)) {
    it(`Pulumi.${stack}.yaml has options of the gateway that the gateway takes`, () => {
      const { project: id, ws } = settingsOf(stack);
      decodeReferringConfig(JSON.parse(gatewayConfigText(ws.gateway ?? {}, id)));
    });
  }

  it("lets strangers do everything on this machine, and nowhere else more than hear what is public", () => {
    for (const stack of stackNames(root)) {
      const { project: id, ws } = settingsOf(stack);
      const { client, channel, http_api } = decodeReferringConfig(
        JSON.parse(gatewayConfigText(ws.gateway ?? {}, id)),
      );
      assert.equal(client.insecure, stack === "local", stack);
      assert(!client.insecure_skip_token_signature_verify && !http_api.insecure, stack);
      const anonymous = [channel.without_namespace, ...channel.namespaces].flatMap((options) =>
        Object.entries(options)
          .filter(([name, value]) => name.endsWith("_for_anonymous") && value === true)
          .map(([name]) => ("name" in options ? String(options.name) : name)),
      );
      assert.deepEqual(anonymous, stack === "local" ? [] : ["allow_subscribe_for_anonymous"]);
    }
  });

  it("use projects and keys of their own, so that no stack can be taken for another", () => {
    const all = stackNames(root).map((stack) => settingsOf(stack));
    for (const values of [
      all.map(({ project: id }) => id),
      all.flatMap(({ natsKeys }) => Object.values(natsKeys)),
    ]) {
      assert.equal(new Set(values).size, values.length, JSON.stringify(values));
    }
  });
});

describe("docs/config.md", () => {
  it("explains every field of every key, says which may be left out, and names no other", () => {
    const rows = [...read("docs/config.md").matchAll(/^\| `([^`]+)`( \(optional\))? +\|/gm)];
    const documented = rows.map(([, field = "", optional]) => field + (optional ? "?" : ""));
    const expected = Object.entries(schemas).flatMap(([key, schema]) => fields(key, schema));
    assert.deepEqual(documented, ["gcp:project", "gcp:region", ...expected]);
  });

  it("would not leave out a field of which the schema says nothing", () => {
    const given = { a: z.object({ b: z.string(), c: z.string().meta({ description: "x" }) }) };
    assert.throws(
      () => settingsFields(given),
      new Error("config.ts explains none of these (wrap their schemas in `explained`): a.b, a.c"),
    );
  });
});

describe("the tables of settings", () => {
  it("are what `npm run config-reference` writes", async () => {
    const written = await settingsDocuments(root);
    assert.deepEqual([...written.keys()], ["docs/config.md", "docs/environments.md"]);
    for (const [name, text] of written) {
      assert.equal(read(name), text, `${name}: run npm run config-reference`);
    }
  });
});
