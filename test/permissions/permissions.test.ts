/**
 * Every identity of the pipelines has what the resources of a stack need, and nothing else. Read from the golden
 * files, which are the recorded graphs (test/golden holds them so), and from one more graph: a stack without
 * replicated memory and without GitHub, whose builds run as the legacy account and whose alerts go to somebody.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import {
  changedBy,
  deployerNeeds,
  founderNeeds,
  founderRoles,
  githubDeployerNeeds,
  originalRoles,
  previewBuildNeeds,
  previewNeeds,
  readerPermissions,
  rolePermissions,
  typePermissions,
} from "../../components/lib/permissions.ts";
import { stackNames } from "../../local/engine/stack-file.ts";
import { recordGraph } from "../../local/record.ts";
import { goldenFile, root } from "../golden/golden.ts";
import {
  accessProblems,
  customRoles,
  type Declared,
  type Grant,
  grantsOf,
  isGrant,
  type Need,
  needsOf,
} from "./access.ts";

interface Stack {
  readonly project: string;
  readonly resources: readonly Declared[];
}

/** Name → what it declares. */
const stacks = new Map<string, Stack>();
const small = "dev without m and GitHub";
const legacyNumber = "123456789012";

function stackOf(resources: readonly Declared[]): Stack {
  const project = resources.find(({ inputs }) => inputs["project"] !== undefined)?.inputs[
    "project"
  ];
  assert(typeof project === "string");
  return { project, resources };
}

for (const name of stackNames(root)) {
  const golden = JSON.parse(readFileSync(goldenFile(name), "utf8")) as {
    resources: Record<string, { inputs?: Record<string, unknown> }>;
  };
  stacks.set(
    name,
    stackOf(
      Object.entries(golden.resources).flatMap(([urn, { inputs }]) => {
        const [types = "", resource = ""] = urn.split("::");
        if (inputs === undefined) return [];
        return [{ type: types.split("$").at(-1) ?? "", name: resource, inputs }];
      }),
    ),
  );
}

before(async () => {
  const graph = await recordGraph({
    root,
    stack: "dev",
    config: {
      "appengine-realtime:m": "null",
      "appengine-realtime:build": JSON.stringify({ legacyProjectNumber: legacyNumber }),
      "appengine-realtime:alerts": JSON.stringify({ email: "on-call@example.com" }),
    },
  });
  assert.deepEqual(graph.problems, []);
  stacks.set(
    small,
    stackOf(
      graph.resources
        .filter(({ custom }) => custom)
        .map(({ type, name, inputs }) => ({
          type,
          name,
          inputs: inputs,
        })),
    ),
  );
});

const names = [...stackNames(root), small];
const get = (name: string): Stack => stacks.get(name) ?? assert.fail(name);
const account = ({ project }: Stack, id: string): string =>
  `${id}@${project}.iam.gserviceaccount.com`;
const member = (stack: Stack, id: string): string => `serviceAccount:${account(stack, id)}`;
const declares = ({ resources }: Stack, name: string): boolean =>
  resources.some((resource) => resource.name === name);
const byGithub = (stack: Stack): boolean => declares(stack, "github-pool");
const fromGithub = (stack: Stack): boolean => declares(stack, "github-deployer");

function things(stack: Stack) {
  return {
    project: "project",
    "state bucket": `bucket ${stack.project}-pulumi-state`,
    "image repository": "repository services",
    "deployer's account": `account ${account(stack, "deployer")}`,
  };
}

function deployerNeedsOf(stack: Stack): Need[] {
  return needsOf(stack.resources, {
    changes: (type) => changedBy(type) === "deployer",
    pipeline: [...deployerNeeds, ...(fromGithub(stack) ? githubDeployerNeeds : [])],
    things: things(stack),
    guides: true,
  });
}

function deployerProblems(stack: Stack, who = member(stack, "deployer")): string[] {
  return accessProblems(deployerNeedsOf(stack), grantsOf(stack.resources, who), originalRoles);
}

function previewNeedsOf(stack: Stack): Need[] {
  return needsOf(stack.resources, {
    changes: () => false,
    pipeline: [...previewNeeds, ...(declares(stack, "builds-preview") ? previewBuildNeeds : [])],
    things: things(stack),
  });
}

/** Permissions that change nothing but the log of the build, and show nothing that is in a thing. */
const harmless = /\.(get|list|getIamPolicy|getMetadata)$/;
const revealing = /\.(versions\.access|entities|logEntries\.list|timeSeries|messages)/;

