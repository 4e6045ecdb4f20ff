import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { formatDiagnostic } from "./diagnostic.ts";
import { splitSettingFlags } from "./flags.ts";
import { type LoadInput, loadSettings } from "./load.ts";
import { sinkLevel } from "./logging_options.ts";
import { GIB, MIB } from "./option.ts";
import { defaultSettings } from "./settings.ts";
import { printSettings } from "./walk.ts";
import { parseYaml } from "./yaml_form.ts";

const folder = new URL("../../testdata/config/", import.meta.url);

async function file(name: string): Promise<LoadInput> {
  return { fileText: await readFile(new URL(name, folder), "utf8"), fileName: name };
}

function texts(input: LoadInput): string[] {
  return loadSettings(input).diagnostics.map(formatDiagnostic);
}

const small = "namespace test {\n  nsup-period 60\n  storage-engine memory {\n    data-size 1G\n  }\n}\n";

/** Compares with a golden text; `GOLDEN=write` in the environment rewrites it. */
async function golden(name: string, lines: readonly string[]): Promise<void> {
  const text = lines.join("\n") + "\n";
  const url = new URL(name, folder);
  if (process.env.GOLDEN === "write") await writeFile(url, text);
  assertEquals(text, await readFile(url, "utf8"));
}

describe("loadSettings() without a file", () => {
  it("gives the default settings", () => {
    const result = loadSettings();
    assertEquals(result.diagnostics, []);
    assertEquals(result.settings, defaultSettings());
    const { network, namespaces: [namespace], logging } = result.settings;
    assertEquals(
      [network.service, network.fabric, network.heartbeat, network.info!, network.http!].map((
        l,
      ) => [l.port, ...l.addresses]),
      [3000, 3001, 3002, 3003, 8081].map((port) => [port, "127.0.0.1"]),
    );
    assertEquals([
      namespace.name,
      namespace.replicationFactor,
      namespace.nsupPeriod,
      namespace.storage.dataSize,
    ], ["test", 1, 120, GIB]);
    assertEquals(logging, [{ kind: "console", path: "", levels: { any: "info" } }]);
  });

  it("takes the container image's names, and only then", () => {
    const env = {
      SERVICE_ADDRESS: "any",
      SERVICE_PORT: "3100",
      NAMESPACE: "shop",
      DEFAULT_TTL: "86400",
      NSUP_PERIOD: "30",
      STORAGE_GB: "2",
      MEM_GB: "1",
      LOGFILE: "/tmp/a.log",
      DATA_IN_MEMORY: "true",
    };
    const { ok, settings, origins } = loadSettings({ env });
    assert(ok);
    const [namespace] = settings.namespaces;
    assertEquals([namespace.name, namespace.defaultTtl, namespace.nsupPeriod, namespace.storage.filesize], [
      "shop",
      86400,
      30,
      2 * GIB,
    ]);
    assertEquals([settings.network.service.port, settings.network.service.addresses], [3100, ["any"]]);
    assertEquals(settings.logging[1], { kind: "file", path: "/tmp/a.log", levels: { any: "info" } });
    assertEquals(origins.get("network.service.port"), { kind: "image", text: "SERVICE_PORT" });
    assertEquals(loadSettings({ env, fileText: small }).settings.network.service.port, 3000);
  });

  it("keeps records in a file when DATA_IN_MEMORY says where they are read from", () => {
    for (const [value, kind] of [["false", "device"], ["true", "memory"]]) {
      const { diagnostics, settings } = loadSettings({ env: { DATA_IN_MEMORY: value, STORAGE_GB: "2" } });
      assertEquals(diagnostics, []);
      const { storage } = settings.namespaces[0];
      assertEquals([storage.kind, storage.files, storage.filesize], [
        kind,
        ["/opt/aerospike/data/test.dat"],
        2 * GIB,
      ]);
    }
    assertEquals(texts({ env: { DATA_IN_MEMORY: "maybe" } }), [
      'DATA_IN_MEMORY: error: is "maybe"; allowed: true or false',
    ]);
  });
});

