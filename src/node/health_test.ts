import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { defaultSettings } from "../config/mod.ts";
import { PeerStats } from "../transaction/mod.ts";
import type { NodeId } from "../wire/mod.ts";
import { HealthMonitor, type HealthOptions } from "./health.ts";

const NODES = ["00000000000000b1", "00000000000000b2", "00000000000000b3"] as unknown as NodeId[];

/** A namespace with devices whose reads the test counts. */
function setUp(isEnabled = true) {
  const service = defaultSettings({ service: { enableHealthCheck: isEnabled } }).service;
  const times = [0, 1, 2].map(() => ({ sumMs: 0, count: 0 }));
  const devices = times.map((_, index) => ({ path: `/data/${index}.dat` }));
  const peerStats = new PeerStats();
  const namespace = {
    settings: { name: "test" },
    store: { disk: { blocks: { devices }, reader: { times } } },
    peerStats,
  } as unknown as HealthOptions["namespaces"][number];
  const health = new HealthMonitor({ settings: service, namespaces: [namespace] });
  const read = (device: number, ms: number) => {
    times[device].sumMs += ms;
    times[device].count++;
  };
  return { health, read, peerStats, service };
}

describe("HealthMonitor", () => {
  it("names the device that needs three times as long as the others", () => {
    const { health, read } = setUp();
    for (let count = 0; count < 10; count++) {
      for (const device of [0, 1, 2]) read(device, device === 1 ? 20 : 2);
    }
    assertEquals(
      health.statsText(),
      "stat=device_read_latency:value=2000:device=/data/0.dat:namespace=test;" +
        "stat=device_read_latency:value=20000:device=/data/1.dat:namespace=test;" +
        "stat=device_read_latency:value=2000:device=/data/2.dat:namespace=test",
    );
    assertEquals(
      health.outliersText(),
      "id=/data/1.dat:namespace=test:confidence_pct=90:reason=device_read_latency",
    );
  });

  it("forgets what is older than 30 intervals, and says nothing while it is not enabled", () => {
    const { health, read, service } = setUp();
    read(0, 2);
    read(1, 50);
    for (let count = 0; count < 31; count++) health.sample();
    assertEquals(health.outliersText(), "");
    read(0, 2);
    read(1, 3);
    assertEquals(health.outliersText(), "", "faster than 5 ms is never an outlier");
    read(1, 90);
    assertEquals(health.outliersText().includes("/data/1.dat"), true);
    service.enableHealthCheck = false;
    assertEquals([health.outliersText(), health.statsText()], ["", ""]);
  });

  it("names peers that confirm slowly, and those that come and go", () => {
    const { health, peerStats } = setUp();
    for (const [at, node] of NODES.entries()) {
      for (let count = 0; count < 5; count++) peerStats.noteReplicaTime(node, at === 2 ? 40 : 1);
    }
    for (let count = 0; count < 20; count++) health.onAdjacent(NODES[0], count % 2 === 0);
    assertEquals(health.outliersText(), "id=b3:namespace=test:confidence_pct=98:reason=replication_latency");
    for (let count = 0; count < 10; count++) health.onAdjacent(NODES[0], true);
    assertEquals(
      health.outliersText(),
      "id=b3:namespace=test:confidence_pct=98:reason=replication_latency;id=b1:confidence_pct=50:reason=node_arrivals",
    );
  });
});
