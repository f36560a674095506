/**
 * Every identity of the pipelines has what the resources of a stack need, and nothing else. Read from the golden
 * files, which are the recorded graphs (test/golden holds them so), and from one more graph: a stack without
 * replicated memory and without GitHub, whose builds run as the legacy account and whose alerts go to somebody.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { attributeCondition, attributeMapping, deployRule } from "../../components/lib/github.ts";
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
import { decodeSettings } from "../../config.ts";
import { readStackFile, stackNames } from "../../local/engine/stack-file.ts";
import { recordGraph } from "../../local/record.ts";
import { goldenFile, root } from "../golden/golden.ts";
import {
  accessProblems,
  customRoles,
  type Declared,
  excessOf,
  type Grant,
  grantsOf,
  isGrant,
  isLooking,
  membersOf,
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
    project: `project ${stack.project}`,
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

/**
 * What the deployer's roles allow though nothing needs it, with the reason why it stays. Predefined roles are
 * what Google made them, and four of them are given.
 */
const beyond: Readonly<Record<string, readonly string[]>> = {
  "appengine.appAdmin": [
    // Nothing smaller writes dispatch rules.
    ...["appengine.instances.delete", "appengine.instances.enableDebug"],
    "appengine.services.delete",
    "artifactregistry.repositories.deleteArtifacts",
    "artifactregistry.repositories.downloadArtifacts",
    "artifactregistry.repositories.uploadArtifacts",
  ],
  "cloudbuild.builds.builder": [
    // Given. The worst of it: triggers can be changed, so an approval does not hold against the deployer itself.
    "cloudbuild.builds.update",
    "artifactregistry.repositories.downloadArtifacts",
    "artifactregistry.repositories.uploadArtifacts",
    ...["logging.logEntries.list", "logging.privateLogEntries.list", "logging.views.access"],
    // Topics are the deployer's to make, but only where there are any.
    ...["pubsub.topics.create", "pubsub.topics.publish"],
    ...["storage.buckets.create", "storage.objects.create", "storage.objects.delete"],
    ...["storage.objects.get", "storage.objects.list", "storage.objects.update"],
  ],
  "compute.networkUser": [
    // Given, for the subnet of the flexible service.
    ...["compute.addresses.createInternal", "compute.addresses.deleteInternal"],
    "compute.subnetworks.useExternalIp",
  ],
  // On the bucket of the archives; the state has to be listed.
  "storage.objectUser": ["storage.objects.list"],
};
const known = new Set(
  Object.entries(beyond).flatMap(([role, all]) => all.map((one) => `${role}: ${one}`)),
);

function deployerExcess(stack: Stack, who = member(stack, "deployer")): string[] {
  return excessOf(deployerNeedsOf(stack), grantsOf(stack.resources, who));
}

function deployerProblems(stack: Stack, who = member(stack, "deployer")): string[] {
  return [
    ...accessProblems(deployerNeedsOf(stack), grantsOf(stack.resources, who), originalRoles),
    ...deployerExcess(stack, who)
      .filter((one) => !known.has(one))
      .map((one) => `may do more than is needed, ${one}`),
  ];
}

function previewNeedsOf(stack: Stack): Need[] {
  return needsOf(stack.resources, {
    changes: () => false,
    pipeline: [...previewNeeds, ...(declares(stack, "builds-preview") ? previewBuildNeeds : [])],
    things: things(stack),
  });
}

function previewProblems(stack: Stack): string[] {
  const grants = grantsOf(stack.resources, member(stack, "preview"));
  return [
    ...accessProblems(previewNeedsOf(stack), grants),
    ...excessOf(previewNeedsOf(stack), grants)
      // Names of the archives; there is no smaller role that reads one.
      .filter((one) => one !== "storage.objectViewer: storage.objects.list")
      .map((one) => `may do more than look, ${one}`),
  ];
}

