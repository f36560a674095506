import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  AppEngineApplication,
  type AppEngineApplicationArgs,
} from "../../components/app-engine-application.ts";
import { record, valueOf } from "../support/pulumi.ts";

function declared(args: Partial<AppEngineApplicationArgs> = {}, hostname?: string) {
  return record(
    () =>
      new AppEngineApplication("app", {
        project: "my-project",
        location: "europe-west",
        databaseLocation: "eur3",
        protect: true,
        ...args,
      }),
    { outputs: () => (hostname === undefined ? {} : { defaultHostname: hostname }) },
  );
}

describe("AppEngineApplication", () => {
  it("declares the application with separate health checks", async () => {
    const { one } = await declared();
    assert.deepEqual(one("Application").inputs, {
      project: "my-project",
      locationId: "europe-west",
      databaseType: "CLOUD_DATASTORE_COMPATIBILITY",
      featureSettings: { splitHealthChecks: true },
    });
  });

  it("declares the default database in Datastore mode after the application", async () => {
    const { one } = await declared();
    const database = one("Database");
    assert.deepEqual(database.inputs, {
      project: "my-project",
      name: "(default)",
      locationId: "eur3",
      type: "DATASTORE_MODE",
      concurrencyMode: "OPTIMISTIC",
      deleteProtectionState: "DELETE_PROTECTION_ENABLED",
      deletionPolicy: "PREVENT",
    });
    assert(database.dependsOn.includes("gcp:appengine/application:Application::app-application"));
  });

  it("protects both where it is told to", async () => {
    const { one } = await declared();
    assert.equal(one("Application").protect, true);
    assert.equal(one("Database").protect, true);
  });

  it("lets both go where it is told to, and deletes the database instead of losing sight of it", async () => {
    const { one } = await declared({ protect: false });
    assert.equal(one("Application").protect, false);
    const { protect, inputs } = one("Database");
    assert.equal(protect, false);
    assert.equal(inputs["deleteProtectionState"], "DELETE_PROTECTION_DISABLED");
    assert.equal(inputs["deletionPolicy"], "DELETE");
  });

  it("adopts what it is told exists, and nothing else", async () => {
    const ids = async (adopt?: AppEngineApplicationArgs["adopt"]) => {
      const { one } = await declared(adopt ? { adopt } : {});
      return [one("Application").importId, one("Database").importId];
    };
    assert.deepEqual(await ids(), [undefined, undefined]);
    assert.deepEqual(await ids({ application: false, database: false }), [undefined, undefined]);
    assert.deepEqual(await ids({ application: true }), ["my-project", undefined]);
    assert.deepEqual(await ids({ application: true, database: true }), [
      "my-project",
      "projects/my-project/databases/(default)",
    ]);
  });

  it("gives the addresses of the site from the host name that App Engine answers", async () => {
    const { result } = await declared({}, "my-project.ew.r.appspot.com");
    assert.equal(await valueOf(result.url), "https://my-project.ew.r.appspot.com");
    assert.equal(await valueOf(result.websocketUrl), "wss://my-project.ew.r.appspot.com");
  });

  it("gives addresses without TLS for a stand-in that listens on a port", async () => {
    const { result } = await declared({}, "appengine.localhost:8080");
    assert.equal(await valueOf(result.url), "http://appengine.localhost:8080");
    assert.equal(await valueOf(result.websocketUrl), "ws://appengine.localhost:8080");
  });
});
