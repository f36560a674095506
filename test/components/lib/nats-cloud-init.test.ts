import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import {
  mountScript,
  natsCloudInit,
  natsConfigPath,
} from "../../../components/lib/nats-cloud-init.ts";

const run = promisify(execFile);
/** Linux keeps file system tools where not every user's PATH leads. */
const toolPath = [process.env["PATH"], "/usr/sbin", "/sbin"].join(delimiter);
const args = {
  config: 'server_name: "nats-0"\n\njetstream {\n  store_dir: "/data"\n}\n',
  image: "us-central1-docker.pkg.dev/my-project/nats-images/library/nats:2.15.1",
  clustered: false,
};

interface CloudInit {
  readonly write_files: readonly { path: string; permissions: string; content: string }[];
  readonly runcmd: readonly string[];
}

describe("the cloud-init text of a NATS machine", () => {
  it("of a server that stands alone is as it was reviewed", (t) => {
    t.assert.snapshot(natsCloudInit(args), { serializers: [String] });
  });

  it("is YAML that begins with cloud-init's own first line and holds the files byte for byte", () => {
    const text = natsCloudInit(args);
    assert(text.startsWith("#cloud-config\n"));
    const files = (parse(text) as CloudInit).write_files;
    const content = (path: string): string | undefined =>
      files.find((file) => file.path === path)?.content;
    assert.equal(content(natsConfigPath), args.config);
    assert.equal(content("/etc/nats/mount-data.sh"), mountScript);
    assert.deepEqual(
      files.map((file) => file.permissions),
      ["0644", "0644", "0644", "0644"],
    );
  });

  it("opens the port of routes only on a node of a cluster", () => {
    const ports = (clustered: boolean): string | undefined =>
      /open-port\.sh (.*)/.exec(natsCloudInit({ ...args, clustered }))?.[1];
    assert.equal(ports(false), "4222");
    assert.equal(ports(true), "4222 6222");
  });

  it("runs exactly the image that it is given, and asks its registry for access", () => {
    const image = `${args.image}@sha256:${"a".repeat(64)}`;
    const text = natsCloudInit({ ...args, image });
    assert(text.includes(`\n        ${image} --config ${natsConfigPath}\n`), text);
    assert(text.includes("configure-docker --registries=us-central1-docker.pkg.dev\n"));
  });

  it("gives the server longer to stop than its lame duck mode takes", () => {
    const text = natsCloudInit(args);
    const wait = Number(/timeout (\d+) \/usr\/bin\/docker wait/.exec(text)?.[1]);
    const stop = Number(/TimeoutStopSec=(\d+)/.exec(text)?.[1]);
    assert(wait > 35 && stop > wait, `${wait} ${stop}`);
  });
});

/** Real tools for what reads or writes the disk, recorders for what needs a real machine. */
describe("the script that mounts the data disk", { skip: await lacksTools() }, () => {
  let folder: string;
  let disk: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "nats-disk-"));
    disk = join(folder, "disk");
    await writeFile(disk, "");
    await truncate(disk, 16 * 2 ** 20);
    await writeFile(join(folder, "mount-data.sh"), mountScript);
    await mkdir(join(folder, "bin"));
    for (const tool of ["mount", "resize2fs", "chown"]) await recorder(tool, 0);
    await recorder("mountpoint", 1);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function recorder(tool: string, code: number): Promise<void> {
    const file = join(folder, "bin", tool);
    await writeFile(file, `#!/bin/sh\necho ${tool} "$@" >> "${folder}/calls"\nexit ${code}\n`);
    await chmod(file, 0o755);
  }
  async function calls(): Promise<string[]> {
    const text = await readFile(join(folder, "calls"), "utf8");
    return text.trim().replaceAll(folder, "").split("\n");
  }
  const mountDisk = (device = disk): Promise<{ stdout: string; stderr: string }> =>
    run("bash", [join(folder, "mount-data.sh"), device, join(folder, "mnt"), "2000:2000"], {
      env: { PATH: [join(folder, "bin"), toolPath].join(delimiter) },
    });
  const superblock = async (): Promise<string> =>
    (await run("blkid", ["--probe", "--output", "export", disk], { env: { PATH: toolPath } }))
      .stdout;

  it("formats a new disk, mounts it and hands it to the server's user", async () => {
    await mountDisk();
    assert.match(await superblock(), /TYPE=ext4/);
    assert.deepEqual(await calls(), [
      "mountpoint --quiet /mnt",
      "mount -o discard,defaults,noatime /disk /mnt",
      "resize2fs /disk",
      "chown 2000:2000 /mnt",
    ]);
  });

  it("keeps the file system of a disk that has one", async () => {
    await mountDisk();
    const before = await superblock();
    await mountDisk();
    assert.equal(await superblock(), before);
    assert.match(before, /UUID=/);
  });

  for (const [what, place] of [
    ["at its start", 0],
    ["within its first MiB", 2 ** 20 - 1],
  ] as const) {
    it(`never formats a disk with unknown data ${what}, and fails instead`, async () => {
      const file = await open(disk, "r+");
      await file.write("x", place);
      await file.close();
      const before = await readFile(disk);
      await assert.rejects(mountDisk());
      assert(before.equals(await readFile(disk)));
      assert.deepEqual(await calls(), ["mountpoint --quiet /mnt"]);
    });
  }

  it("never formats a disk of which the file system is damaged, and fails instead", async () => {
    await mountDisk();
    const file = await open(disk, "r+");
    await file.write(Buffer.alloc(1024, 0xff), 0, 1024, 1024);
    await file.close();
    const before = await readFile(disk);
    await assert.rejects(mountDisk());
    const after = await readFile(disk);
    assert(before.subarray(64 * 1024).equals(after.subarray(64 * 1024)));
    assert.equal((await calls()).filter((call) => call.startsWith("mount ")).length, 1);
  });

  it("says which disk is missing", async () => {
    await assert.rejects(mountDisk(join(folder, "none")), {
      stderr: `the data disk ${join(folder, "none")} is not attached\n`,
    });
  });

  it("does nothing when the disk is mounted already", async () => {
    await recorder("mountpoint", 0);
    const before = await readFile(disk);
    await mountDisk();
    assert(before.equals(await readFile(disk)));
    assert.deepEqual(await calls(), ["mountpoint --quiet /mnt"]);
  });
});

async function lacksTools(): Promise<string | false> {
  for (const tool of ["bash", "blkid", "mkfs.ext4", "fsck.ext4"]) {
    try {
      await run("sh", ["-c", `command -v ${tool}`], { env: { PATH: toolPath } });
    } catch {
      return `this machine has no ${tool}`;
    }
  }
  return false;
}
