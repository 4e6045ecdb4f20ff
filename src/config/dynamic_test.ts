import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readFile } from "node:fs/promises";
import { getConfig } from "./get_config.ts";
import { GIB } from "./option.ts";
import { setConfig, setConfigReply } from "./set_config.ts";
import { defaultSettings, type Settings } from "./settings.ts";

function set(settings: Settings, command: string): string {
  return setConfigReply(setConfig(settings, pairs(command)));
}

function pairs(command: string): [string, string][] {
  return command.split(";").map((item) => {
    const equals = item.indexOf("=");
    return [item.slice(0, equals), item.slice(equals + 1)];
  });
}

describe("getConfig()", () => {
  it("prints a namespace as the stock server does", async () => {
    const url = new URL("../../testdata/config/stock_get_config_namespace.txt", import.meta.url);
    const settings = defaultSettings({
      namespaces: [{ name: "test", nsupPeriod: 10, storage: { dataSize: 4 * GIB } }],
    });
    const ours = getConfig(settings, { context: "namespace", id: "test" });
    assertEquals(ours.split(";"), (await readFile(url, "utf8")).trimEnd().split("\n"));
    assertEquals(getConfig(settings, { context: "namespace", namespace: "test" }), ours);
  });

  it("prints service and network, together when no context is given", () => {
    const settings = defaultSettings();
    const service = getConfig(settings, { context: "service" });
    const network = getConfig(settings, { context: "network" });
    assertMatch(
      service,
      /^advertise-ipv6=false;auto-pin=none;.*;cluster-name=null;.*;proto-fd-max=15000;.*;work-directory=[^;]*$/,
    );
    assertMatch(
      network,
      /^service\.port=3000;service\.address=127\.0\.0\.1;.*heartbeat\.mode=mesh;.*;fabric\.port=3001;.*http\.address=127\.0\.0\.1$/,
    );
    assertEquals(getConfig(settings), `${service};${network}`);
  });

  it("prints the settings of a set when it has any", () => {
    const settings = defaultSettings();
    assertEquals(set(settings, "context=namespace;id=test;set=s;stop-writes-count=5"), "ok");
    assertEquals(
      getConfig(settings, { context: "namespace", id: "test", set: "s" }),
      "default-read-touch-ttl-pct=0;default-ttl=0;disable-eviction=false;enable-index=false;stop-writes-count=5;stop-writes-size=0",
    );
  });

  it("refuses unknown contexts, namespaces and sets", () => {
    const settings = defaultSettings();
    assertEquals(getConfig(settings, { context: "nonsense" }), "ERROR:4:invalid context");
    assertEquals(getConfig(settings, { context: "namespace", id: "nope" }), "ERROR:4:invalid namespace");
    assertEquals(getConfig(settings, { context: "namespace" }), "ERROR:4:invalid namespace");
    assertEquals(getConfig(settings, { context: "namespace", id: "test", set: "s" }), "ERROR:4:invalid set");
    assertEquals(getConfig(settings, { context: "security" }), "");
  });
});

