/** The parts of `npm run deploy` that need no process: what they decide, what they ask and how often. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { AppEngine } from "../../scripts/deploy/app-engine.ts";
import { readDeployArguments } from "../../scripts/deploy/arguments.ts";
import { compare, type LiveService, versionsOf, type Wanted } from "../../scripts/deploy/live.ts";
import { decodeOutputs } from "../../scripts/deploy/outputs.ts";
import { changesForPerson, decodePreview } from "../../scripts/deploy/preview-steps.ts";
import { adviceOn } from "../../scripts/deploy/pulumi.ts";
import { exitCodes, Refusal } from "../../scripts/deploy/refusal.ts";
import { readState } from "../../scripts/deploy/state.ts";
import { AppEngineApi, type Trouble } from "../support/app-engine-api.ts";
import { repository } from "../support/checkout.ts";

const project = "my-project";
const services = fc.constantFrom("default", "add", "ws", "m");
const ids = fc.constantFrom("v1", "v2", "v3", "v4");

const wanted: fc.Arbitrary<Wanted> = fc
  .dictionary(services, fc.record({ own: ids, sent: ids }), { minKeys: 1 })
  .map((all) => {
    const entries = Object.entries(all);
    return {
      versions: Object.fromEntries(entries.map(([id, { own }]) => [id, own])),
      traffic: Object.fromEntries(entries.map(([id, { sent }]) => [id, sent])),
      trafficSplits: Object.fromEntries(entries.map(([id]) => [id, `urn of ${id}`])),
    };
  });

const live: fc.Arbitrary<LiveService[]> = fc.uniqueArray(
  fc.record({
    id: fc.oneof(services, fc.constant("somebody-elses")),
    allocations: fc.oneof(
      ids.map((id) => ({ [id]: 1 })),
      fc.constant({ v1: 0.5, v2: 0.5 }),
      fc.constant({}),
    ),
    versions: fc.uniqueArray(
      fc.record({
        id: ids,
        servingStatus: fc.constantFrom("SERVING", "SERVING", "STOPPED", ""),
        createTime: fc.constant("2026-01-01T00:00:00Z"),
        env: fc.constant("standard"),
      }),
      { selector: ({ id }) => id },
    ),
  }),
  { selector: ({ id }) => id },
);

const before: fc.Arbitrary<ReadonlySet<string>> = fc
  .uniqueArray(fc.tuple(services, ids).map((pair) => pair.join("/")))
  .map((all) => new Set(all));

/** What App Engine has when the program got all that it wants. */
function fulfilled({ traffic, versions }: Wanted): LiveService[] {
  return Object.entries(traffic).map(([id, sent]) => ({
    id,
    allocations: { [sent]: 1 },
    versions: [...new Set([sent, versions[id] ?? sent])].map((version) => ({
      id: version,
      servingStatus: "SERVING",
      createTime: "",
      env: "standard",
    })),
  }));
}

