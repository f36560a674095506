import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { connectProvider, type ProviderClient } from "../../../local/engine/provider-client.ts";
import { type Recorder, startRecorder } from "../../../local/provider-process.ts";
import { secretSignature, signatureKey } from "../../../local/wire/values.ts";
import { hasUnknown, unknownValue } from "../../../local/wire/values.ts";

/** The calls of an engine, in its order, over the wire and against the provider's own process. */
describe("the provider over gRPC", () => {
  const urn =
    "urn:pulumi:dev::demo::demo:index:Group$gcp:serviceaccount/account:Account::group-account";
  let recorder: Recorder;
  let provider: ProviderClient;
  before(async () => {
    recorder = startRecorder({ project: "demo-project", region: "us-central1" });
    // Connecting configures it, as an engine does first.
    provider = await connectProvider(await recorder.port, 30_000);
  });
  after(async () => {
    provider.close();
    await recorder[Symbol.asyncDispose]();
  });

  it("checks, creates, compares, updates, reads and deletes", async () => {
    const checked = await provider.check(urn, {}, { accountId: "some-account" });
    assert.deepEqual(checked, { inputs: { accountId: "some-account" }, failures: [] });

    const { id, outputs } = await provider.create(urn, checked.inputs);
    const email = "some-account@demo-project.iam.gserviceaccount.com";
    assert.equal(id, `projects/demo-project/serviceAccounts/${email}`);
    assert.equal(outputs["email"], email);
    assert.equal(outputs["accountId"], "some-account", "outputs hold the inputs");

    const same = await provider.diff(id, urn, outputs, checked.inputs);
    assert.deepEqual(same, { changes: false, replaces: [], deleteBeforeReplace: false });

    const news = { accountId: "some-account", displayName: "Shown" };
    const differs = await provider.diff(id, urn, outputs, news);
    assert.deepEqual(differs, { changes: true, replaces: [], deleteBeforeReplace: false });
    const updated = await provider.update(id, urn, outputs, news);
    assert.equal(updated["displayName"], "Shown");
    assert.equal(updated["email"], email);

    assert.equal((await provider.read(id, urn, updated))?.["displayName"], "Shown");
    const replaced = await provider.diff(id, urn, updated, { accountId: "other-account" });
    assert.deepEqual(replaced, {
      ...{ changes: true, replaces: ["accountId"], deleteBeforeReplace: true },
    });
    await provider.delete(id, urn, updated);
    assert.equal(await provider.read(id, urn, updated), undefined);
    await provider.delete(id, urn, updated);
  });

  it("changes in place what the cloud names, under the name that it got first", async () => {
    const dashboard = urn.replace(/\$.*/, "$gcp:monitoring/dashboard:Dashboard::group-dashboard");
    const json = (displayName: string): string => JSON.stringify({ displayName });
    const { id, outputs } = await provider.create(dashboard, { dashboardJson: json("a") });
    const news = { dashboardJson: json("b") };
    const updated = await provider.update(id, dashboard, outputs, news);
    assert.equal(updated["dashboardJson"], news.dashboardJson);
    assert.deepEqual(await provider.read(id, dashboard, updated), updated);
    await provider.delete(id, dashboard, updated);
  });

  it("lets the unknowns of a preview pass its checks, and takes them for changes", async () => {
    const { inputs, failures } = await provider.check(urn, {}, { accountId: unknownValue });
    assert.deepEqual(failures, []);
    assert.equal(hasUnknown(inputs), true);
    const olds = { accountId: "some-account", __given: ["accountId"] };
    const answer = await provider.diff("id", urn, olds, inputs);
    assert.deepEqual(answer.replaces, ["accountId"]);
  });

  it("names the property of each refusal", async () => {
    const { failures } = await provider.check(urn, {}, { accountId: "no", colour: "red" });
    assert.deepEqual(failures.map(({ property }) => property).sort(), ["accountId", "colour"]);
  });

  it("answers a refusal of the cloud with the cloud's reason", async () => {
    const version = "urn:pulumi:dev::demo::gcp:appengine/standardAppVersion:StandardAppVersion::v";
    await assert.rejects(
      provider.create(version, { service: "add", versionId: "v1", runtime: "nodejs24" }),
      /project demo-project does not contain an App Engine application/,
    );
  });

  it("answers the data source that it knows and refuses others by name", async () => {
    const project = await provider.invoke("gcp:organizations/getProject:getProject", {});
    assert.equal(project["projectId"], "demo-project");
    assert.match(String(project["number"]), /^\d{12}$/);
    await assert.rejects(
      provider.invoke("gcp:compute/getImage:getImage", {}),
      /does not know the data source gcp:compute\/getImage:getImage/,
    );
  });

  it("keeps secrets in their envelopes", async () => {
    const secret = {
      [signatureKey]: secretSignature,
      value: "hidden",
    };
    const { id, outputs } = await provider.create(urn, {
      accountId: "secret-account",
      displayName: secret,
    });
    assert.deepEqual(outputs["displayName"], secret);
    const news = { accountId: "secret-account", displayName: "hidden" };
    assert.equal((await provider.diff(id, urn, outputs, news)).changes, false);
    await provider.delete(id, urn, outputs);
  });
});