function previewProblems(stack: Stack): string[] {
  const grants = grantsOf(stack.resources, member(stack, "preview"));
  return [
    ...accessProblems(previewNeedsOf(stack), grants),
    ...grants.flatMap(({ permissions = [], role }) =>
      permissions
        .filter((one) => one !== "logging.logEntries.create")
        .filter((one) => !harmless.test(one) || revealing.test(one))
        .map((one) => `may write, act or look into things: ${one} of ${role}`),
    ),
  ];
}

function founderProblems(
  stack: readonly Stack[],
  roles: readonly string[] = founderRoles,
): string[] {
  const needs = stack
    .flatMap(({ resources }) => needsOf(resources, { changes: () => true }))
    // Everything is the founder's to change, so all is needed in the project.
    .map((need) => ({ ...need, on: "project" }));
  const further = founderNeeds.map((what) => ({ what, on: "project", by: "the bootstrap" }));
  const grants = roles.map((role): Grant => {
    return { name: "founder", role, on: "project", permissions: rolePermissions[role] };
  });
  return accessProblems([...needs, ...further], grants);
}

/** Permissions of custom roles that nobody who holds them needs in any stack. */
function idlePermissions(all: readonly Stack[]): string[] {
  const needed = new Set(
    all.flatMap((stack) =>
      [...deployerNeedsOf(stack), ...previewNeedsOf(stack)].map(({ what }) => what),
    ),
  );
  return all.flatMap(({ resources }) =>
    [...customRoles(resources)].flatMap(([role, permissions]) =>
      permissions.filter((one) => !needed.has(one)).map((one) => `${role}: ${one}`),
    ),
  );
}

describe("the table of permissions", () => {
  it("knows every type that a stack declares, and no other", () => {
    const declared = new Set(names.flatMap((name) => get(name).resources.map(({ type }) => type)));
    assert.deepEqual(
      Object.keys(typePermissions).sort(),
      [...declared].filter((type) => type.startsWith("gcp:")).sort(),
    );
  });

  it("says of every grant, account, network, machine, secret and trigger that a person changes it", () => {
    for (const type of Object.keys(typePermissions)) {
      const routine =
        /^gcp:(appengine\/(?!application:)|pubsub\/(topic|subscription):|storage\/bucketObject|logging|monitoring\/(?!notif))/;
      assert.equal(changedBy(type), routine.test(type) ? "deployer" : "person", type);
    }
    assert.equal(changedBy("gcp:sql/instance:Instance"), undefined);
    assert.equal(changedBy("toString"), undefined);
  });

  it("lets reading change nothing", () => {
    for (const { read, readOn } of Object.values(typePermissions)) {
      for (const permission of [...read, ...Object.values(readOn ?? {}).flat()]) {
        assert.match(permission, harmless);
        assert.doesNotMatch(permission, revealing);
      }
    }
  });

  it("has each permission of a role once, and no role that nobody is given", () => {
    const given = new Set<unknown>([
      ...founderRoles,
      ...names.flatMap((name) => get(name).resources.map(({ inputs }) => inputs["role"])),
    ]);
    for (const [role, permissions] of Object.entries(rolePermissions)) {
      assert.equal(new Set(permissions).size, permissions.length, role);
      assert(given.has(role), role);
    }
  });
});

for (const name of names) {
  describe(`in ${name}`, () => {
    it("the deployer has all that a deployment needs, and nothing else", () => {
      assert.deepEqual(deployerProblems(get(name)), []);
    });

    it("previews read all that a refresh reads, and change nothing", () => {
      assert.deepEqual(previewProblems(get(name)), []);
    });

    it("nobody but the deployer and App Engine's pipelines may act as the deployer", () => {
      const stack = get(name);
      const who = (id: string): string[] =>
        stack.resources
          .filter(isGrant)
          .filter(({ inputs }) => String(inputs["serviceAccountId"]).endsWith(account(stack, id)))
          .map(({ inputs }) => `${String(inputs["role"])} ${String(inputs["member"])}`)
          .sort();
      assert.deepEqual(
        who("deployer").map((line) => line.replace(/projects\/\d+/, "projects/1")),
        fromGithub(stack)
          ? [
              `roles/iam.serviceAccountUser ${member(stack, "deployer")}`,
              `roles/iam.workloadIdentityUser principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/github/attribute.deploys/${name}`,
            ]
          : [],
      );
      assert.deepEqual(
        who("preview").map((line) => line.replace(/projects\/\d+/, "projects/1")),
        byGithub(stack)
          ? [
              "roles/iam.workloadIdentityUser principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/github/attribute.repository_id/123456789",
            ]
          : [],
      );
    });

    it("rights are only added, one by one: no list of them is taken over", () => {
      for (const { type } of get(name).resources.filter(isGrant)) assert.match(type, /Member$/);
    });
  });
}

