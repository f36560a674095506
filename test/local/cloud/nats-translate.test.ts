import assert from "node:assert/strict";
import { describe as suite, it } from "node:test";
import { natsConfigOf, translateNatsConfig } from "../../../local/cloud/nats-translate.ts";

const place = {
  clientPort: 20_001,
  monitorPort: 20_002,
  clusterPort: 20_003,
  storeFolder: "/tmp/run/store",
  routePort: (address: string) => ({ "10.0.0.2": 20_003, "10.0.0.3": 20_013 })[address],
};

const single = `server_name: "nats-0"
listen: 0.0.0.0:4222
http: 127.0.0.1:8222
max_payload: 1MB
accounts {
  APP {
    jetstream: enabled
    users: [
      # add
      {
        nkey: UABC
        permissions {
          publish { allow: ["t.add"] }
          subscribe { deny: [">"] }
        }
      }
    ]
  }
}
jetstream {
  store_dir: "/data"
  sync_interval: always
}
`;
const clustered = `${single}cluster {
  name: "c1"
  listen: 0.0.0.0:6222
  routes: ["nats://10.0.0.2:6222", "nats://10.0.0.3:6222"]
}
`;

suite("nats-server's configuration", () => {
  it("keeps every setting but addresses and paths", () => {
    assert.equal(
      translateNatsConfig(single, place),
      single
        .replace("0.0.0.0:4222", "127.0.0.1:20001")
        .replace("127.0.0.1:8222", "127.0.0.1:20002")
        .replace('"/data"', '"/tmp/run/store"'),
    );
  });

  it("of a cluster gets the routes that stand for the nodes' addresses", () => {
    const text = translateNatsConfig(clustered, place);
    assert.match(text, /^ {2}listen: 127\.0\.0\.1:20003$/m);
    assert.match(
      text,
      /^ {2}routes: \["nats:\/\/127\.0\.0\.1:20003","nats:\/\/127\.0\.0\.1:20013"\]$/m,
    );
  });

  const doubtful: readonly [why: string, from: string, to: string, message: RegExp][] = [
    ["another port", "0.0.0.0:4222", "0.0.0.0:4223", /line 2: .*expected listen: 0\.0\.0\.0:4222/],
    ["another form", "listen: 0.0.0.0:4222", "port: 4222", /port is not known here/],
    ["no form", "listen: 0.0.0.0:4222", "listen 0.0.0.0:4222", /line 2/],
    ["monitoring for all", "127.0.0.1:8222", "0.0.0.0:8222", /line 3/],
    ["another folder", '"/data"', '"/etc"', /expected store_dir: "\/data"/],
    ["a second listen", "max_payload: 1MB", "listen: 0.0.0.0:4222", /said twice/],
    [
      "a file for the log",
      "max_payload: 1MB",
      'log_file: "/var/log/x"',
      /log_file is not known here/,
    ],
    ["a file included", "max_payload: 1MB", "include ./other.conf", /include is not known/],
    [
      "an unknown setting with a path",
      "max_payload: 1MB",
      'novelty: "/etc/passwd"',
      /unknown form/,
    ],
    ["an unknown setting with an address", "max_payload: 1MB", "novelty: 10.1.1.1", /unknown form/],
    ["no listen", "listen: 0.0.0.0:4222\n", "", /"listen: 0\.0\.0\.0:4222" is missing/],
    ["no store", '  store_dir: "/data"\n', "", /"store_dir: "\/data"" is missing/],
    [
      "websockets",
      "jetstream {",
      "websocket {\n  port: 443\n}\njetstream {",
      /port is not known in websocket/,
    ],
    [
      "leaf nodes",
      "jetstream {",
      "leafnodes {\n  remotes: [\n  ]\n}\njetstream {",
      /remotes.*one line/,
    ],
  ];
  for (const [why, from, to, message] of doubtful) {
    it(`is refused, with the line, when it has ${why}`, () => {
      assert.ok(single.includes(from));
      assert.throws(() => translateNatsConfig(single.replace(from, to), place), message);
    });
  }

  it("is refused when a route leads to an address that nobody declared", () => {
    const text = clustered.replace("10.0.0.3", "10.0.0.9");
    assert.throws(() => translateNatsConfig(text, place), /declares no address 10\.0\.0\.9/);
  });

  it("is refused when a route holds more than an address", () => {
    const text = clustered.replace("nats://10.0.0.3", "nats://u:p@10.0.0.3");
    assert.throws(() => translateNatsConfig(text, place), /expected routes: /);
  });

  it("is found in cloud-init, and nothing else makes a machine a NATS node", () => {
    const init = `#cloud-config\nwrite_files:\n  - path: /etc/nats/nats-server.conf\n    content: |\n      listen: x\n`;
    assert.equal(natsConfigOf(init), "listen: x\n");
    assert.equal(natsConfigOf(init.replace("#cloud-config", "#!/bin/sh")), undefined);
    assert.equal(natsConfigOf("#cloud-config\nusers: []\n"), undefined);
    assert.equal(natsConfigOf(""), undefined);
  });
});