describe("loadSettings() with a file", () => {
  it("reads a typical sample", async () => {
    const { diagnostics, settings, origins } = loadSettings(await file("sample.conf"));
    assertEquals(diagnostics, []);
    assertEquals(settings.namespaces.map((namespace) => namespace.name), ["test", "bar"]);
    assertEquals(settings.namespaces[0].defaultTtl, 2_592_000);
    assertEquals(settings.namespaces[1].sets.get("users")?.stopWritesCount, MIB);
    assertEquals(settings.network.admin?.port, 3008);
    assertEquals(settings.network.info, { port: 3003, addresses: ["127.0.0.1"] });
    assertEquals(settings.network.http, undefined);
    assertEquals(
      settings.logging.map((sink) => [sink.kind, sinkLevel(sink, "migrate"), sinkLevel(sink, "rw")]),
      [
        ["file", "info", "info"],
        ["console", "debug", "info"],
      ],
    );
    assertEquals(origins.get("namespace.test.default-ttl"), { kind: "file", text: "sample.conf:45" });
  });

  it("reads the container's template", async () => {
    const { diagnostics, settings } = loadSettings(await file("container_template.conf"));
    assertEquals(diagnostics.filter(({ severity }) => severity === "error"), []);
    const { storage } = settings.namespaces[0];
    assertEquals([storage.kind, storage.files, storage.filesize], [
      "device",
      ["/opt/aerospike/data/test.dat"],
      4 * GIB,
    ]);
  });

  it("reports everything that is wrong, with line, allowed values and nearest name", async () => {
    await golden("wrong.txt", texts(await file("wrong.conf")));
  });

  it("keeps listeners on loopback that the file does not name", () => {
    const open =
      loadSettings({ fileText: small + "network {\n  service {\n    port 3000\n  }\n}\n" }).settings.network;
    assertEquals([open.service.addresses, open.fabric.addresses, open.http], [[], ["127.0.0.1"], undefined]);
    const closed = loadSettings({ fileText: small }).settings.network;
    assertEquals([closed.service.addresses, closed.http?.port], [["127.0.0.1"], 8081]);
  });

  it("leaves HTTP out when its port is off", () => {
    const { settings } = loadSettings({ fileText: small + "network {\n  http {\n    port off\n  }\n}\n" });
    assertEquals(settings.network.http, undefined);
  });

  it("lets a later line override and a repeatable one accumulate", () => {
    const network =
      "network {\n  service {\n    port 3000\n    port 3100\n    address 10.0.0.1\n    address 10.0.0.2\n  }\n}\n";
    const { settings } = loadSettings({ fileText: small + network });
    assertEquals([settings.network.service.port, settings.network.service.addresses], [3100, [
      "10.0.0.1",
      "10.0.0.2",
    ]]);
  });

  const memory = "  storage-engine memory {\n    data-size 1G\n  }\n";
  const checks: [string, string, string][] = [
    ["there is no namespace", "service {\n}\n", "f: error: namespace: there is none"],
    ["storage-engine is missing", "namespace a {\n}\n", "f:1: error: namespace.a: has no storage-engine"],
    [
      "filesize is missing",
      "namespace a {\n  storage-engine device {\n    file /a\n  }\n}\n",
      "f:3: error: namespace.a.storage-engine.file: has no filesize",
    ],
    [
      "nothing is there to commit to",
      "namespace a {\n  storage-engine memory {\n    data-size 1G\n    commit-to-device true\n  }\n}\n",
      "f:4: error: namespace.a.storage-engine.commit-to-device: needs a file or device to commit to",
    ],
    [
      "data-size is missing",
      "namespace a {\n  storage-engine memory\n}\n",
      "f:2: error: namespace.a.storage-engine: has no data-size",
    ],
    [
      "nothing would expire",
      `namespace a {\n  default-ttl 5\n${memory}}\n`,
      "f:2: error: namespace.a.default-ttl: is not 0 while nsup-period is 0",
    ],
    [
      "nothing of a set would expire",
      `namespace a {\n  set b {\n    default-ttl 5\n  }\n${memory}}\n`,
      "f:3: error: namespace.a.set.b.default-ttl: is not 0",
    ],
    [
      "two listeners have one port",
      small + "network {\n  service {\n    port 3001\n  }\n}\n",
      "f: error: network.fabric.port: is 3001, the port of network.service",
    ],
    [
      "the node id is given twice",
      small + "service {\n  node-id a1\n  node-id-interface eth0\n}\n",
      "f:8: error: service.node-id: is given together",
    ],
    [
      "the node id is no hex number",
      small + "service {\n  node-id 0\n}\n",
      'f:8: error: service.node-id: is "0"; allowed: 1 to 16 hex digits',
    ],
    [
      "multicast has no group",
      small + "network {\n  heartbeat {\n    mode multicast\n  }\n}\n",
      "f:9: error: network.heartbeat.mode: is multicast without a group",
    ],
    [
      "a multicast group is none",
      small + "network {\n  heartbeat {\n    mode multicast\n    multicast-group 10.0.0.1\n  }\n}\n",
      'f:10: error: network.heartbeat.multicast-group: is "10.0.0.1", no group',
    ],
    [
      "multicast groups are of two kinds",
      small +
      "network {\n  heartbeat {\n    mode multicast\n    multicast-group 239.1.1.1\n    multicast-group ff15::1\n  }\n}\n",
      "error: network.heartbeat.multicast-group: mixes IPv4 and IPv6",
    ],
    [
      "a multicast group is given with mesh",
      small + "network {\n  heartbeat {\n    multicast-group 239.1.1.1\n  }\n}\n",
      "f:9: warning: network.heartbeat.multicast-group: has no effect with mode mesh",
    ],
    [
      "a setting has no effect",
      small + "service {\n  keep-caps-ssd-health true\n}\n",
      "f:8: warning: service.keep-caps-ssd-health: is accepted and has no effect",
    ],
    [
      "there are 33 namespaces",
      Array.from({ length: 33 }, (_, n) => `namespace n${n} {\n${memory}}\n`).join(""),
      "error: namespace: there are 33; at most 32",
    ],
  ];
  for (const [when, fileText, expected] of checks) {
    it(`says so when ${when}`, () => {
      const found = texts({ fileText, fileName: "f" });
      assertEquals(found.length, 1, found.join("\n"));
      assertStringIncludes(found[0], expected);
    });
  }

  it("allows set default-ttl -1 without nsup", () => {
    const { ok, settings } = loadSettings({
      fileText: `namespace a {\n  set b {\n    default-ttl -1\n  }\n${memory}}\n`,
    });
    assertEquals([ok, settings.namespaces[0].sets.get("b")?.defaultTtl], [true, -1]);
  });
});