/** Whoever is neither deployer nor preview → what it may have, on a thing of which kind. */
const others: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(
    ["add-service", "default-service", "m-service", "ws-service"].map((id) => [
      id,
      [
        ...["artifactregistry.reader on project", "logging.logWriter on project"],
        "storage.objectViewer on bucket",
        // Which ones is held by test/golden/checks.ts.
        "secretmanager.secretAccessor on secret",
        ...(id === "ws-service" ? ["monitoring.metricWriter on project"] : []),
        ...(id === "m-service" ? ["datastore.user on project", "pubsub.publisher on topic"] : []),
      ],
    ]),
  ),
  "nats-server": [
    "artifactregistry.reader on repository",
    ...["logging.logWriter on project", "monitoring.metricWriter on project"],
  ],
  "Google's agent for Pub/Sub": [
    ...["iam.serviceAccountTokenCreator on account", "pubsub.publisher on topic"],
    "pubsub.subscriber on project",
  ],
  GitHub: ["iam.workloadIdentityUser on account"],
};

/** Who `others` means. */
function nameOf(stack: Stack, one: string): string {
  const [, id] = new RegExp(`^serviceAccount:(.*)@${stack.project}\\.iam\\.`).exec(one) ?? [];
  if (id !== undefined) return id;
  if (one.endsWith("@gcp-sa-pubsub.iam.gserviceaccount.com")) return "Google's agent for Pub/Sub";
  const pool = /\/workloadIdentityPools\/github\/attribute\.(deploys\/(.*)|repository_id\/\d+)$/;
  const [found, , deploys] = pool.exec(one) ?? [];
  if (found !== undefined && deploys !== "none") return "GitHub";
  return one;
}

/** What anybody else has that is not in the list: another way to become the deployer, or more. */
function otherProblems(stack: Stack): string[] {
  const judged = [
    ...[member(stack, "deployer"), member(stack, "preview")],
    `serviceAccount:${legacyNumber}@cloudbuild.gserviceaccount.com`,
  ];
  return membersOf(stack.resources)
    .filter((one) => !judged.includes(one))
    .flatMap((one) =>
      grantsOf(stack.resources, one).flatMap(({ name, role, on }) => {
        const [kind = "", id = ""] = on.split(" ");
        const line = `${role.replace(/^roles\//, "")} on ${kind}`;
        const here = kind !== "project" || id === stack.project;
        if (here && others[nameOf(stack, one)]?.includes(line) === true) return [];
        return [`${one} has ${role} on ${on} (${name})`];
      }),
    );
}

/** What the stack file says of GitHub. */
const githubOf = (name: string) =>
  decodeSettings(readStackFile(root, name).config, name).build.github;

/** What is wrong with which of GitHub's tokens are taken, and what for. */
function tokenProblems(stack: Stack, name: string): string[] {
  const found = stack.resources.find((one) => one.name === "github-provider");
  const github = githubOf(name);
  assert(found && github);
  const { attributeCondition: condition, attributeMapping: mapping } = found.inputs;
  const expected = [attributeCondition(github), attributeMapping(github, deployRule(github), name)];
  return isDeepStrictEqual([condition, mapping], expected) ? [] : ["other tokens are taken"];
}

/** The types that the table says a person changes, though the deployer's roles would let it. */
function reachable(stack: Stack): string[] {
  const held = new Set(
    grantsOf(stack.resources, member(stack, "deployer")).flatMap(
      ({ permissions = [] }) => permissions,
    ),
  );
  return [...new Set(stack.resources.map(({ type }) => type))].filter((type) => {
    const { write = [], writeOn = {} } = typePermissions[type] ?? {};
    const all = [...write, ...Object.values(writeOn).flat()];
    return changedBy(type) === "person" && all.every((one) => held.has(one));
  });
}

function founderProblems(
  stack: readonly Stack[],
  roles: readonly string[] = founderRoles,
): string[] {
  const needs = stack
    .flatMap((one) => needsOf(one.resources, { changes: () => true, things: things(one) }))
    // Everything is the founder's to change, so all is needed in the project.
    .map((need) => ({ ...need, on: "project" }));
  const further = founderNeeds.map((what) => ({ what, on: "project", by: "the bootstrap" }));
  const grants = roles.map((role): Grant => {
    return { name: "founder", role, on: "project", permissions: rolePermissions[role] };
  });
  return accessProblems([...needs, ...further], grants);
}

