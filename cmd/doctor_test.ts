import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { open } from "../mod.ts";
import { createServer, type Server } from "node:net";
import { defaultSettings, type Settings, type SettingsOverrides } from "../src/config/mod.ts";
import { createLog, createPlatform } from "../src/platform/mod.ts";
import type { InterfaceAddress, Ports } from "../src/port/mod.ts";
import { examine, examineSeveral, findingsText, runDoctor } from "./doctor.ts";
import { checkLinks, type DoctorInput, type Finding, type MachineFacts } from "./doctor_checks.ts";

const FACTS: MachineFacts = { fileCountMax: 20_000, clockSynchronized: true };

/** A port of loopback that is free now. */
async function freePort(): Promise<number> {
  const server = await listen(0);
  const { port } = server.address() as { port: number };
  await close(server);
  return port;
}

function listen(port: number): Promise<Server> {
  const server = createServer((socket) => void socket.on("error", () => {}).destroy());
  return new Promise((resolve) => void server.listen(port, "127.0.0.1", () => resolve(server)));
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()));
}

/** Settings of a node that uses free ports of loopback. */
async function loopbackSettings(more: SettingsOverrides = {}): Promise<Settings> {
  const ports = [];
  for (let count = 0; count < 5; count++) ports.push(await freePort());
  const [service, fabric, heartbeat, info, http] = ports;
  const settings = defaultSettings({
    ...more,
    network: {
      service: { port: service, addresses: ["127.0.0.1"] },
      fabric: { port: fabric, addresses: ["127.0.0.1"] },
      heartbeat: { port: heartbeat, addresses: ["127.0.0.1"] },
      info: { port: info, addresses: ["127.0.0.1"] },
      http: { port: http, addresses: ["127.0.0.1"] },
    },
  });
  settings.service.workDirectory = await Deno.makeTempDir();
  return settings;
}

async function quietPorts(): Promise<Ports> {
  return await createPlatform({ log: createLog({ sinks: [] }) });
}

async function problems(settings: Settings, changes: Partial<DoctorInput> = {}): Promise<Finding[]> {
  const findings = await examine({ settings, ports: await quietPorts(), facts: FACTS, ...changes });
  return findings.filter(({ level }) => level === "problem");
}

Deno.test("examine() finds nothing wrong with free ports of loopback, and says what is advertised and why", async () => {
  const settings = await loopbackSettings();
  const findings = await examine({ settings, ports: await quietPorts(), facts: FACTS });
  assertEquals(findings.filter(({ level }) => level === "problem"), []);
  const { port } = settings.network.service;
  const text = findingsText(findings);
  assertStringIncludes(text, `advertised: 127.0.0.1:${port} (network.service.address is 127.0.0.1`);
  assertStringIncludes(text, `127.0.0.1:${port} can be dialled from this machine`);
  assertStringIncludes(text, "No problems.");
  assertEquals(findings.filter(({ topic }) => topic === "ports").length, 5);
});

Deno.test("checkLinks() says which peers can't dial the node, which it can't dial, and what to set", () => {
  const settings = defaultSettings({ network: { heartbeat: { meshSeedAddressPorts: ["10.0.0.2 3002"] } } });
  assertEquals(checkLinks({ settings }, undefined), []);
  const [alone] = checkLinks({ settings }, "");
  assertEquals([alone.level, alone.text], ["problem", "it hears no other node, although there are seeds"]);
  const links = "node=A1:reached=true:reaches-this=true;node=A2:reached=false:reaches-this=true;" +
    "node=A3:reached=true:reaches-this=false";
  assertEquals(checkLinks({ settings }, links).map(({ level, text }) => `${level}: ${text}`), [
    "fine: A1 can be dialled, and dials this node",
    "problem: A2 is heard, but its fabric can't be dialled from here",
    "problem: A3 is heard, but can't dial this node's fabric",
  ]);
  assert(
    checkLinks({ settings }, links).slice(1).every(({ advice }) =>
      advice?.includes("network.fabric.address")
    ),
  );
});

Deno.test("examine() speaks of groups instead of addresses that nobody dials with multicast", async () => {
  const settings = await loopbackSettings();
  Object.assign(settings.network.heartbeat, { mode: "multicast", multicastGroups: ["239.1.99.222"] });
  const findings = await examine({ settings, ports: await quietPorts(), facts: FACTS });
  const heartbeat = findings.filter(({ topic }) => topic === "peers, heartbeat");
  assertEquals(heartbeat.map(({ text }) => text), [
    `pulses go to 239.1.99.222:${settings.network.heartbeat.port} from 127.0.0.1; no address is advertised`,
  ]);
  assertEquals(findings.filter(({ text }) => text.startsWith("heartbeat ")), [], "its port is not dialled");
});

Deno.test("examine() tells a running node from another program on a port", async () => {
  const settings = await loopbackSettings();
  const server = await listen(settings.network.fabric.port);
  const node = await open({
    listen: true,
    settings: {
      service: { nodeId: "A1", workDirectory: settings.service.workDirectory },
      network: {
        service: { port: settings.network.service.port },
        info: { port: 0 },
        http: { port: 0 },
        fabric: { port: 0 },
        heartbeat: { port: 0 },
      },
      namespaces: [{ name: "test", storage: { dataSize: 16 * 2 ** 20 } }],
    },
  });
  try {
    const running = await examine({ settings, ports: await quietPorts(), facts: FACTS });
    const used = running.filter(({ text }) => text.includes("is used by"));
    assertEquals(used.map(({ level }) => level), ["note", "note"]);
    assertStringIncludes(used[0].text, "is used by a running node: id A1, build 8.1.2.0");
    const peers = running.filter(({ topic }) => topic === "peers, as the running node sees them");
    assertEquals(peers.map(({ level, text }) => [level, text]), [["note", "it hears no other node"]]);
  } finally {
    await node.close();
  }
  const found = await problems(settings);
  await close(server);
  assertEquals(found.map(({ text }) => text), [
    `fabric 127.0.0.1:${settings.network.fabric.port} is used by another program`,
  ]);
  assertStringIncludes(found[0].advice!, "network.fabric.port");
});