describe("the legacy build account", () => {
  it("has just what the deployer has", () => {
    const legacy = `serviceAccount:${legacyNumber}@cloudbuild.gserviceaccount.com`;
    assert.deepEqual(deployerProblems(get(small), legacy), []);
    assert.deepEqual(grantsOf(get("dev").resources, legacy), []);
  });
});

describe("the person who founds a stack", () => {
  it("has all that any stack needs, and no role more", () => {
    assert.deepEqual(founderProblems(names.map(get)), []);
  });

  it("lacks something without any of the roles, and is told so", () => {
    const all = names.map(get);
    for (const role of founderRoles) {
      const rest = founderRoles.filter((other) => other !== role);
      assert.match(founderProblems(all, rest).join("\n"), /^lacks /m, role);
    }
  });

  it("is told of a role too much", () => {
    const roles = [...founderRoles, "roles/owner"];
    assert.match(founderProblems(names.map(get), roles).join("\n"), /has roles\/owner/);
    for (const role of ["roles/compute.viewer", "roles/logging.logWriter"]) {
      const found = founderProblems(names.map(get), [...founderRoles, role]);
      assert.deepEqual(found, [`has ${role} on project (founder), which nothing needs`]);
    }
  });
});

describe("the custom roles", () => {
  it("hold no permission that nobody needs", () => {
    assert.deepEqual(idlePermissions(names.map(get)), []);
  });

  it("are what the table says for reading", () => {
    for (const name of names) {
      const { project, resources } = get(name);
      assert.deepEqual(
        customRoles(resources).get(`projects/${project}/roles/stackReader`),
        readerPermissions,
      );
    }
  });
});

