import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { open } from "../mod.ts";
import { connect } from "../src/client/mod.ts";
import { createPlatform } from "../src/platform/mod.ts";
import { runStatus } from "./status.ts";
import { countText, durationText, sizeText, statusScreen } from "./status_screen.ts";
import { type ClusterStatus, findWarnings, type NodeStatus, readNamespace } from "./status_snapshot.ts";

interface Outcome {
  code: number;
  printed: string[];
  complaints: string[];
}

async function run(args: string[], lookCountMax = 1): Promise<Outcome> {
  const printed: string[] = [];
  const complaints: string[] = [];
  const code = await runStatus(args, {
    print: (text) => void printed.push(text),
    complain: (text) => void complaints.push(text),
    isScreen: false,
    lookCountMax,
  });
  return { code, printed, complaints };
}

/** A real node on free ports of loopback with three records. */
async function withNode(use: (port: string) => Promise<void>): Promise<void> {
  const workDirectory = await Deno.makeTempDir();
  const node = await open({
    listen: true,
    settings: {
      service: { nodeId: "A1", workDirectory },
      network: {
        service: { port: 0 },
        info: { port: 0 },
        http: { port: 0 },
        fabric: { port: 0 },
        heartbeat: { port: 0 },
      },
      namespaces: [{ name: "test", nsupPeriod: 120, storage: { dataSize: 16 * 2 ** 20 } }],
    },
  });
  const port = node.listeners.find((listener) => listener.kind === "service")!.port;
  try {
    const client = await connect({ hosts: [`127.0.0.1:${port}`], ports: await createPlatform() });
    for (const key of [1, 2, 3]) await client.put({ namespace: "test", set: "demo", key }, { a: key });
    client.close();
    await use(String(port));
  } finally {
    await node.close();
    await Deno.remove(workDirectory, { recursive: true });
  }
}

Deno.test("runStatus() tells of a running node for people and for programs", async () => {
  await withNode(async (port) => {
    const people = await run(["-p", port]);
    assertEquals([people.code, people.complaints], [0, []]);
    assertStringIncludes(people.printed[0], "cluster without a name: 1 node, key ");
    assertStringIncludes(people.printed[0], "principal A1, no migrations");
    assert(/^A1 \* +127\.0\.0\.1:\d+ +8\.1\.2\.0 Community /m.test(people.printed[0]), people.printed[0]);
    assert(/^test +1 +1 +3 +3 /m.test(people.printed[0]), people.printed[0]);
    const programs = await run(["-p", port, "--json"]);
    const status = JSON.parse(programs.printed[0]) as ClusterStatus;
    assertEquals(status.nodes.map(({ id, clusterSize }) => [id, clusterSize]), [["A1", 1]]);
    assertEquals(status.nodes[0].namespaces.map(({ name, objects, writes }) => [name, objects, writes]), [
      ["test", 3, 3],
    ]);
  });
});

Deno.test("runStatus() --watch looks again and counts rates", async () => {
  await withNode(async (port) => {
    const { code, printed } = await run(["-p", port, "--watch"], 2);
    assertEquals([code, printed.length], [0, 2]);
    assert(/ - +- +accepted/.test(printed[0]), printed[0]);
    assert(/ 0 +0 +accepted/.test(printed[1]), printed[1]);
  });
});

Deno.test("runStatus() returns 1 and says what to try when nobody answers", async () => {
  let free = "";
  await withNode((port) => Promise.resolve(void (free = port)));
  const { code, complaints } = await run(["-p", free, "-t", "0.3"]);
  assertEquals(code, 1);
  assertStringIncludes(complaints[0], `127.0.0.1:${free}`);
  assertStringIncludes(complaints[0], "aerie doctor");
});

Deno.test("runStatus() returns 2 for wrong usage and names the mistake", async () => {
  for (
    const [args, word] of [[["-x"], '"-x"'], [["-p", "0"], '"0"'], [["-t", "no"], '"no"'], [
      ["-h", "a:b:c"],
      '"a:b:c"',
    ]] as const
  ) {
    const { code, complaints } = await run([...args]);
    assertEquals(code, 2);
    assertStringIncludes(complaints[0], word);
  }
});

/** A healthy node of a cluster. */
function node(id: string, changes: Partial<NodeStatus> = {}): NodeStatus {
  return {
    id,
    address: `10.0.0.${id}:3000`,
    host: `02:00:00:00:00:0${id}/box${id}`,
    build: "8.1.2.0",
    edition: "Aerospike Community Edition",
    uptimeS: 60,
    clusterSize: 2,
    clusterKey: "AB",
    principal: "2",
    clusterIntegrity: true,
    duplicateNodes: "",
    clockSkewMs: 0,
    clientConnections: 1,
    freeMemoryPct: 50,
    processCpuPct: 3,
    migrateAllowed: true,
    failedBestPractices: false,
    namespaces: [
      readNamespace(
        "test",
        "objects=10;master_objects=5;data_used_bytes=100;data_total_bytes=1000;effective_replication_factor=2;" +
          "client_read_success=100;batch_sub_read_error=7;client_write_success=20;client_delete_not_found=3;" +
          "from_proxy_read_success=99;storage-engine.stop-writes-used-pct=70",
      ),
    ],
    ...changes,
  };
}