Deno.test("examine() names an address that this machine does not have, without trying it", async () => {
  const settings = await loopbackSettings();
  settings.network.info!.addresses = ["203.0.113.9"];
  settings.network.service.accessAddresses = ["203.0.113.7"];
  const ports = await quietPorts();
  const dialled: string[] = [];
  const network: Ports["network"] = {
    listen: (options, fn) => ports.network.listen(options, fn),
    connect(options) {
      dialled.push(options.host);
      return ports.network.connect(options);
    },
  };
  const findings = await examine({ settings, ports: { ...ports, network }, facts: FACTS });
  const found = findings.filter(({ level }) => level === "problem");
  assertEquals(found.map(({ topic }) => topic), ["ports"]);
  assertStringIncludes(found[0].advice!, "network.info.address");
  assert(findings.some(({ text }) => text.includes("203.0.113.7") && text.includes("was not tried")));
  assert(dialled.length > 0 && dialled.every((host) => host === "127.0.0.1"), dialled.join());
});

Deno.test("examine() warns of addresses of container bridges, and of seeds elsewhere with peers on loopback", async () => {
  const settings = await loopbackSettings();
  settings.network.service.accessAddresses = ["172.17.0.1"];
  settings.network.service.accessPort = 4000;
  settings.network.heartbeat.meshSeedAddressPorts = ["10.0.0.9 3002"];
  const ports = await quietPorts();
  const bridge: InterfaceAddress = {
    name: "docker0",
    address: "172.17.0.1",
    family: "IPv4",
    loopback: false,
    mac: "02:00:00:00:00:01",
  };
  const interfaces = [...ports.host.interfaces().filter(({ loopback }) => loopback), bridge];
  const host = { ...ports.host, interfaces: () => interfaces };
  const found = await problems(settings, { ports: { ...ports, host } });
  assertEquals(found.map(({ topic }) => topic), ["clients", "peers, fabric"]);
  assertStringIncludes(found[0].text, "docker0");
  assertStringIncludes(found[1].text, "10.0.0.9 3002");
});

Deno.test("examine() compares memory, files, clock and work directory with the settings", async () => {
  const settings = await loopbackSettings();
  settings.namespaces[0].storage.dataSize = 2 ** 50;
  settings.service.workDirectory = "/dev/null";
  const ports = await quietPorts();
  const clock = Object.assign(Object.create(ports.clock), { wallMs: () => 1000 }) as Ports["clock"];
  const found = await problems(settings, {
    ports: { ...ports, clock },
    facts: { fileCountMax: 1024, clockSynchronized: undefined },
  });
  assertEquals(found.map(({ topic }) => topic), ["memory", "files", "clock"]);
  assertStringIncludes(found[1].advice!, "15200");
  assert(found.every(({ advice }) => advice !== undefined));
});

Deno.test("runDoctor() returns 0, 1 or 2 and prints help", async () => {
  const printed: string[] = [];
  const complaints: string[] = [];
  const output = {
    print: (text: string) => void printed.push(text),
    complain: (text: string) => void complaints.push(text),
  };
  assertEquals(await runDoctor(["--help"], output), 0);
  assertStringIncludes(printed[0], "aerie doctor --config-file");
  assertEquals(await runDoctor(["--nonsense"], output), 2);
  assertStringIncludes(complaints[0], '"--nonsense"');
  const port = String(await freePort());
  const flags = ["--json", "--network.service.port", port, "--data-size", "100T"];
  assertEquals(await runDoctor(flags, output), 1);
  const findings = JSON.parse(printed[1]) as Finding[];
  assert(findings.some(({ topic, level }) => topic === "memory" && level === "problem"));
});

Deno.test("examineSeveral() looks at the addresses and ports of each node, and at the machine once", async () => {
  const settings = await loopbackSettings();
  Object.assign(settings.network, { info: undefined, http: undefined });
  const findings = await examineSeveral({ settings, ports: await quietPorts(), facts: FACTS }, 2);
  const topics = new Set(findings.map(({ topic }) => topic));
  for (const index of [0, 1]) assert(topics.has(`node ${index}, ports`), [...topics].join());
  assertEquals(findings.filter(({ topic }) => topic === "memory").length > 0, true);
  const { port } = settings.network.service;
  assertStringIncludes(findingsText(findings), `127.0.0.1:${port + 10}`);
  await Deno.remove(settings.service.workDirectory, { recursive: true });
});

Deno.test("examineSeveral() says what keeps several nodes from one host", async () => {
  const settings = await loopbackSettings();
  settings.network.service.accessPort = 4000;
  const findings = await examineSeveral({ settings, ports: await quietPorts(), facts: FACTS }, 3);
  assertEquals(findings.map(({ level }) => level), ["problem"]);
  assertStringIncludes(findings[0].text, "access-port 4000 publishes one port");
  await Deno.remove(settings.service.workDirectory, { recursive: true });
});