/** The checks are only worth something if a change of the grants does not pass them. */
describe("a change of the grants is noticed", () => {
  type Change = (resource: Declared) => readonly Declared[];
  const changed = (stack: Stack, name: string, change: Change): Stack => {
    const found = stack.resources.filter((resource) => resource.name === name);
    assert.equal(found.length, 1, `one resource is called ${name}`);
    return {
      ...stack,
      resources: stack.resources.flatMap((one) => (one.name === name ? change(one) : [one])),
    };
  };
  const added = (stack: Stack, ...more: readonly Declared[]): Stack => ({
    ...stack,
    resources: [...stack.resources, ...more],
  });
  const inProject = (stack: Stack, who: string, role: string): Declared => ({
    type: "gcp:projects/iAMMember:IAMMember",
    name: "one-more",
    inputs: { project: stack.project, role, member: member(stack, who) },
  });
  const identities = [
    ["deployer", deployerProblems],
    ["preview", previewProblems],
  ] as const;

  for (const [who, problems] of identities) {
    for (const name of ["dev", "prod", small]) {
      it(`when ${who} loses any of its grants in ${name}`, () => {
        const stack = get(name);
        const grants = grantsOf(stack.resources, member(stack, who));
        assert(grants.length >= 3);
        for (const { name: grant } of grants) {
          const found = problems(changed(stack, grant, () => []));
          assert.match(found.join("\n"), /^lacks /m, grant);
        }
      });
    }

    it(`when ${who} gets a role more, in the project`, () => {
      const stack = get("dev");
      const held = new Set(grantsOf(stack.resources, member(stack, who)).map(({ role }) => role));
      const others = [...Object.keys(rolePermissions), "roles/owner", "roles/editor"].filter(
        (role) => !held.has(role),
      );
      assert(others.length > 15);
      for (const role of others) {
        const found = problems(added(stack, inProject(stack, who, role)));
        assert(
          found.some((problem) => problem.startsWith(`has ${role} on project (one-more)`)),
          `${role}: ${found.join("\n")}`,
        );
      }
    });

    it(`when a grant of ${who} on one thing becomes one in the project`, () => {
      const stack = get("dev");
      const narrow = grantsOf(stack.resources, member(stack, who)).filter(
        ({ on }) => on !== "project",
      );
      assert(narrow.length >= 2);
      for (const { name, role, on } of narrow) {
        const found = problems(
          changed(stack, name, () => [{ ...inProject(stack, who, role), name }]),
        ).join("\n");
        assert.match(found, new RegExp(`^lacks .* on ${on},`, "m"), name);
        assert.match(found, new RegExp(`^has ${role} on project \\(${name}\\)`, "m"), name);
      }
    });

    it(`when a grant of ${who} is on another thing, or on a condition`, () => {
      const stack = get("dev");
      for (const [key, value] of [
        ["bucket", "another-bucket"],
        ["condition", { title: "sometimes", expression: "true" }],
      ] as const) {
        const found = problems(
          changed(stack, `${who}-account-state`, (one) => [
            { ...one, inputs: { ...one.inputs, [key]: value } },
          ]),
        ).join("\n");
        assert.match(found, /^lacks storage\.objects\.get on bucket my-project-dev-pulumi-state/m);
        assert.match(found, /^has roles\/storage\.object\w+ on .*, which nothing needs/m);
      }
    });

    it(`when a custom role of ${who} loses a permission`, () => {
      const noticed = new Set<string>();
      for (const stack of [get("dev"), get(small)]) {
        for (const { role } of grantsOf(stack.resources, member(stack, who))) {
          for (const lost of customRoles(stack.resources).get(role) ?? []) {
            const found = problems(
              changed(stack, `deployer-${role.split("/").at(-1) ?? ""}`, (one) => [
                {
                  ...one,
                  inputs: {
                    ...one.inputs,
                    permissions: (one.inputs["permissions"] as string[]).filter((p) => p !== lost),
                  },
                },
              ]),
            );
            if (found.join("\n").includes(`lacks ${lost} on project`)) noticed.add(lost);
          }
        }
      }
      const dev = get("dev");
      const grants = grantsOf(dev.resources, member(dev, who));
      const custom = grants.filter(({ role }) => !role.startsWith("roles/"));
      // What a predefined role allows, too, is not missed.
      const predefined = new Set(
        grants
          .filter(({ role, on }) => role.startsWith("roles/") && on === "project")
          .flatMap(({ permissions = [] }) => permissions),
      );
      assert.deepEqual(
        [...noticed].sort(),
        custom
          .flatMap(({ permissions = [] }) => permissions)
          .filter((one) => !predefined.has(one))
          .sort(),
      );
      assert(noticed.size > 15);
    });
  }

  it("when a custom role gets a permission that nobody needs", () => {
    for (const more of ["secretmanager.versions.access", "iam.serviceAccounts.actAs"]) {
      const stack = changed(get("dev"), "deployer-stackReader", (one) => [
        { ...one, inputs: { ...one.inputs, permissions: [...readerPermissions, more] } },
      ]);
      assert.match(previewProblems(stack).join("\n"), new RegExp(`look into things: ${more}`));
    }
    const idle = changed(get("dev"), "deployer-stackDeployer", (one) => [
      { ...one, inputs: { ...one.inputs, permissions: ["logging.sinks.create"] } },
    ]);
    assert.deepEqual(
      idlePermissions([idle]).filter((line) => line.includes("sinks")),
      ["projects/my-project-dev/roles/stackDeployer: logging.sinks.create"],
    );
  });

  it("when previews may write to the state", () => {
    const stack = changed(get("dev"), "preview-account-state", (one) => [
      { ...one, inputs: { ...one.inputs, role: "roles/storage.objectUser" } },
    ]);
    assert.match(previewProblems(stack).join("\n"), /look into things: storage\.objects\.create/);
  });

  it("when the stack gets a resource that nobody may make, or that the table does not know", () => {
    const stack = get("dev");
    const [subscription] = stack.resources.filter(
      ({ type }) => type === "gcp:pubsub/subscription:Subscription",
    );
    assert(subscription);
    const other = { ...subscription, inputs: { ...subscription.inputs, topic: "orders" } };
    assert.deepEqual(deployerProblems(added(stack, other)), [
      `lacks pubsub.topics.attachSubscription on topic orders, for ${other.name}`,
    ]);
    const unknown = { type: "gcp:sql/instance:Instance", name: "sql", inputs: {} };
    assert.throws(() => deployerProblems(added(stack, unknown)), /lacks gcp:sql/);
  });

  it("when the stack no longer has what a grant is for", () => {
    const stack = get("dev");
    const without = (type: RegExp): Stack => ({
      ...stack,
      resources: stack.resources.filter((one) => !type.test(one.type)),
    });
    assert.match(
      deployerProblems(without(/pubsub\/subscription:/)).join("\n"),
      /has roles\/pubsub\.subscriber on topic m-changes/,
    );
    assert.match(
      deployerProblems(without(/AppVersion$/)).join("\n"),
      /has roles\/iam\.serviceAccountUser on account ws-service@/,
    );
  });
});
