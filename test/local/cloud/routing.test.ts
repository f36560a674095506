import assert from "node:assert/strict";
import { describe as suite, it } from "node:test";
import fc from "fast-check";
import { route, type Route, type RoutingTable } from "../../../local/cloud/routing.ts";

function table(
  services: Record<string, Record<string, { share?: number; instances?: number }>>,
  rules: RoutingTable["rules"] = [],
): RoutingTable {
  return {
    rules,
    services: new Map(
      Object.entries(services).map(([id, versions]) => [
        id,
        {
          shares: new Map(
            Object.entries(versions).map(([version, { share = 0 }]) => [version, share]),
          ),
          versions: new Map(
            Object.entries(versions).map(([version, { instances = 0 }]) => [
              version,
              { addressable: instances },
            ]),
          ),
        },
      ]),
    ),
  };
}

const stack = table(
  {
    default: { w1: { share: 1 }, w2: {} },
    add: { a1: {}, a2: { share: 1 } },
    ws: { s1: { share: 1 } },
    m: { m1: { share: 1, instances: 3 } },
  },
  [
    { domain: "*", path: "/api/add*", service: "add" },
    { domain: "*", path: "/ws*", service: "ws" },
    { domain: "*", path: "/m", service: "m" },
    { domain: "*", path: "/m/*", service: "m" },
    { domain: "admin.example.org", path: "/*", service: "m" },
    { domain: "*.example.com", path: "/only", service: "ws" },
  ],
);

const cases: readonly [why: string, host: string, path: string, expected: Route][] = [
  ["no rule fits", "localhost:8080", "/", { service: "default", version: "w1" }],
  ["a rule with a star", "localhost:8080", "/api/add/sum", { service: "add", version: "a2" }],
  ["the star may stand for nothing", "localhost", "/ws", { service: "ws", version: "s1" }],
  ["a rule without a star is exact", "localhost", "/m", { service: "m", version: "m1" }],
  ["… and no prefix", "localhost", "/main.js", { service: "default", version: "w1" }],
  ["paths are compared as sent", "localhost", "/WS/x", { service: "default", version: "w1" }],
  ["a whole domain", "admin.example.org", "/x", { service: "m", version: "m1" }],
  ["a domain's port is ignored", "Admin.Example.org:80", "/x", { service: "m", version: "m1" }],
  ["a domain with a star", "a.example.com", "/only", { service: "ws", version: "s1" }],
  ["… is not the domain itself", "example.com", "/only", { service: "default", version: "w1" }],
  ["… nor another one", "evilexample.com", "/only", { service: "default", version: "w1" }],
  ["a service's host", "add-dot-appengine.localhost:8080", "/", { service: "add", version: "a2" }],
  ["any name below localhost", "add-dot-p.r.localhost", "/", { service: "add", version: "a2" }],
  ["a final dot", "add-dot-p.localhost.:8080", "/", { service: "add", version: "a2" }],
  ["no rule for such a host", "ws-dot-p.localhost", "/api/add", { service: "ws", version: "s1" }],
  ["a version's host", "a1-dot-add-dot-p.localhost", "/", { service: "add", version: "a1" }],
  ["a version of default", "w2-dot-p.localhost", "/", { service: "default", version: "w2" }],
  [
    "an instance's host",
    "2-dot-m1-dot-m-dot-p.localhost",
    "/",
    { service: "m", version: "m1", instance: 2 },
  ],
  ["soft: no such service", "x-dot-p.localhost", "/ws/a", { service: "default", version: "w1" }],
  [
    "soft: no such version",
    "x-dot-add-dot-p.localhost",
    "/",
    { service: "default", version: "w1" },
  ],
  [
    "soft: no such instance",
    "3-dot-m1-dot-m-dot-p.localhost",
    "/",
    { service: "default", version: "w1" },
  ],
  ["soft: no number", "x-dot-m1-dot-m-dot-p.localhost", "/", { service: "default", version: "w1" }],
  ["soft: not 02", "02-dot-m1-dot-m-dot-p.localhost", "/", { service: "default", version: "w1" }],
  [
    "soft: not manual",
    "0-dot-a2-dot-add-dot-p.localhost",
    "/",
    { service: "default", version: "w1" },
  ],
  [
    "soft: too much",
    "0-dot-0-dot-m1-dot-m-dot-p.localhost",
    "/",
    { service: "default", version: "w1" },
  ],
  ["soft: empty names", "-dot-p.localhost", "/", { service: "default", version: "w1" }],
  [
    "-dot- elsewhere is no target",
    "add-dot-p.example.org",
    "/ws",
    { service: "ws", version: "s1" },
  ],
  ["no host at all", "", "/", { service: "default", version: "w1" }],
];