/** Permissions of custom roles that nobody needs in the project, in any stack. */
function idlePermissions(all: readonly Stack[]): string[] {
  const needed = new Set(
    all.flatMap((stack) =>
      [...deployerNeedsOf(stack), ...previewNeedsOf(stack)]
        .filter(({ on }) => on.startsWith("project "))
        .map(({ what }) => what),
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
        // Whether an archive is there is asked of the archive.
        assert(isLooking(permission) || permission === "storage.objects.get", permission);
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
              `roles/iam.workloadIdentityUser principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/github/attribute.repository_id/${githubOf(name)?.repositoryId ?? ""}`,
            ]
          : [],
      );
    });

    it("nobody else has what is not in the list of who has what", () => {
      assert.deepEqual(otherProblems(get(name)), []);
    });

    it("GitHub's tokens are taken as the settings say", () => {
      if (byGithub(get(name))) assert.deepEqual(tokenProblems(get(name), name), []);
    });

    it("rights are only added, one by one: no list of them is taken over", () => {
      for (const { type } of get(name).resources.filter(isGrant)) assert.match(type, /Member$/);
    });
  });
}

describe("what the deployer could do beyond its task", () => {
  it("is what is listed, with nothing in the list that is over", () => {
    const legacy = `serviceAccount:${legacyNumber}@cloudbuild.gserviceaccount.com`;
    const excess = [
      ...names.flatMap((name) => deployerExcess(get(name))),
      ...deployerExcess(get(small), legacy),
    ];
    assert.deepEqual([...new Set(excess)].sort(), [...known].sort());
  });

  it("changes a person's resources of two types only", () => {
    for (const name of names) {
      const stack = get(name);
      assert.deepEqual(
        reachable(stack).sort(),
        [
          // By `builds.create` and `builds.update`, which every builder has: an approval is no wall against it.
          ...(byGithub(stack) ? ["gcp:cloudbuild/trigger:Trigger"] : []),
          // By Compute Network User, which is given.
          "gcp:compute/address:Address",
        ].sort(),
        name,
      );
    }
  });
});

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
          found.some((problem) =>
            problem.startsWith(`has ${role} on project ${stack.project} (one-more)`),
          ),
          `${role}: ${found.join("\n")}`,
        );
      }
    });

    it(`when a grant of ${who} on one thing becomes one in the project`, () => {
      const stack = get("dev");
      const narrow = grantsOf(stack.resources, member(stack, who)).filter(
        ({ on }) => !on.startsWith("project "),
      );
      assert(narrow.length >= 2);
      for (const { name, role, on } of narrow) {
        const found = problems(
          changed(stack, name, () => [{ ...inProject(stack, who, role), name }]),
        ).join("\n");
        assert.match(found, new RegExp(`^lacks .* on ${on},`, "m"), name);
        assert.match(
          found,
          new RegExp(`^has ${role} on project ${stack.project} \\(${name}\\)`, "m"),
          name,
        );
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
        assert.match(
          found,
          new RegExp(`^lacks storage\\.objects\\.get on bucket ${stack.project}-pulumi-state`, "m"),
        );
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
            if (found.join("\n").includes(`lacks ${lost} on project ${stack.project}`))
              noticed.add(lost);
          }
        }
      }
      const dev = get("dev");
      const grants = grantsOf(dev.resources, member(dev, who));
      const custom = grants.filter(({ role }) => !role.startsWith("roles/"));
      // What a predefined role allows, too, is not missed.
      const predefined = new Set(
        grants
          .filter(({ role, on }) => role.startsWith("roles/") && on.startsWith("project "))
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
      assert.match(
        previewProblems(stack).join("\n"),
        new RegExp(`may do more than look, stackReader: ${more}`),
      );
    }
    const idle = changed(get("dev"), "deployer-stackDeployer", (one) => [
      { ...one, inputs: { ...one.inputs, permissions: ["logging.sinks.create"] } },
    ]);
    assert.deepEqual(
      idlePermissions([idle]).filter((line) => line.includes("sinks")),
      [`projects/${idle.project}/roles/stackDeployer: logging.sinks.create`],
    );
  });

  it("when a wider role is in the place of a needed one", () => {
    for (const [grant, role, more] of [
      ["deployer-account-sources", "roles/storage.admin", "storage.buckets.setIamPolicy"],
      ["deployer-account-state", "roles/storage.admin", "storage.buckets.delete"],
      [
        "deployer-account-images",
        "roles/artifactregistry.admin",
        "artifactregistry.repositories.setIamPolicy",
      ],
      ["deployer-account-subscribes-m", "roles/pubsub.admin", "pubsub.topics.setIamPolicy"],
      [
        "github-deployer-reads-pool",
        "roles/iam.workloadIdentityPoolAdmin",
        "iam.googleapis.com/workloadIdentityPoolProviders.update",
      ],
      [
        "github-deployer-uses-project",
        "roles/serviceusage.serviceUsageAdmin",
        "serviceusage.services.enable",
      ],
    ] as const) {
      const stack = changed(get("dev"), grant, (one) => [
        { ...one, inputs: { ...one.inputs, role } },
      ]);
      const line = `may do more than is needed, ${role.replace("roles/", "")}: ${more}`;
      assert(deployerProblems(stack).includes(line), line);
    }
    const own = changed(get("dev"), "deployer-stackDeployer", (one) => [
      {
        ...one,
        inputs: {
          ...one.inputs,
          permissions: [...(one.inputs["permissions"] as string[]), "iam.serviceAccounts.actAs"],
        },
      },
    ]);
    assert(
      deployerProblems(own).includes(
        "may do more than is needed, stackDeployer: iam.serviceAccounts.actAs",
      ),
    );
    assert.match(idlePermissions([own]).join("\n"), /stackDeployer: iam\.serviceAccounts\.actAs/);
  });

  it("when a grant is in another project", () => {
    const stack = changed(get("dev"), "deployer-account-appengine.appAdmin", (one) => [
      { ...one, inputs: { ...one.inputs, project: "somebody-elses-project" } },
    ]);
    assert.match(
      deployerProblems(stack).join("\n"),
      new RegExp(`^lacks appengine\\.versions\\.create on project ${stack.project}`, "m"),
    );
  });

  it("when somebody else is given more, above all whoever the deployer may act as", () => {
    const stack = get("dev");
    const pool = /principalSet:.*\/github\//.exec(membersOf(stack.resources).join("\n"))?.[0] ?? "";
    assert.notEqual(pool, "");
    for (const [who, role] of [
      [member(stack, "add-service"), "roles/resourcemanager.projectIamAdmin"],
      [member(stack, "add-service"), "roles/iam.serviceAccountUser"],
      [member(stack, "m-push"), "roles/iam.serviceAccountTokenCreator"],
      [member(stack, "nats-server"), "roles/secretmanager.secretAccessor"],
      ["user:somebody@example.com", "roles/appengine.appAdmin"],
      [`${pool}attribute.deploys/none`, "roles/iam.workloadIdentityUser"],
      [`${pool}attribute.deploys/dev`, "roles/appengine.appAdmin"],
    ] as const) {
      const more = { ...inProject(stack, "", role), name: "one-more" };
      const found = otherProblems(
        added(stack, { ...more, inputs: { ...more.inputs, member: who } }),
      );
      assert.deepEqual(found, [`${who} has ${role} on project ${stack.project} (one-more)`]);
    }
  });

  it("when other tokens of GitHub are taken, or for something else", () => {
    for (const inputs of [
      { attributeCondition: "true" },
      { attributeMapping: { "google.subject": "assertion.sub", "attribute.deploys": "'dev'" } },
    ]) {
      const stack = changed(get("dev"), "github-provider", (one) => [
        { ...one, inputs: { ...one.inputs, ...inputs } },
      ]);
      assert.deepEqual(tokenProblems(stack, "dev"), ["other tokens are taken"]);
    }
  });

  it("when the deployer comes to reach what is a person's", () => {
    const stack = get("dev");
    const more = inProject(stack, "deployer", "roles/secretmanager.admin");
    assert.deepEqual(
      reachable(added(stack, more))
        .filter((type) => !reachable(stack).includes(type))
        .sort(),
      ["gcp:secretmanager/secret:Secret", "gcp:secretmanager/secretIamMember:SecretIamMember"],
    );
  });

  it("when previews may write to the state", () => {
    const stack = changed(get("dev"), "preview-account-state", (one) => [
      { ...one, inputs: { ...one.inputs, role: "roles/storage.objectUser" } },
    ]);
    assert.match(
      previewProblems(stack).join("\n"),
      /may do more than look, storage\.objectUser: storage\.objects\.create/,
    );
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