describe("loadSettings() with environment and flags", () => {
  const flags = (...args: string[]) => splitSettingFlags(args).flags;

  it("lets the environment beat the file and flags beat the environment", () => {
    const env = { AERIE_SERVICE__PROTO_FD_MAX: "200", AERIE_NAMESPACE__TEST__NSUP_PERIOD: "7" };
    const fileText = small + "service {\n  proto-fd-max 100\n}\n";
    const { settings, origins } = loadSettings({
      fileText,
      env,
      flags: flags("--service.proto-fd-max", "300"),
    });
    assertEquals([settings.service.protoFdMax, settings.namespaces[0].nsupPeriod], [300, 7]);
    assertEquals(origins.get("service.proto-fd-max")?.text, "--service.proto-fd-max");
    assertEquals(origins.get("namespace.test.nsup-period")?.text, "AERIE_NAMESPACE__TEST__NSUP_PERIOD");
  });

  it("finds namespaces and sets whose names have upper case and underscores", () => {
    const fileText =
      "namespace My_Data {\n  nsup-period 9\n  storage-engine memory {\n    data-size 1G\n  }\n  set A_b {\n  }\n}\n";
    const env = {
      AERIE_NAMESPACE__MY_DATA__SET__A_B__DEFAULT_TTL: "5",
      AERIE_NAMESPACE__MY_DATA__STORAGE_ENGINE__DATA_SIZE: "2G",
    };
    const { settings, diagnostics } = loadSettings({ fileText, env });
    assertEquals(diagnostics, []);
    assertEquals([
      settings.namespaces[0].sets.get("A_b")?.defaultTtl,
      settings.namespaces[0].storage.dataSize,
    ], [5, 2 * GIB]);
  });

  it("understands the short flags", () => {
    const { settings } = loadSettings({
      flags: flags("--bind", "0.0.0.0", "--port=0", "--http", "off", "--data-size", "64M"),
    });
    assertEquals([settings.network.service.addresses, settings.network.service.port], [["0.0.0.0"], 0]);
    assertEquals([settings.network.info?.addresses, settings.network.http], [["0.0.0.0"], undefined]);
    assertEquals(settings.namespaces[0].storage.dataSize, 64 * MIB);
    assertEquals(settings.network.fabric.addresses, ["127.0.0.1"]);
  });

  it("opens listeners, sets, log levels and, with storage-engine, namespaces", () => {
    const { settings, diagnostics } = loadSettings({
      fileText: small + "network {\n}\n",
      flags: flags(
        "--network.http.port=9000",
        "--namespace.test.set.s.default-ttl",
        "-1",
        "--logging.console.rw=detail",
        "--namespace.cache.storage-engine",
        "memory",
        "--namespace.cache.storage-engine.data-size=16M",
        "--logging.file./var/log/a.log.any",
        "debug",
      ),
    });
    assertEquals(diagnostics, []);
    assertEquals(settings.network.http, { port: 9000, addresses: ["127.0.0.1"] });
    assertEquals(settings.namespaces.map((n) => [n.name, n.storage.dataSize]), [["test", GIB], [
      "cache",
      16 * MIB,
    ]]);
    assertEquals(settings.namespaces[0].sets.get("s")?.defaultTtl, -1);
    assertEquals(sinkLevel(settings.logging[0], "rw"), "detail");
    assertEquals(settings.logging[1].path, "/var/log/a.log");
  });

  it("takes lists with commas or repeated flags, replacing those of the file", () => {
    const { settings } = loadSettings({
      fileText: small + "network {\n  service {\n    access-address 1.1.1.1\n  }\n}\n",
      flags: flags("--network.service.access-address", "a,b", "--network.service.access-address=c"),
    });
    assertEquals(settings.network.service.accessAddresses, ["a", "b", "c"]);
  });

  it("keeps records in files of a folder with --data", () => {
    const data = (args: string[]) => loadSettings({ flags: splitSettingFlags(args).flags }).settings;
    const { namespaces: [{ storage }], service } = data(["--data", "/var/lib/aerie/"]);
    assertEquals([storage.kind, storage.files, storage.filesize, service.workDirectory], [
      "device",
      ["/var/lib/aerie/test.dat"],
      4 * GIB,
      "/var/lib/aerie",
    ]);
    const small = data(["--data", "/d", "--namespace.test.storage-engine.filesize", "64M"]).namespaces[0];
    assertEquals(small.storage.filesize, 64 * MIB);
  });

  const wrong: [string[], string][] = [
    [
      ["--service.proto-fd-mx", "1"],
      '--service.proto-fd-mx: error: unknown name "proto-fd-mx" in service; nearest known name: "proto-fd-max"',
    ],
    [
      ["--servce.proto-fd-max", "1"],
      '--servce.proto-fd-max: error: unknown name "servce" at the top level; nearest known name: "service"',
    ],
    [
      ["--namespace.tset.default-ttl", "1"],
      '--namespace.tset.default-ttl: error: no namespace "tset" is configured; there is test. To add it, give --namespace.NAME.storage-engine memory; nearest known name: "test"',
    ],
    [["--port", "70000"], '--port: error: is "70000", out of range; allowed: 0, 1024 to 65535'],
    [["--port"], "--port: error: must have a value; allowed: 0, 1024 to 65535"],
    [["--namespace.test", "1"], '--namespace.test: error: unknown name "test" in namespace NAME'],
    [
      ["--namespace.x.storage-engine", "device"],
      "--namespace.x.storage-engine: error: namespace.x.storage-engine: has neither file nor device; add file PATH and filesize SIZE",
    ],
    [["--security.enable-quotas", "true"], "--security.enable-quotas: error: is not supported yet"],
    [
      ["--namespace.test.strong-consistency"],
      "--namespace.test.strong-consistency: error: is not supported yet; leave it out; allowed: false",
    ],
  ];
  for (const [args, expected] of wrong) {
    it(`refuses ${args.join(" ")}`, () => assertEquals(texts({ flags: flags(...args) }), [expected]));
  }
});