describe("the comparison of what is live with what the program wants", () => {
  it("finds nothing where everything is as the program wants it, whatever else there is", () => {
    fc.assert(
      fc.property(wanted, live, before, (wants, others, known) => {
        const all = [
          ...fulfilled(wants),
          ...others.filter(({ id }) => !Object.hasOwn(wants.traffic, id)),
        ];
        assert.deepEqual(compare(project, wants, all, known), { repairs: [], problems: [] });
      }),
    );
  });

  it("passes over no service that is not as the program wants it", () => {
    fc.assert(
      fc.property(wanted, live, before, (wants, found, known) => {
        const { repairs, problems } = compare(project, wants, found, known);
        for (const [service, version] of Object.entries(wants.traffic)) {
          const at = found.find(({ id }) => id === service);
          const serves = at?.versions.some(
            ({ id, servingStatus }) => id === version && servingStatus === "SERVING",
          );
          const shares = Object.entries(at?.allocations ?? {});
          const right =
            serves === true &&
            at?.versions.some(({ id }) => id === wants.versions[service]) === true &&
            shares.length === 1 &&
            at.allocations[version] === 1;
          const said =
            repairs.some((each) => each.service === service) ||
            problems.some((each) => each.startsWith(`${service}: `));
          assert.equal(said, !right, service);
        }
      }),
    );
  });

  it("repairs the splits of the program's own services, with versions that exist, and no stranger's", () => {
    fc.assert(
      fc.property(wanted, live, before, (wants, found, known) => {
        for (const each of compare(project, wants, found, known).repairs) {
          assert.equal(each.urn, wants.trafficSplits[each.service]);
          assert.equal(each.wanted, wants.traffic[each.service]);
          const at = found.find(({ id }) => id === each.service);
          assert(at?.versions.some(({ id }) => id === each.wanted) === true);
          for (const id of Object.keys(at.allocations)) {
            const own = [each.wanted, wants.versions[each.service]].includes(id);
            assert(own || known.has(`${each.service}/${id}`), `${id} is a stranger's`);
          }
        }
      }),
    );
  });

  it("has nothing left to repair after the repairs, and the same problems", () => {
    fc.assert(
      fc.property(wanted, live, before, (wants, found, known) => {
        const first = compare(project, wants, found, known);
        const repaired = found.map((each) => {
          const repair = first.repairs.find(({ service }) => service === each.id);
          return repair ? { ...each, allocations: { [repair.wanted]: 1 } } : each;
        });
        const second = compare(project, wants, repaired, known);
        assert.deepEqual(second, { repairs: [], problems: first.problems });
      }),
    );
  });

  it("takes no versions for strangers that were there before", () => {
    fc.assert(
      fc.property(wanted, live, (wants, found) => {
        const { problems } = compare(project, wants, found, versionsOf(found));
        // A split may name a version that is in no list: deleted, but for its traffic.
        for (const { id, allocations, versions } of found) {
          if (Object.keys(allocations).some((one) => !versions.some((each) => each.id === one)))
            continue;
          assert(
            !problems.some((text) => text.startsWith(`${id}: `) && text.includes("somebody else")),
          );
        }
      }),
    );
  });

  it("never finds all well where it was not told what to look for", () => {
    fc.assert(
      fc.property(wanted, before, fc.nat(), (wants, known, which) => {
        const silent = Object.keys(wants.traffic)[which % Object.keys(wants.traffic).length];
        const traffic = Object.fromEntries(
          Object.entries(wants.traffic).filter(([service]) => service !== silent),
        );
        const { problems } = compare(project, { ...wants, traffic }, fulfilled(wants), known);
        assert.match(problems.join(), /output traffic does not say what should be live of /);
      }),
    );
    const nothing: Wanted = { versions: {}, traffic: {}, trafficSplits: {} };
    assert.equal(compare(project, nothing, [], new Set()).problems.length, 1);
  });

  it("says what to do about a service, a version and a trafficVersion that are gone, and one that is stopped", () => {
    const wants: Wanted = {
      versions: { default: "v1", add: "v2", ws: "v3", m: "v4" },
      traffic: { default: "v1", add: "v9", ws: "v3", m: "v4" },
      trafficSplits: {},
    };
    const version = (id: string, servingStatus = "SERVING") => ({
      ...{ id, servingStatus, createTime: "", env: "standard" },
    });
    const found = [
      { id: "add", allocations: { v2: 1 }, versions: [version("v2")] },
      { id: "ws", allocations: { v1: 1 }, versions: [version("v1")] },
      { id: "m", allocations: { v4: 1 }, versions: [version("v4", "STOPPED")] },
    ];
    const { repairs, problems } = compare(project, wants, found, new Set());
    assert.deepEqual(repairs, []);
    assert.equal(problems.length, 4);
    assert.match(
      problems[0] ?? "",
      /^default: App Engine has no such service\. Run the same command again/,
    );
    assert.match(
      problems[1] ?? "",
      /^add: trafficVersion names v9, .*Take trafficVersion out of the stack file/,
    );
    assert.match(problems[2] ?? "", /^ws: version v3 is not there\. Run the same command again/);
    assert.match(
      problems[3] ?? "",
      /^m: version v4 is STOPPED.*gcloud app versions start v4 --service m --project my-project/,
    );
  });
});

