/** What a NATS machine does when it boots, as cloud-init text: a pure function. */
import { lameDuckGraceSeconds, lameDuckSeconds, natsPorts } from "./nats-config.ts";

/** The name under which the data disk is attached: `/dev/disk/by-id/google-<name>`. */
export const dataDeviceName = "nats-data";

/** Where the local cloud finds the server's configuration in the cloud-init text. */
export const natsConfigPath = "/etc/nats/nats-server.conf";

export interface NatsCloudInitArgs {
  /** The text of nats-server's configuration. */
  readonly config: string;
  /** The image with host, tag and optional digest. */
  readonly image: string;
  /** True when the node takes routes from others on port 6222. */
  readonly clustered: boolean;
}

/** The user that the server runs as; no other account of the machine has this number. */
const uid = 2000;
const mountPoint = "/mnt/disks/nats";
const stopSeconds = lameDuckGraceSeconds + lameDuckSeconds + 20;

export function natsCloudInit(args: NatsCloudInitArgs): string {
  return [
    "#cloud-config",
    "users:",
    "  - name: nats",
    `    uid: ${uid}`,
    "write_files:",
    ...file(natsConfigPath, "0644", args.config),
    ...file("/etc/nats/mount-data.sh", "0644", mountScript),
    ...file("/etc/nats/open-port.sh", "0644", openPortScript),
    ...file("/etc/systemd/system/nats.service", "0644", unit(args)),
    "runcmd:",
    "  - systemctl daemon-reload",
    "  - systemctl start nats.service",
    "",
  ].join("\n");
}

/**
 * Mounts the data disk. It formats the disk only if that is blank: its first MiB is all zeros (as a
 * new disk's is) and no known signature is on it. A damaged or foreign disk makes it fail, and stays
 * as it is.
 */
export const mountScript = `set -euo pipefail
device=\${1:?device}
mount_point=\${2:?mount point}
owner=\${3:?owner}
if [ ! -r "$device" ]; then
  echo "the data disk $device is not attached" >&2
  exit 1
fi
if mountpoint --quiet "$mount_point"; then
  exit 0
fi
status=0
blkid --probe "$device" >/dev/null || status=$?
if [ "$status" -eq 2 ] && [ "$(head --bytes=1048576 "$device" | tr --delete '\\0' | wc --bytes)" -eq 0 ]; then
  mkfs.ext4 -q -m 0 -E lazy_itable_init=0,lazy_journal_init=0,discard "$device"
fi
fsck.ext4 -p "$device" || [ $? -eq 1 ]
mkdir --parents "$mount_point"
mount -o discard,defaults,noatime "$device" "$mount_point"
resize2fs "$device"
chown "$owner" "$mount_point"
`;

/** Container-Optimized OS drops what comes in, whatever the network's firewall says; ssh excepted. */
const openPortScript = `set -euo pipefail
for port in "$@"; do
  iptables -w -C INPUT -p tcp --dport "$port" -j ACCEPT 2>/dev/null ||
    iptables -w -A INPUT -p tcp --dport "$port" -j ACCEPT
done
`;

function unit({ image, clustered }: NatsCloudInitArgs): string {
  const registry = image.split("/")[0] ?? "";
  const device = `/dev/disk/by-id/google-${dataDeviceName}`;
  const ports = [natsPorts.clients, ...(clustered ? [natsPorts.routes] : [])].join(" ");
  return `[Unit]
Description=NATS server
Wants=network-online.target
After=network-online.target docker.service
Requires=docker.service

[Service]
# The root's home is read-only; the credential helper writes its configuration to this one.
Environment=HOME=/home/nats
ExecStartPre=/bin/bash /etc/nats/mount-data.sh ${device} ${mountPoint} ${uid}:${uid}
ExecStartPre=/bin/bash /etc/nats/open-port.sh ${ports}
ExecStartPre=/usr/bin/docker-credential-gcr configure-docker --registries=${registry}
ExecStartPre=-/usr/bin/docker rm --force nats
ExecStart=/usr/bin/docker run --rm --name=nats \\
  --network=host --user=${uid}:${uid} --read-only --cap-drop=ALL --security-opt=no-new-privileges \\
  --ulimit=nofile=65536:65536 \\
  --volume=${natsConfigPath}:${natsConfigPath}:ro --volume=${mountPoint}:/data \\
  ${image} --config ${natsConfigPath}
# SIGUSR2 is lame duck mode: clients are sent to the other nodes, then the server leaves by itself.
ExecStop=-/usr/bin/docker kill --signal=SIGUSR2 nats
ExecStop=-/usr/bin/timeout ${stopSeconds} /usr/bin/docker wait nats
TimeoutStopSec=${stopSeconds + 10}
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
`;
}

/** One entry of `write_files`; a block scalar keeps the text as it is. */
function file(path: string, permissions: string, text: string): string[] {
  const lines = text.replace(/\n$/, "").split("\n");
  return [
    `  - path: ${path}`,
    `    permissions: "${permissions}"`,
    "    owner: root:root",
    "    content: |",
    ...lines.map((line) => (line === "" ? "" : `      ${line}`)),
  ];
}