describe("splitSettingFlags()", () => {
  it("leaves the words of the verb alone", () => {
    assertEquals(
      splitSettingFlags(["--foreground", "--config-file", "a.conf", "--port", "1", "x", "--", "--port", "2"]),
      {
        flags: [{ name: "--port", value: "1" }],
        rest: ["--foreground", "--config-file", "a.conf", "x", "--", "--port", "2"],
      },
    );
    assertEquals(splitSettingFlags(["--service.log-millis", "--http"]).flags, [
      { name: "--service.log-millis", value: undefined },
      { name: "--http", value: undefined },
    ]);
  });
});

describe("parseYaml()", () => {
  it("gives the same settings as the text form", async () => {
    const yaml = loadSettings({ ...(await file("sample.yaml")), form: parseYaml });
    assertEquals(yaml.diagnostics, []);
    assertEquals(yaml.settings, loadSettings(await file("sample.conf")).settings);
    assertEquals(yaml.origins.get("namespace.test.default-ttl"), { kind: "file", text: "sample.yaml:35" });
  });

  it("reports everything that is wrong, with line, allowed values and nearest name", async () => {
    await golden("wrong_yaml.txt", texts({ ...(await file("wrong.yaml")), form: parseYaml }));
  });

  it("accepts namespaces and sinks written as lists", () => {
    const fileText =
      "logging:\n  - name: /tmp/x.log\n    any: info\nnamespaces:\n  - name: test\n    sets:\n      - name: s\n        disable-eviction: true\n" +
      "    storage-engine: {type: memory, data-size: {value: 2, unit: gibibytes}}\n";
    const { settings, diagnostics } = loadSettings({ fileText, form: parseYaml });
    assertEquals(diagnostics, []);
    assertEquals(settings.logging, [{ kind: "file", path: "/tmp/x.log", levels: { any: "info" } }]);
    assertEquals([
      settings.namespaces[0].storage.dataSize,
      settings.namespaces[0].sets.get("s")?.disableEviction,
    ], [2 * GIB, true]);
  });
});

