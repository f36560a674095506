import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DispatchRules, dispatchProblems } from "../../components/dispatch-rules.ts";
import { SourceBucket } from "../../components/source-bucket.ts";
import { record, refuses } from "../support/pulumi.ts";

const rules = [
  { path: "/api/add*", service: "add" },
  { path: "/ws*", service: "ws" },
  { path: "/connection/*", service: "ws" },
  { path: "/emulation", service: "ws" },
];

describe("DispatchRules", () => {
  it("sends the rules in their order, for every host unless one is named", async () => {
    const { one } = await record(
      () =>
        new DispatchRules("dispatch", {
          project: "my-project",
          rules: [...rules, { path: "/", service: "add", domain: "*.example.com" }],
        }),
    );
    assert.deepEqual(one("ApplicationUrlDispatchRules").inputs, {
      project: "my-project",
      dispatchRules: [
        { domain: "*", path: "/api/add*", service: "add" },
        { domain: "*", path: "/ws*", service: "ws" },
        { domain: "*", path: "/connection/*", service: "ws" },
        { domain: "*", path: "/emulation", service: "ws" },
        { domain: "*.example.com", path: "/", service: "add" },
      ],
    });
  });

  it("comes after everything that it is made to depend on", async () => {
    const { one } = await record(() => {
      const service = new SourceBucket("a-service", { project: "my-project", location: "x" });
      new DispatchRules("dispatch", { project: "my-project", rules }, { dependsOn: [service] });
    });
    assert.deepEqual(one("ApplicationUrlDispatchRules").dependsOn, [
      "gcp:storage/bucket:Bucket::a-service-bucket",
    ]);
  });

  it("refuses all bad rules at once and registers nothing", async () => {
    await refuses(
      () =>
        new DispatchRules("dispatch", {
          project: "my-project",
          rules: [
            { path: "api*", service: "add" },
            { path: "/a*b", service: "add" },
            { path: "/**", service: "" },
            { path: "/x", service: "add", domain: "a*.example.com" },
            { path: "/x", service: "add", domain: "ws-dot-my-project.appspot.com" },
            { path: "/x", service: "add" },
            { path: "/x", service: "ws" },
          ],
        }),
      [
        'DispatchRules "dispatch" cannot be declared:',
        '  - rules[0].path: "api*"; it starts with "/", and "*" is its last character only',
        '  - rules[1].path: "/a*b"; it starts with "/", and "*" is its last character only',
        '  - rules[2].path: "/**"; it starts with "/", and "*" is its last character only',
        "  - rules[2].service: it is empty; name a service",
        '  - rules[3].domain: "a*.example.com"; "*", a host in lower case, or "*." and a host',
        '  - rules[4].domain: "ws-dot-my-project.appspot.com" has "-dot-"; such hosts never reach the rules',
        '  - rules[6]: "*/x" is rule 5 already; this one is never reached',
      ].join("\n"),
    );
  });

  it("allows 20 rules and refuses 21", () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ path: `/${i}`, service: "add" }));
    assert.deepEqual(dispatchProblems(many(20)), []);
    assert.deepEqual(dispatchProblems(many(21)), ["rules: there are 21; at most 20"]);
  });

  it("allows 100 characters of domain and path and refuses 101", () => {
    const of = (length: number) => [
      {
        path: `/${"a".repeat(length - "example.com/".length)}`,
        service: "add",
        domain: "example.com",
      },
    ];
    assert.deepEqual(dispatchProblems(of(100)), []);
    assert.deepEqual(dispatchProblems(of(101)), [
      "rules[0]: domain and path have 101 characters together; at most 100",
    ]);
  });
});