suite("route", () => {
  for (const [why, host, path, expected] of cases) {
    it(`${why}: ${host || "(none)"} ${path}`, () => {
      assert.deepEqual(route(stack, host, path, 0), expected);
    });
  }

  it("takes the first rule that fits", () => {
    const two = table(
      { default: { d: { share: 1 } }, a: { v: { share: 1 } }, b: { v: { share: 1 } } },
      [
        { domain: "*", path: "/x/y*", service: "a" },
        { domain: "*", path: "/x*", service: "b" },
      ],
    );
    assert.equal(route(two, "localhost", "/x/y/z", 0)?.service, "a");
    assert.equal(route(two, "localhost", "/x/z", 0)?.service, "b");
  });

  it("goes to the default service when a rule's service has no version with traffic", () => {
    const none = table({ default: { d: { share: 1 } }, a: { v: {} } }, [
      { domain: "*", path: "/a", service: "a" },
    ]);
    assert.equal(route(none, "localhost", "/a", 0)?.service, "default");
  });

  it("is nowhere when nothing is deployed", () => {
    assert.equal(route(table({}), "localhost", "/", 0), undefined);
  });

  it("gives each version its share of the traffic and none to the others", () => {
    fc.assert(
      fc.property(
        fc
          .array(fc.nat(5), { minLength: 1, maxLength: 6 })
          .filter((shares) => shares.some(Boolean)),
        (shares) => {
          const versions = Object.fromEntries(shares.map((share, i) => [`v${i}`, { share }]));
          const total = shares.reduce((sum, share) => sum + share, 0);
          const got = shares.map(() => 0);
          for (let i = 0; i < total; i++) {
            const to = route(table({ default: versions }), "localhost", "/", (i + 0.5) / total);
            const index = Number(to?.version.slice(1));
            got[index] = (got[index] ?? 0) + 1;
          }
          assert.deepEqual(got, shares);
        },
      ),
    );
  });

  it("never leaves the table, whatever the host and the path", () => {
    const label = fc.constantFrom(
      "add",
      "ws",
      "m",
      "m1",
      "a1",
      "default",
      "0",
      "9",
      "x",
      "",
      "-dot-",
    );
    const host = fc.oneof(
      fc.string(),
      fc
        .tuple(
          fc.array(label, { maxLength: 5 }),
          fc.constantFrom(".localhost", ":8080", ".com", ""),
        )
        .map(([labels, end]) => labels.join("-dot-") + end),
    );
    fc.assert(
      fc.property(
        host,
        fc.string(),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (h, p, r) => {
          const to = route(stack, h, p, r);
          assert.ok(to !== undefined);
          const service = stack.services.get(to.service);
          const version = service?.versions.get(to.version);
          assert.ok(version !== undefined);
          if (to.instance !== undefined) assert.ok(to.instance < version.addressable);
        },
      ),
    );
  });

  it("never applies a rule to a host that names its target", () => {
    fc.assert(
      fc.property(fc.constantFrom("add", "ws", "m", "default"), fc.webPath(), (service, path) => {
        assert.equal(route(stack, `${service}-dot-p.localhost`, path, 0)?.service, service);
      }),
    );
  });
});
