import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Emulators, findEmulators } from "../../../local/tools/emulators.ts";

/** A machine whose PATH has just what a test puts there, beside a shell for it. */
describe("findEmulators", () => {
  let home: string;
  let path: string;
  let sdk: string;
  beforeEach(async () => {
    home = await realpath(await mkdtemp(join(tmpdir(), "sdk-test-")));
    path = join(home, "path");
    sdk = join(home, "google-cloud-sdk");
    await mkdir(path);
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  const file = async (name: string, text = ""): Promise<string> => {
    await mkdir(dirname(name), { recursive: true });
    await writeFile(name, text);
    await chmod(name, 0o755);
    return name;
  };
  const jars = {
    datastore: "platform/cloud-datastore-emulator/CloudDatastore.jar",
    firestore: "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar",
    pubsub: "platform/pubsub-emulator/lib/cloud-pubsub-emulator-0.9.1-all.jar",
  };
  const withSdk = async (...names: (keyof typeof jars)[]): Promise<void> => {
    await file(join(sdk, "bin", "gcloud"));
    await mkdir(join(sdk, "platform"));
    for (const name of names) await file(join(sdk, jars[name]));
    await symlink(join(sdk, "bin", "gcloud"), join(path, "gcloud"));
  };
  const java = (folder: string, text: string): Promise<string> =>
    file(join(folder, "java"), `#!/bin/sh\necho '${text}' >&2\n`);
  const java17 = 'openjdk version "17.0.15" 2025-04-15';
  const find = async (
    env: Record<string, string> = {},
    wanted?: Parameters<typeof findEmulators>[0],
  ): Promise<Emulators | string> => {
    const found = await findEmulators(wanted, { PATH: path, ...env });
    return "missing" in found ? found.missing : found;
  };
  const found = async (...args: Parameters<typeof find>): Promise<Emulators> => {
    const answer = await find(...args);
    if (typeof answer === "string") assert.fail(answer);
    return answer;
  };

  it("goes by where gcloud really is, and says how each emulator is started there", async () => {
    await withSdk("datastore", "pubsub");
    await java(path, java17);
    const emulators = await found();
    const folder = join(home, "data");
    const place = { port: 21_000, folder };
    const datastore = await emulators.command("datastore", place);
    assert.equal(datastore.file, join(path, "java"));
    assert.deepEqual(datastore.args.slice(-7), [
      join(sdk, jars.datastore),
      ...["com.google.cloud.datastore.emulator.CloudDatastore", "start"],
      ...["--host=127.0.0.1", "--port=21000", "--firestore_in_datastore_mode", folder],
    ]);
    assert.deepEqual(await readdir(folder), ["WEB-INF"], "what the emulator wants to find there");
    const pubsub = await emulators.command("pubsub", place);
    assert.deepEqual(pubsub.args.slice(-5), [
      ...["-jar", join(sdk, jars.pubsub)],
      ...["--host=127.0.0.1", "--port=21000", "--iam_port=0"],
    ]);
  });

  it("starts an emulator with the archive of its classes where there is one of this Java and jar", async () => {
    await withSdk("datastore", "pubsub");
    await java(path, java17);
    const env = { XDG_CACHE_HOME: join(home, "cache") };
    const place = { port: 21_000, folder: join(home, "data") };
    const sharing = async (emulators: Emulators): Promise<string[]> =>
      (await emulators.command("datastore", place)).args.filter((arg) => arg.includes("Shared"));
    const before = await found(env);
    assert.deepEqual(await sharing(before), []);
    const archive = await file(before.archive("datastore"));
    assert.ok(archive.startsWith(join(home, "cache")), archive);
    assert.deepEqual(await sharing(before), [`-XX:SharedArchiveFile=${archive}`]);
    assert.notEqual(before.archive("pubsub"), archive);
    await java(path, 'openjdk version "21.0.1" 2025-04-15');
    assert.deepEqual(await sharing(await found(env)), []);
    await java(path, java17);
    await file(join(sdk, jars.datastore), "another");
    assert.deepEqual(await sharing(await found(env)), []);
  });

  it("goes by CLOUDSDK_ROOT_DIR and JAVA_HOME before PATH", async () => {
    await withSdk();
    await java(path, 'java version "1.8.0_402"');
    const other = join(home, "other");
    for (const name of ["datastore", "firestore", "pubsub"] as const) {
      await file(join(other, jars[name]));
    }
    await java(join(home, "jdk", "bin"), java17);
    const env = { CLOUDSDK_ROOT_DIR: other, JAVA_HOME: join(home, "jdk") };
    const emulators = await found(env, ["firestore"]);
    const { file: used, args } = await emulators.command("firestore", { port: 1, folder: home });
    assert.equal(used, join(home, "jdk", "bin", "java"));
    assert.ok(args.includes(join(other, jars.firestore)));
    await assert.rejects(emulators.command("pubsub", { port: 1, folder: home }), /not asked for/);
  });

  const missing: readonly (readonly [string, () => Promise<string | Emulators>, RegExp])[] = [
    [
      "the SDK",
      () => find(),
      /^the Google Cloud SDK is not installed \(no gcloud on PATH\): https:\S+, then gcloud components install pubsub-emulator cloud-datastore-emulator$/,
    ],
    [
      "an emulator",
      async () => {
        await withSdk("datastore");
        return find();
      },
      /^the Google Cloud SDK in \S+google-cloud-sdk has no pubsub-emulator: gcloud components install pubsub-emulator \(an SDK from apt: apt-get install google-cloud-cli-pubsub-emulator\)$/,
    ],
    [
      "the folder that a variable names",
      () => find({ CLOUDSDK_ROOT_DIR: "/nowhere" }),
      /^CLOUDSDK_ROOT_DIR is \/nowhere, where no Google Cloud SDK is$/,
    ],
    [
      "the folder behind gcloud",
      async () => {
        await file(join(path, "gcloud"));
        return find();
      },
      /gcloud does not lead to the Google Cloud SDK's folder: set CLOUDSDK_ROOT_DIR to it$/,
    ],
    [
      "Java",
      async () => {
        await withSdk("datastore", "pubsub");
        return find();
      },
      /^Java is not installed \(no java on PATH\): install Java 11 or later \(Debian: apt-get install/,
    ],
    [
      "a Java that is new enough",
      async () => {
        await withSdk("datastore", "pubsub");
        await java(path, 'java version "1.8.0_402"');
        return find();
      },
      /java is Java 8: install Java 11 or later/,
    ],
    [
      "a Java that runs",
      async () => {
        await withSdk("datastore", "pubsub");
        await file(join(path, "java"), "#!/bin/sh\nexit 1\n");
        return find();
      },
      /java does not run: install Java 11 or later/,
    ],
  ];
  for (const [what, search, line] of missing) {
    it(`says in one line that ${what} is missing and how to get it`, async () => {
      const said = await search();
      assert.ok(typeof said === "string");
      assert.match(said, line);
      assert.ok(!said.includes("\n"));
    });
  }
});
