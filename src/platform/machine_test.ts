import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { denoMachine } from "./deno_machine.ts";
import { machineCpuOf } from "./machine.ts";
import { createNodeMachine } from "./node_machine.ts";

describe("denoMachine", () => {
  const nodeMachine = createNodeMachine();

  it("tells of the machine what Node's modules tell, in the same order", () => {
    assertEquals(denoMachine.interfaces(), nodeMachine.interfaces());
    assertEquals(denoMachine.hostname(), nodeMachine.hostname());
    assertEquals(denoMachine.platform(), nodeMachine.platform());
    assertEquals(denoMachine.pid(), nodeMachine.pid());
    assertEquals(denoMachine.environment("PATH"), nodeMachine.environment("PATH"));
    assertEquals(denoMachine.systemMemory().totalBytes, nodeMachine.systemMemory().totalBytes);
  });

  it("tells CPU time that has come to pass between two looks of Node's modules", () => {
    const tickUs = 20_000;
    const before = nodeMachine.cpu();
    const own = denoMachine.cpu();
    const after = nodeMachine.cpu();
    const total = ({ userUs, systemUs }: { userUs: number; systemUs: number }) => userUs + systemUs;
    assert(total(own) >= total(before) - tickUs && total(own) <= total(after) + tickUs);
    const machine = denoMachine.machineCpu();
    assert(machine.userUs + machine.systemUs + machine.idleUs > 0);
  });
});

describe("machineCpuOf()", () => {
  it("adds nice to user and interrupts to system time", () => {
    const text = "cpu  100 20 30 4000 500 6 7 0 0 0\ncpu0 1 2 3 4 5 6 7 0 0 0\n";
    assertEquals(machineCpuOf(text), { userUs: 1_200_000, systemUs: 360_000, idleUs: 40_000_000 });
  });

  it("gives nothing for another text", () => {
    assertEquals(machineCpuOf("intr 1 2 3\n"), undefined);
    assertEquals(machineCpuOf(undefined), undefined);
  });
});
