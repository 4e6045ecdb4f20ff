import { setImmediate } from "node:timers";
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createCompute } from "../platform/mod.ts";
import { slowDisk } from "./cluster_disk_faults.ts";
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
