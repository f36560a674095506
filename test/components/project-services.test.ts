import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ProjectServices, requiredServices } from "../../components/project-services.ts";
import { record, valueOf } from "../support/pulumi.ts";

describe("ProjectServices", () => {
  it("turns on every API that the stack calls, and never turns one off again", async () => {
    const { all, result } = await record(
      () => new ProjectServices("apis", { project: "my-project" }),
    );
    assert.deepEqual(
      all("Service").map(({ inputs }) => inputs),
      requiredServices.map((service) => ({
        project: "my-project",
        service: `${service}.googleapis.com`,
        disableOnDestroy: false,
        disableDependentServices: false,
      })),
    );
    assert((await valueOf(result.services)).includes("vpcaccess.googleapis.com"));
  });

  it("names each after the API, so that the list can be put in another order", async () => {
    const { all } = await record(() => new ProjectServices("apis", { project: "my-project" }));
    for (const { name, inputs, parent } of all("Service")) {
      assert.equal(`${name.replace(/^apis-/, "")}.googleapis.com`, inputs["service"]);
      assert.equal(parent, "appengine-realtime:project:ProjectServices::apis");
    }
  });
});