describe("the preview of a routine deployment", () => {
  const urn = (type: string, name = "x"): string =>
    `urn:pulumi:dev::appengine-realtime::appengine-realtime:app:StandardService$${type}::${name}`;
  const account = urn("gcp:serviceaccount/account:Account", "web-account");
  const version = urn("gcp:appengine/standardAppVersion:StandardAppVersion", "web-version");
  const read = (...steps: object[]) => decodePreview(JSON.stringify({ steps }));
  const persons = (...steps: object[]) =>
    changesForPerson(read(...steps).changes).map(({ op, name }) => `${op} ${name}`);

  it("leaves alone what is only looked at, and what a refresh finds without a consequence", () => {
    assert.deepEqual(
      read(
        { op: "refresh", urn: account },
        { op: "update", urn: account, detailedDiff: { etag: { kind: "update" } } },
        { op: "same", urn: account },
        { op: "refresh", urn: version },
        { op: "same", urn: version, detailedDiff: null },
      ).changes,
      [],
    );
  });

  it("sees what the plan makes of it afterwards", () => {
    assert.deepEqual(persons({ op: "delete", urn: account }, { op: "create", urn: account }), [
      "delete web-account",
    ]);
    assert.deepEqual(
      persons({ op: "refresh", urn: account }, { op: "update", urn: account, diffReasons: ["x"] }),
      ["update web-account"],
    );
  });

  it("calls three steps of a replacement by one word, and an old one that waits for its end a change", () => {
    const steps = [
      { op: "refresh", urn: account },
      { op: "create-replacement", urn: account, replaceReasons: ["accountId"] },
      { op: "replace", urn: account, replaceReasons: ["accountId"] },
      { op: "delete-replaced", urn: account, detailedDiff: null },
    ];
    assert.deepEqual(read(...steps).changes, [
      {
        urn: account,
        type: "gcp:serviceaccount/account:Account",
        name: "web-account",
        op: "replace",
        properties: ["accountId"],
      },
    ]);
    assert.deepEqual(
      persons({ op: "same", urn: account }, { op: "delete-replaced", urn: account }),
      ["delete-replaced web-account"],
    );
  });

  it("leaves to the deployer what the table gives it, and components and providers to nobody", () => {
    assert.deepEqual(
      persons(
        { op: "create", urn: version },
        { op: "create", urn: "urn:pulumi:dev::x::appengine-realtime:app:StandardService::web" },
        { op: "update", urn: "urn:pulumi:dev::x::pulumi:providers:gcp::default_9_37_0" },
        { op: "create", urn: "urn:pulumi:dev::x::pulumi:pulumi:Stack::x-dev" },
      ),
      [],
    );
  });

  it("takes a type that the table does not know, and an unknown step, for a person's", () => {
    assert.deepEqual(
      persons(
        { op: "create", urn: urn("gcp:redis/instance:Instance", "cache") },
        { op: "frobnicate", urn: account },
      ),
      ["create cache", "frobnicate web-account"],
    );
  });

  it("has the errors of a preview that failed, each once", () => {
    const message = "error: The settings of this stack are wrong:\n";
    const diagnostics = [
      { message, severity: "error" },
      { message, severity: "error" },
      { message: "by the way", severity: "warning" },
    ];
    assert.deepEqual(decodePreview(JSON.stringify({ diagnostics })).errors, [message.trim()]);
  });

  it("refuses what is no preview", () => {
    assert.throws(() => decodePreview("Previewing update"), /printed no JSON/);
    assert.throws(() => decodePreview('{"steps":[{"op":1}]}'), /another form than expected/);
  });
});