describe("defaultSettings()", () => {
  it("merges blocks and replaces namespaces", () => {
    const settings = defaultSettings({
      service: { clusterName: "c" },
      network: { service: { port: 0 } },
      namespaces: [{ name: "a", defaultTtl: 5, storage: { dataSize: 32 * MIB } }, { name: "b" }],
    });
    assertEquals([settings.service.clusterName, settings.network.service.port, settings.network.http?.port], [
      "c",
      0,
      8081,
    ]);
    assertEquals(settings.namespaces.map((n) => [n.name, n.defaultTtl, n.nsupPeriod, n.storage.dataSize]), [
      ["a", 5, 120, 32 * MIB],
      ["b", 0, 120, GIB],
    ]);
  });

  it("makes fresh objects each time", () => {
    defaultSettings().network.service.addresses.push("x");
    assertEquals(defaultSettings().network.service.addresses, ["127.0.0.1"]);
  });
});

describe("printSettings()", () => {
  it("shows the origin of what was given", () => {
    const { settings, origins } = loadSettings({ env: { AERIE_SERVICE__PROTO_FD_MAX: "9" } });
    assertEquals(printSettings(settings, origins, { givenOnly: true }), [
      "service.proto-fd-max = 9  # AERIE_SERVICE__PROTO_FD_MAX",
    ]);
    assert(
      printSettings(settings, origins).some((line) =>
        /^namespace\.test\.nsup-period = 120 +# default$/.test(line)
      ),
    );
  });
});
