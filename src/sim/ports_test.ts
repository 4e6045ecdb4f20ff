import { setImmediate } from "node:timers";
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createCompute } from "../platform/mod.ts";
import {
  clockCases,
  diskCases,
  hostCases,
  multicastCases,
  networkCases,
  type PortCase,
} from "../port_testing/mod.ts";
import { SimWorld } from "./mod.ts";

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
const compute = createCompute();

/** Runs a case in a world of its own; gives the hash of the run. */
async function runCase({ run }: PortCase, seed: number, host: string, harsh: boolean): Promise<string> {
  const conditions = harsh
    ? { cutChance: 0.3, slowChance: 0.05, slowMaxUs: 20_000, windowSizeBytes: 16 * 1024 }
    : {};
  const world = new SimWorld({ seed, settle, compute, conditions });
  const { ports } = world.addMachine("a").start("case");
  await world.simulation.runUntilSettled(ports.disk.makeDirectory("/case"));
  await world.simulation.runUntilSettled(run({ ports, host, folder: "/case" }));
  return world.simulation.hash.toString();
}

function runCases(cases: readonly PortCase[]): void {
  for (const one of cases) {
    it(one.name, async () => {
      for (const host of ["127.0.0.1", "10.0.0.1"]) {
        const hash = await runCase(one, 1, host, false);
        assertEquals(await runCase(one, 1, host, false), hash, "the same seed gives the same run");
      }
      for (let seed = 2; seed < 5; seed++) await runCase(one, seed, "127.0.0.1", true);
    });
  }
}

describe("simulated network", () => runCases(networkCases));
describe("simulated multicast", () => runCases(multicastCases));
describe("simulated clock and random", () => runCases(clockCases));
describe("simulated disk", () => runCases(diskCases));
describe("simulated host", () => runCases(hostCases));