Deno.test("findWarnings() is silent about a healthy cluster and names what is not", () => {
  assertEquals(findWarnings({ nodes: [node("1"), node("2")], silent: [] }), []);
  const full = readNamespace(
    "test",
    "data_used_bytes=65;data_total_bytes=100;storage-engine.stop-writes-used-pct=70",
  );
  const stopped = readNamespace("test", "stop_writes=true;data_used_bytes=71;data_total_bytes=100");
  const faulty = readNamespace(
    "test",
    "stop_writes=true;data_used_bytes=7;data_total_bytes=100;unmended_records=3;storage-engine.file[0].state=faulty;" +
      "storage-engine.file[1].state=good;storage-engine.file[0]=/data/a.dat;storage-engine.file[1]=/data/b.dat",
  );
  const warnings = findWarnings({
    nodes: [
      node("1", { clusterSize: 4, namespaces: [full] }),
      node("2", { clusterKey: "CD", build: "8.1.2.1", clockSkewMs: 4000, namespaces: [stopped, faulty] }),
    ],
    silent: [{ id: "3", address: "10.0.0.3:3000", reason: "timed out" }],
  });
  assertEquals(warnings, [
    "3 (10.0.0.3:3000) does not answer: timed out",
    "the nodes are in 2 clusters (keys AB, CD): one forms, or a split",
    "different versions: 8.1.2.0, 8.1.2.1",
    "1 of 4 members can't be reached from here: they advertise addresses that this machine can't dial; " +
    '"aerie doctor" on them tells which',
    "1: namespace test: 65 % of the data space is used, writes stop at 70 %",
    "2: clocks are 4000 ms apart",
    "2: namespace test: writes are refused (71 % of the data space is used)",
    "2: namespace test: writes are refused (a device can't be written)",
    '2: namespace test: "/data/a.dat" can\'t be written; the log of its node says why',
    "2: namespace test: records that can't be read and that no node has were asked for 3 times",
  ]);
});

Deno.test("statusScreen() sums namespaces over nodes and counts rates from the earlier look", () => {
  const before: ClusterStatus = {
    time: "2026-01-01T00:00:00.000Z",
    atMs: 0,
    clusterName: "",
    nodes: [node("1"), node("2")],
    silent: [],
    warnings: [],
  };
  const busy = node("1");
  busy.namespaces[0].reads += 4000;
  const screen = statusScreen(
    { ...before, atMs: 2000, clusterName: "demo", nodes: [busy, node("2")] },
    before,
  );
  assertEquals(screen.split("\n")[0], "cluster demo: 2 nodes on 2 hosts, key AB, principal 2, no migrations");
  assert(/^test +2 +2 +10 +20 +200 B +2\.0 KiB +0 B +2000 +0 +accepted +0$/m.test(screen), screen);
  assertStringIncludes(screen, "No warnings.");
});

Deno.test("readNamespace() counts partitions, and no copy that a master only stands in for", () => {
  const bitmap = (...bytes: number[]) => btoa(String.fromCharCode(...bytes));
  const replicas = `other:0,1,${bitmap(0xff)};test:0,2,${bitmap(0xf0, 0x01)},${bitmap(0x8f, 0x00)}`;
  const { masterPartitions, replicaPartitions } = readNamespace("test", "objects=1", replicas);
  assertEquals([masterPartitions, replicaPartitions], [5, 4]);
});

Deno.test("findWarnings() tells of copies that are missing for want of hosts, and of quiesced nodes", () => {
  const namespace = (changes: string) => [
    readNamespace("test", `effective_replication_factor=1;replication-factor=2;${changes}`),
  ];
  const nodes = [
    node("1", { namespaces: namespace("") }),
    node("2", { namespaces: namespace("pending_quiesce=true") }),
  ];
  assertEquals(findWarnings({ nodes, silent: [] }), [
    "namespace test: 1 copy of each record instead of 2, because nodes share a machine; " +
    "copies-on-one-host true on all nodes and a recluster allow more",
    '2: a change of its quiescence waits for "recluster:" at the principal',
  ]);
  const quiesced = [
    nodes[0],
    node("2", { namespaces: namespace("pending_quiesce=true;effective_is_quiesced=true") }),
  ];
  assertEquals(findWarnings({ nodes: quiesced, silent: [] }), [
    "2: is quiesced and serves nobody: it can be stopped",
  ]);
});

Deno.test("statusScreen() shows machines by name, with their hardware address where names are the same", () => {
  const status = { time: "", atMs: 0, clusterName: "", silent: [], warnings: [] };
  const screen = statusScreen({ ...status, nodes: [node("1"), node("2")] });
  assert(/ box1 +8\.1\.2\.0/.test(screen), screen);
  const twins = ["1", "2"].map((id) => node(id, { host: `02:00:00:00:00:0${id}/box` }));
  assertStringIncludes(statusScreen({ ...status, nodes: twins }), "02:00:00:00:00:02/box");
});

Deno.test("countText(), sizeText() and durationText() round for people", () => {
  assertEquals([0, 9999, 10_000, 3_400_000, 5e9].map(countText), ["0", "9999", "10.0 k", "3.4 M", "5.0 G"]);
  assertEquals([0, 1023, 1536, 2 ** 30, 300 * 2 ** 20].map(sizeText), [
    "0 B",
    "1023 B",
    "1.5 KiB",
    "1.0 GiB",
    "300 MiB",
  ]);
  assertEquals([5, 61, 3700, 90_000].map(durationText), ["5 s", "1 min", "1 h 1 min", "1 d 1 h"]);
});
