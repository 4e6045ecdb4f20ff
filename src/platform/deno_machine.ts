/**
 * The machine and the process by Deno's own interface. The little that it lacks comes from `/proc`, and where there is
 * none from `node:os` and `node:process`.
 *
 * @module
 */
import type { CpuUse, InterfaceAddress } from "../port/mod.ts";
import { type Machine, machineCpuOf, PROC_TICK_US, readTextIfAny, ZERO_MAC } from "./machine.ts";
import { createNodeMachine } from "./node_machine.ts";

/** Names of systems as Node gives them. */
const systemNames: Readonly<Record<string, string>> = {
  windows: "win32",
  solaris: "sunos",
  illumos: "sunos",
};

function isLoopback(address: string): boolean {
  return address === "::1" || address === "fe80::1" || address.startsWith("127.");
}

/** In the order in which interfaces are first named, all addresses of one together. */
function interfaces(): InterfaceAddress[] {
  const byName = new Map<string, InterfaceAddress[]>();
  for (const { name, address, family, mac } of Deno.networkInterfaces()) {
    const found = byName.get(name) ?? [];
    byName.set(name, found);
    found.push({ name, address, family, loopback: isLoopback(address), mac: mac || ZERO_MAC });
  }
  return [...byName.values()].flat();
}

/** Field of `/proc/self/stat`, counted from behind the program's name, that holds the time spent in the program. */
const STAT_USER_FIELD = 11;

function cpu(): CpuUse {
  const stat = readTextIfAny(denoMachine, "/proc/self/stat");
  if (stat === undefined) return createNodeMachine().cpu();
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    userUs: Number(fields[STAT_USER_FIELD]) * PROC_TICK_US,
    systemUs: Number(fields[STAT_USER_FIELD + 1]) * PROC_TICK_US,
  };
}

/** What Deno tells. */
export const denoMachine: Machine = {
  interfaces,
  hostname: () => Deno.hostname(),
  processMemory() {
    const { rss, heapUsed, heapTotal, external } = Deno.memoryUsage();
    return {
      residentBytes: rss,
      heapUsedBytes: heapUsed,
      heapTotalBytes: heapTotal,
      externalBytes: external,
    };
  },
  systemMemory() {
    const { total, free } = Deno.systemMemoryInfo();
    return { totalBytes: total, freeBytes: free };
  },
  cpu,
  machineCpu: () =>
    machineCpuOf(readTextIfAny(denoMachine, "/proc/stat")) ?? createNodeMachine().machineCpu(),
  cpuCount: () => Math.max(1, navigator.hardwareConcurrency),
  environment: (name) => Deno.env.get(name),
  pid: () => Deno.pid,
  platform: () => ({
    os: systemNames[Deno.build.os] ?? Deno.build.os,
    arch: Deno.build.arch,
    runtime: `deno ${Deno.version.deno}`,
  }),
  readText: (path) => Deno.readTextFileSync(path),
  addSignalListener: (signal, fn) => Deno.addSignalListener(signal, fn),
  removeSignalListener: (signal, fn) => Deno.removeSignalListener(signal, fn),
};
