import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { defaultAdminListener, defaultSet, defaultSettings, type Settings } from "./settings.ts";
import { becomeNodeOfSeveral, severalNodesProblems, sharingOf } from "./several_nodes.ts";
import { settingEntries } from "./walk.ts";

function node(index: number, count: number, settings: Settings = defaultSettings()): Settings {
  becomeNodeOfSeveral(settings, { index, count }, "10.0.0.1");
  return settings;
}

const GIB = 2 ** 30;

describe("becomeNodeOfSeveral()", () => {
  it("shifts ports, divides memory and names files when it is one of three", () => {
    const settings = defaultSettings({ service: { pidfile: "/run/a.pid" } });
    settings.logging = [{ kind: "file", path: "/var/log/a.log", levels: { any: "info" } }];
    const { network, service, logging, namespaces } = node(2, 3, settings);
    assertEquals(
      [network.service, network.fabric, network.heartbeat, network.info!, network.http!].map((one) =>
        one.port
      ),
      [3020, 3021, 3022, 3023, 8101],
    );
    assertEquals(service.workDirectory, ".aerie-2");
    assertEquals(service.pidfile, "/run/a.pid-2");
    assertEquals(logging[0].path, "/var/log/a.log-2");
    assertEquals(namespaces[0].storage.dataSize, 341 * 2 ** 20);
    assertEquals(network.service.accessPort, 0);
  });

  it("adds the others to the seeds when the mode is mesh", () => {
    const settings = defaultSettings();
    settings.network.heartbeat.meshSeedAddressPorts = ["other 3002"];
    assertEquals(node(1, 3, settings).network.heartbeat.meshSeedAddressPorts, [
      "other 3002",
      "10.0.0.1 3002",
      "10.0.0.1 3022",
    ]);
  });

  it("leaves the heartbeat's port alone when the mode is multicast", () => {
    const settings = defaultSettings({ network: { heartbeat: { mode: "multicast", port: 9918 } } });
    const { heartbeat, fabric } = node(3, 4, settings).network;
    assertEquals([heartbeat.port, heartbeat.meshSeedAddressPorts.length, fabric.port], [9918, 0, 3031]);
  });

  it("gives each node an id of its own when one is configured", () => {
    const ids = [0, 1, 11].map((index) =>
      node(index, 12, defaultSettings({ service: { nodeId: "A1" } })).service.nodeId
    );
    assertEquals(ids, ["A100", "A101", "A10b"]);
  });

  it("changes nothing when the node is alone", () => {
    assertEquals(node(0, 1), defaultSettings());
  });
});

describe("severalNodesProblems()", () => {
  it("is empty when the defaults serve 7 nodes", () => {
    assertEquals(severalNodesProblems(defaultSettings(), 7), []);
  });

  it("says which ports to open when one port is published", () => {
    const settings = defaultSettings({
      network: { service: { accessAddresses: ["203.0.113.7"], accessPort: 3100 } },
    });
    const [problem, ...others] = severalNodesProblems(settings, 3);
    assertStringIncludes(problem, "network.service.access-port 3100 publishes one port");
    assertStringIncludes(problem, "ports 3000, 3010, 3020");
    assertEquals(others, []);
  });

  it("has nothing against a published address without a port", () => {
    const settings = defaultSettings({ network: { service: { accessAddresses: ["203.0.113.7"] } } });
    assertEquals(severalNodesProblems(settings, 3), []);
  });

  it("names both owners when ports collide", () => {
    const settings = defaultSettings({ network: { http: { port: 3010 } } });
    assertStringIncludes(
      severalNodesProblems(settings, 2).join("\n"),
      "port 3010 would be that of network.http of node 0 and of network.service of node 1",
    );
  });

  it("refuses ports beyond the last and peers' ports that the system chooses", () => {
    const settings = defaultSettings({ network: { service: { port: 65530 }, fabric: { port: 0 } } });
    const problems = severalNodesProblems(settings, 2).join("\n");
    assertStringIncludes(problems, "network.service of node 1 would have port 65540");
    assertStringIncludes(problems, "network.fabric.port is 0");
  });

  it("refuses memory that is too small to be divided, and too many nodes", () => {
    const settings = defaultSettings();
    settings.namespaces[0].storage.dataSize = GIB / 32;
    assertStringIncludes(severalNodesProblems(settings, 3).join(), "data-size 32M is too small for 3 nodes");
    assertEquals(severalNodesProblems(settings, 2), []);
    assertStringIncludes(severalNodesProblems(defaultSettings(), 65).join(), "at most 64");
  });

  it("refuses raw devices, and takes files, each with its node's number", () => {
    const settings = defaultSettings();
    const { storage } = settings.namespaces[0];
    storage.kind = "device";
    storage.files = ["/data/a.dat /shadow/a.dat", "/data/b.dat"];
    storage.filesize = GIB;
    assertEquals(severalNodesProblems(settings, 2), []);
    becomeNodeOfSeveral(settings, { index: 1, count: 2 }, "127.0.0.1");
    assertEquals(storage.files, ["/data/a.dat-1 /shadow/a.dat-1", "/data/b.dat-1"]);
    assertEquals(storage.filesize, GIB / 2);
    storage.devices = ["/dev/nvme0n1"];
    assertStringIncludes(severalNodesProblems(settings, 2).join(), "device can't be shared by 2 nodes");
  });

  it("refuses a node id without room for the node's number", () => {
    const settings = defaultSettings({ service: { nodeId: "123456789abcdef" } });
    assertStringIncludes(severalNodesProblems(settings, 2).join(), "is too long");
  });
});

it("sharingOf() has an answer for every port and size", () => {
  const settings = defaultSettings();
  settings.network.admin = defaultAdminListener();
  settings.namespaces[0].sets.set("birds", defaultSet());
  const onDisk = structuredClone(settings);
  onDisk.namespaces[0].storage.kind = "device";
  const open = [...settingEntries(settings), ...settingEntries(onDisk)]
    .filter(({ option }) => option.type === "port" || option.type === "size")
    .map(({ path, option }) => ({ path, name: option.name, sharing: sharingOf(path, option.name) }))
    .filter(({ sharing }) => sharing === undefined);
  assertEquals(open, []);
});
