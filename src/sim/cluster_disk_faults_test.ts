import { setImmediate } from "node:timers";
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createCompute } from "../platform/mod.ts";
import { failDisk, killDevice, slowDisk } from "./cluster_disk_faults.ts";
import { DATA_FILE, SECOND_DATA_FILE } from "./cluster_members.ts";
import type { SimDisk } from "./disk.ts";
import { SimWorld } from "./mod.ts";

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
const compute = createCompute();

function newDisk(): SimDisk {
  return new SimWorld({ seed: 1, settle, compute }).addMachine("a").disk;
}

describe("slowDisk", () => {
  it("slowDisk() leaves the disk as it was when both of two that overlap are over", () => {
    for (const firstEndsFirst of [true, false]) {
      const disk = newDisk();
      const usual = { ...disk.conditions };
      const first = slowDisk(disk, 1);
      const second = slowDisk(disk, 2);
      assertEquals(disk.conditions.syncMaxUs, 2_000_000);
      (firstEndsFirst ? first : second).undo();
      assertEquals(disk.conditions.syncMaxUs, firstEndsFirst ? 2_000_000 : 500_000);
      (firstEndsFirst ? second : first).undo();
      assertEquals(disk.conditions, usual);
    }
  });
});

describe("failDisk", () => {
  it("failDisk() fails the device that is lost, or all for a short time, when a node has lost one of two", () => {
    for (const [lost, second] of [[-1, SECOND_DATA_FILE], [0, DATA_FILE], [1, SECOND_DATA_FILE]] as const) {
      const disk = newDisk();
      disk.holds = () => true;
      const fault = { kind: "bad-reads", durationMs: 6000, atMs: 0, node: 0, other: 0 } as const;
      const failing = failDisk(disk, { ...fault, amount: 3 }, lost);
      assertEquals(failing.lastsMs, 6000);
      assertEquals(disk.conditions.faultyPrefix, second);
      failing.undo();
      assertEquals(failDisk(disk, { ...fault, amount: 4 }, lost).lastsMs, 1800);
      assertEquals(disk.conditions.faultyPrefix, "/data/");
    }
  });

  it("failDisk() does not spread to the other device while one is dying", () => {
    const disk = newDisk();
    disk.holds = () => true;
    const fault = { durationMs: 6000, atMs: 0, node: 0, other: 0 } as const;
    killDevice(disk, { ...fault, kind: "dead-disk", amount: 2 }, -1);
    failDisk(disk, { ...fault, kind: "bad-writes", amount: 4 }, -1);
    assertEquals(disk.conditions.faultyPrefix, SECOND_DATA_FILE);
  });
});