describe("setConfig()", () => {
  it("changes the settings in place and says what changed", () => {
    const settings = defaultSettings();
    const { service } = settings;
    const result = setConfig(settings, pairs("context=service;proto-fd-max=100;ticker-interval=1m"));
    assert(result.ok);
    assertEquals(result.changed.map(({ name, before, after }) => [name, before, after]), [
      ["proto-fd-max", 15000, 100],
      ["ticker-interval", 10, 60],
    ]);
    assertEquals([service.protoFdMax, service.tickerInterval], [100, 60]);
    assertMatch(getConfig(settings, { context: "service" }), /;proto-fd-max=100;/);
  });

  it("accepts a Map", () => {
    const settings = defaultSettings();
    assert(setConfig(settings, new Map([["context", "service"], ["cluster-name", "c"]])).ok);
    assertEquals(settings.service.clusterName, "c");
  });

  const good: [string, (settings: Settings) => unknown, unknown][] = [
    ["context=network;heartbeat.interval=200", (s) => s.network.heartbeat.interval, 200],
    ["context=network;fabric.recv-rearm-threshold=2K", (s) => s.network.fabric.recvRearmThreshold, 2048],
    ["context=namespace;namespace=test;default-ttl=1D", (s) => s.namespaces[0].defaultTtl, 86400],
    ["context=namespace;id=test;replication-factor=2", (s) => s.namespaces[0].replicationFactor, 2],
    [
      "context=namespace;id=test;stop-writes-used-pct=80",
      (s) => s.namespaces[0].storage.stopWritesUsedPct,
      80,
    ],
    [
      "context=namespace;id=test;storage-engine.defrag-lwm-pct=40",
      (s) => s.namespaces[0].storage.defragLwmPct,
      40,
    ],
    [
      "context=namespace;id=test;geo2dsphere-within-max-cells=20",
      (s) => s.namespaces[0].geo2dsphereWithin.maxCells,
      20,
    ],
    ["context=namespace;id=test;set=s;default-ttl=-1", (s) => s.namespaces[0].sets.get("s")?.defaultTtl, -1],
    [
      "context=namespace;id=test;set=s;disable-eviction=true",
      (s) => s.namespaces[0].sets.get("s")?.disableEviction,
      true,
    ],
    ["context=namespace;id=test;rack-id=0", (s) => s.namespaces[0].rackId, 0],
    ["context=namespace;id=test;nsup-period=0", (s) => s.namespaces[0].nsupPeriod, 0],
  ];
  for (const [command, read, value] of good) {
    it(`carries out ${command}`, () => {
      const settings = defaultSettings();
      assertEquals(set(settings, command), "ok");
      assertEquals(read(settings), value);
    });
  }

  const prefix = "ERROR:4:invalid set-config parameter: ";
  const bad: [string, string][] = [
    [
      "context=service;proto-fd-max=many",
      `${prefix}proto-fd-max is "many", not a number, allowed: 0 to 4294967295`,
    ],
    ["context=service;info-max-ms=1", `${prefix}info-max-ms is "1", out of range, allowed: 500 to 10000`],
    ["context=service;node-id=a1", `${prefix}node-id is static: change it in the configuration and restart`],
    ["context=service;proto-fd-mx=1", `${prefix}unknown name "proto-fd-mx", nearest: proto-fd-max`],
    ["context=namespace;id=test;mrt-duration=5", `${prefix}mrt-duration is not supported yet, it stays 0`],
    ["context=service", `${prefix}no NAME=VALUE was given`],
    ["context=nonsense;a=1", "ERROR:4:invalid context"],
    ["a=1", `${prefix}context is missing, give context=service, network or namespace`],
    ["context=xdr;dc=a;action=create", `${prefix}xdr is not supported yet`],
    ["context=namespace;default-ttl=1", `${prefix}namespace is missing`],
    ["context=namespace;id=nope;default-ttl=1", `${prefix}no namespace nope`],
    ["context=namespace;id=test;set=;default-ttl=1", `${prefix}set: the name is empty`],
    [
      "context=namespace;id=test;data-size=2G",
      `${prefix}data-size is static: change it in the configuration and restart`,
    ],
  ];
  for (const [command, reply] of bad) {
    it(`refuses ${command}`, () => {
      const settings = defaultSettings();
      assertEquals(set(settings, command), reply);
      assertEquals(settings, defaultSettings());
    });
  }

  it("changes nothing when one of several values is wrong", () => {
    const settings = defaultSettings();
    assertMatch(set(settings, "context=service;proto-fd-max=5;ticker-interval=x"), /^ERROR:4:/);
    assertEquals(settings, defaultSettings());
  });

  it("refuses to leave a time to live without expiry", () => {
    const settings = defaultSettings({ namespaces: [{ name: "test", defaultTtl: 60 }] });
    assertMatch(set(settings, "context=namespace;id=test;nsup-period=0"), /^ERROR:4:.*default-ttl is not 0/);
    assertEquals(set(settings, "context=namespace;id=test;nsup-period=0;allow-ttl-without-nsup=true"), "ok");
  });

  it("keeps a reply on one item whatever the client sends", () => {
    const reply = set(defaultSettings(), "context=service;a\nb\u0000c=1");
    assertEquals(["\n", "\u0000", ";"].filter((character) => reply.includes(character)), []);
  });
});
