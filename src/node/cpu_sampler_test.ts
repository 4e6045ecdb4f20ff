import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { TestNode } from "./testing.ts";

/** Lets machine and process work for a while. */
function work(test: TestNode, ms: { process: number; user: number; system: number; idle: number }): void {
  const { machine } = test;
  machine.processUs += ms.process * 1000;
  machine.machineCpu.userUs += ms.user * 1000;
  machine.machineCpu.systemUs += ms.system * 1000;
  machine.machineCpu.idleUs += ms.idle * 1000;
}

describe("CpuSampler", () => {
  it("sample() gives shares of the time since the last sample", async () => {
    const test = await TestNode.start();
    work(test, { process: 1500, user: 1000, system: 500, idle: 500 });
    test.clock.advance(1000);
    const expected = { systemTotalPct: 75, systemUserPct: 50, systemKernelPct: 25, processPct: 150 };
    assertEquals(test.node.cpu.sample(), expected);
  });

  it("sample() keeps the last figures when less than a second has passed", async () => {
    const test = await TestNode.start();
    work(test, { process: 1000, user: 1000, system: 0, idle: 1000 });
    test.clock.advance(1000);
    test.node.cpu.sample();
    work(test, { process: 900, user: 900, system: 0, idle: 0 });
    test.clock.advance(999);
    assertEquals(test.node.cpu.sample().systemTotalPct, 50);
    test.clock.advance(1);
    assertEquals(test.node.cpu.sample().systemTotalPct, 100);
  });

  it("sample() gives 0 when counters stand still or step back", async () => {
    const test = await TestNode.start();
    work(test, { process: 0, user: -10, system: 0, idle: 1000 });
    test.clock.advance(1000);
    const nothing = { systemTotalPct: 0, systemUserPct: 0, systemKernelPct: 0, processPct: 0 };
    assertEquals(test.node.cpu.sample(), nothing);
    test.clock.advance(1000);
    assertEquals(test.node.cpu.sample(), nothing);
  });
});