describe("the state of a stack", () => {
  const urn = "urn:pulumi:dev::x::pulumi:providers:gcp::default";
  const provider = (inputs: object, outputs: object = inputs) => ({
    ...{ urn, type: "pulumi:providers:gcp", inputs, outputs },
  });
  const own = provider({ project, region: "europe-west1", version: "9.37.0", __internal: {} });
  const account = {
    urn: "urn:pulumi:dev::x::gcp:serviceaccount/account:Account::web-account",
    type: "gcp:serviceaccount/account:Account",
    provider: `${urn}::00000000-0000-0000-0000-000000000000`,
  };
  const commandUrn = "urn:pulumi:dev::x::pulumi:providers:command::default";
  const read = (resources: object[] | undefined, configured = {}) =>
    readState(JSON.stringify({ version: 3, deployment: { resources } }), configured);

  it("may have what this program declares, and says which versions of the provider wrote it", () => {
    const stack = {
      urn: "urn:pulumi:dev::x::pulumi:pulumi:Stack::x-dev",
      type: "pulumi:pulumi:Stack",
    };
    const type = "appengine-realtime:app:StandardService";
    const component = { urn: `urn:pulumi:dev::x::${type}::web`, type };
    const older = provider({ version: "9.1.0" });
    assert.deepEqual(read([stack, own, older, component, account]), {
      problems: [],
      versions: ["9.37.0", "9.1.0"],
    });
    assert.deepEqual(read(undefined), { problems: [], versions: [] });
    assert.deepEqual(readState("{}", {}), { problems: [], versions: [] });
  });

  for (const [what, resource] of [
    ["another provider", { urn: commandUrn, type: "pulumi:providers:command" }],
    ["another provider that says it is none", { urn: commandUrn, type: account.type }],
    ["another provider that says it is ours", { ...own, urn: commandUrn }],
    [
      "a provider in a program's own code",
      {
        urn: "urn:pulumi:dev::x::pulumi-nodejs:dynamic:Resource::y",
        type: "pulumi-nodejs:dynamic:Resource",
      },
    ],
    [
      "a resource of another provider",
      { ...account, provider: "urn:pulumi:dev::x::pulumi:providers:gcpx::d::1" },
    ],
    [
      "a provider whose name only holds the right one",
      {
        ...account,
        provider: `urn:pulumi:dev::x::pulumi:providers:evil::pulumi:providers:gcp::1`,
      },
    ],
    ["a version that is none", provider({ version: "9.37.0-https://evil.example" })],
    ["a version that is an object", provider({ version: {} })],
    [
      "a plugin from elsewhere",
      provider({ version: "9.37.0", pluginDownloadURL: "https://evil.example" }),
    ],
    [
      "the same as the engine notes it now",
      provider({ __internal: { pluginDownloadURL: "https://evil.example" } }),
    ],
    ["a plugin of another name", provider({ __internal: { name: "command" } })],
    ["parameters", provider({ __internal: { parameterization: {} } })],
    [
      "another server for the tokens",
      provider({ project, computeCustomEndpoint: "https://evil.example/" }),
    ],
    [
      "the same in the outputs alone",
      provider({ project }, { iamCustomEndpoint: "https://evil.example/" }),
    ],
    ["another universe", provider({ universeDomain: "evil.example" })],
    ["somebody else's credentials", provider({ credentials: "{}" })],
  ] as const) {
    it(`is refused with ${what}`, () => {
      assert.equal(read([own, account, resource]).problems.length > 0, true);
      const pending = { deployment: { pending_operations: [{ resource }] } };
      assert.equal(readState(JSON.stringify(pending), {}).problems.length > 0, true);
    });
  }

  it("is refused with every setting of the SDK's provider that is not known to be harmless", () => {
    const text = readFileSync(join(repository, "node_modules/@pulumi/gcp/provider.js"), "utf8");
    const names = [...text.matchAll(/resourceInputs\["(\w+)"\]/g)].map(([, name = ""]) => name);
    assert(names.length > 100);
    const allowed = names.filter((name) => read([provider({ [name]: "x" })]).problems.length === 0);
    assert.deepEqual([...new Set(allowed)].sort(), [
      ...["addPulumiAttributionLabel", "batching", "billingProject", "defaultLabels"],
      ...["deletionPolicy", "disableGooglePartnerName", "googlePartnerName", "pollInterval"],
      ...["preferGlobalEndpoints", "preferRegionalEndpoints", "project"],
      ...["pulumiAttributionLabelAdditionStrategy", "region", "requestReason", "requestTimeout"],
      ...["scopes", "userProjectOverride", "zone"],
    ]);
  });

  it("may have what the stack file says to the provider, and nothing else by that name", () => {
    const impersonated = provider({ impersonateServiceAccount: "a@b" });
    assert.equal(read([impersonated]).problems.length, 1);
    assert.deepEqual(read([impersonated], { impersonateServiceAccount: "a@b" }).problems, []);
    assert.equal(read([impersonated], { impersonateServiceAccount: "c@d" }).problems.length, 1);
  });

  it("is refused when it is no state", () => {
    assert.throws(() => readState("error", {}), /printed no JSON/);
    assert.throws(() => readState('{"deployment":{"resources":[{}]}}', {}), /unknown form/);
  });
});

describe("the questions to App Engine", () => {
  const world = { default: { allocations: { v1: 1 }, versions: [{ id: "v1" }] } };
  const waits: number[] = [];
  /** A clock that only waiting moves. */
  function clientOf(
    api: AppEngineApi,
    signal = new AbortController().signal,
    pace: { readonly withinMs?: number } = {},
  ): AppEngine {
    waits.length = 0;
    let time = 0;
    return new AppEngine({
      project,
      signal,
      url: api.url,
      credentials: () => Promise.resolve(new Headers({ authorization: `Bearer ${api.token}` })),
      pace: {
        now: () => time,
        random: () => 1,
        wait: (ms) => {
          waits.push(ms);
          time += ms;
          return Promise.resolve();
        },
        ...pace,
      },
    });
  }

  it("follow the pages to their end", async () => {
    const versions = Array.from({ length: 7 }, (_, index) => ({ id: `v${index}` }));
    const names = ["default", "add", "ws", "m"];
    await using api = await AppEngineApi.create(
      project,
      Object.fromEntries(names.map((name) => [name, { allocations: { v0: 1 }, versions }])),
    );
    api.pageSize = 3;
    const found = await clientOf(api).live();
    assert.deepEqual(
      found.map(({ id, versions: all }) => [id, all.length]),
      names.map((name) => [name, 7]),
    );
    assert.deepEqual(api.refused, []);
    assert.equal(api.calls.length, 2 + 4 * 3);
  });

  for (const troubles of [
    [429, 503, 500],
    ["torn", "torn body", "html"],
  ] satisfies Trouble[][]) {
    it(`are asked again after ${troubles.join(", ")}, with growing waits`, async () => {
      await using api = await AppEngineApi.create(project, world);
      api.troubles.push(...troubles);
      const [service] = await clientOf(api).live();
      assert.deepEqual(service?.allocations, { v1: 1 });
      assert.deepEqual(waits, [500, 1000, 2000]);
    });
  }

  it("are given up after a minute, with what was answered", async () => {
    await using api = await AppEngineApi.create(project, world);
    api.troubles.push(...Array.from({ length: 100 }, () => 503));
    await assert.rejects(clientOf(api).live(), {
      message: "App Engine answered 503 to GET /v1/apps/my-project/services: trouble 503",
    });
    const sum = waits.reduce((all, ms) => all + ms, 0);
    assert(sum > 45_000 && sum < 60_000, String(sum));
    assert(Math.max(...waits) === 8000);
  });

  it("are not repeated when the answer is no", async () => {
    for (const status of [400, 401, 403]) {
      await using api = await AppEngineApi.create(project, world);
      api.troubles.push(status);
      await assert.rejects(clientOf(api).live(), Refusal);
      assert.equal(api.calls.length, 1);
    }
  });

  it("find nothing where there is no application yet", async () => {
    await using api = await AppEngineApi.create(project, world);
    api.exists = false;
    assert.deepEqual(await clientOf(api).live(), []);
  });

  it("believe no name that would lead elsewhere", async () => {
    for (const id of ["../../../v1beta/apps/other/services/x?y=", "a\n::add-mask::", "A b", ""]) {
      await using api = await AppEngineApi.create(project, {
        [id]: { allocations: { v1: 1 }, versions: [] },
      });
      await assert.rejects(clientOf(api).live(), /in an unknown form: services\.0\.id/);
      assert.equal(api.calls.length, 1);
    }
  });

  it("read no answer that does not end, and go where no answer sends them", async () => {
    for (const [trouble, says] of [
      ["endless", /cannot be reached .*the answer does not end/],
      ["redirect", /cannot be reached .*redirect/],
    ] as const) {
      await using api = await AppEngineApi.create(project, world);
      api.troubles.push(trouble);
      const client = clientOf(api, new AbortController().signal, { withinMs: 0 });
      await assert.rejects(client.live(), says);
      assert.equal(api.calls.length, 1);
    }
  });

  it("show no answer that would take over a terminal or a log", async () => {
    await using api = await AppEngineApi.create(project, world);
    api.troubles.push({ status: 403, message: "\u001b[2J no\n::warning::yes" });
    await assert.rejects(clientOf(api).live(), {
      message:
        "App Engine answered 403 to GET /v1/apps/my-project/services:  [2J no ::warning::yes",
    });
  });

  it("stop when they are interrupted", async () => {
    await using api = await AppEngineApi.create(project, world);
    await assert.rejects(clientOf(api, AbortSignal.abort(new Error("SIGINT"))).live(), /SIGINT/);
    assert.deepEqual(waits, []);
  });

  it("leave this machine only by https", () => {
    for (const [url, fits] of [
      ["https://appengine.googleapis.com", true],
      ["http://127.0.0.1:1", true],
      ["http://appengine.googleapis.com", false],
      ["http://127.0.0.1.example:1", false],
      ["https://appengine.googleapis.com.evil.example", false],
      ["https://evil.example", false],
      ["https://appengine.googleapis.com@evil.example", false],
      ["https://evil@appengine.googleapis.com", false],
      ["file:///x", false],
      ["nonsense", false],
    ] as const) {
      const make = () =>
        new AppEngine({
          ...{ project, url, signal: new AbortController().signal },
          credentials: () => Promise.resolve(new Headers()),
        });
      if (fits) assert.doesNotThrow(make);
      else assert.throws(make, /APP_ENGINE_URL/, url);
    }
  });
});

describe("the advice on a failure of pulumi", () => {
  it("says what to do about a lock, a missing stack, a passphrase and a version that serves", () => {
    for (const [stderr, says] of [
      ["error: the stack is currently locked by 1 lock(s). Either …", /pulumi cancel --stack dev$/],
      [
        "error: [409] Conflict: Another update is currently in progress.",
        /pulumi cancel --stack dev$/,
      ],
      ["error: no stack named 'dev' found", /pulumi stack init dev$/],
      ["error: … incorrect passphrase", /set PULUMI_CONFIG_PASSPHRASE/],
      [
        "error: 400: Cannot delete a version with a non-zero traffic allocation",
        /--verify says whether.*docs\/rollback\.md says how/,
      ],
      ["error: something else", /^$/],
    ] as const) {
      assert.match(adviceOn({ code: 255, stdout: "", stderr }, "dev"), says);
      assert.match(adviceOn({ code: 255, stdout: stderr, stderr: "" }, "dev"), says);
    }
  });
});

describe("the arguments and outputs of a deployment", () => {
  it("are refused with what is allowed", () => {
    for (const [args, says] of [
      [[], /: no stack\nusage: npm run deploy/],
      [["--stack", "../dev"], /: "\.\.\/dev" is no stack/],
      [["--stack", "local"], /npm start/],
      [["--stack", "dev", "--force"], /'--force'.*usage/s],
      [["--stack", "dev", "extra"], /extra.*usage/s],
      [["--stack", "dev", "--ws-image", "registry/ws:latest"], /can change its content/],
      [["--stack", "dev", "--ws-image", ""], /can change its content/],
      [["--stack", "dev", "--dry-run", "--routine"], /--dry-run changes nothing/],
      [["--stack", "dev", "--expect-no-changes"], /goes with --dry-run alone/],
      [["--stack", "dev", "--verify", "--dry-run"], /takes no other option/],
    ] as const) {
      assert.throws(() => readDeployArguments(args), says);
    }
  });

  it("of a stack without any are empty, and others than this program's are refused", () => {
    assert.deepEqual(decodeOutputs("{}"), {
      ...{ versions: {}, traffic: {}, trafficSplits: {}, wsImage: "" },
    });
    assert.throws(() => decodeOutputs("error"), /printed no JSON/);
    assert.throws(() => decodeOutputs('{"traffic":{"add":1}}'), /traffic\.add/);
  });

  it("are in docs/rollback.md: every exit code, and every option but those that pipelines use", () => {
    const text = readFileSync(join(repository, "docs/rollback.md"), "utf8");
    for (const code of Object.values(exitCodes))
      assert.match(text, new RegExp(`^\\| ${code} `, "m"));
    const help = messageOf(() => readDeployArguments([]));
    const options = [...new Set(help.match(/--[a-z-]+/g))].filter((each) => each !== "--routine");
    assert.equal(options.length, 5);
    for (const option of options) assert(text.includes(option), option);
  });
});

function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return String(error);
  }
  return "";
}
