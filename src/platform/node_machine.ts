/**
 * The machine and the process by `node:os` and `node:process`.
 *
 * @module
 */
import type { InterfaceAddress, MachineCpuUse } from "../port/mod.ts";
import { builtin } from "./builtin.ts";
import { type Machine, ZERO_MAC } from "./machine.ts";

type Os = typeof import("node:os");
type Fs = typeof import("node:fs");
type Process = typeof import("node:process");

/** Names of processor architectures as `uname -m` gives them. */
const archNames: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64", ia32: "i686" };

function interfaces(os: Os): InterfaceAddress[] {
  const found: InterfaceAddress[] = [];
  for (const [name, addresses] of Object.entries(os.networkInterfaces())) {
    for (const { address, family, internal, mac } of addresses ?? []) {
      const version = family === "IPv6" ? "IPv6" : "IPv4";
      found.push({ name, address, family: version, loopback: internal, mac: mac || ZERO_MAC });
    }
  }
  return found;
}

function machineCpu(os: Os): MachineCpuUse {
  const sum: MachineCpuUse = { userUs: 0, systemUs: 0, idleUs: 0 };
  for (const { times } of os.cpus()) {
    sum.userUs += (times.user + times.nice) * 1000;
    sum.systemUs += (times.sys + times.irq) * 1000;
    sum.idleUs += times.idle * 1000;
  }
  return sum;
}

function runtimeName(process: Process): string {
  const { deno, node } = process.versions as { deno?: string; node: string };
  return deno !== undefined ? `deno ${deno}` : `node ${node}`;
}

/** What Node tells; Deno does too, through its copies of these modules. */
export function createNodeMachine(): Machine {
  const os = builtin<Os>("node:os");
  const fs = builtin<Fs>("node:fs");
  const process = builtin<Process>("node:process");
  return {
    interfaces: () => interfaces(os),
    hostname: () => os.hostname(),
    processMemory() {
      const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
      return {
        residentBytes: rss,
        heapUsedBytes: heapUsed,
        heapTotalBytes: heapTotal,
        externalBytes: external,
      };
    },
    systemMemory: () => ({ totalBytes: os.totalmem(), freeBytes: os.freemem() }),
    cpu() {
      const { user, system } = process.cpuUsage();
      return { userUs: user, systemUs: system };
    },
    machineCpu: () => machineCpu(os),
    cpuCount: () => Math.max(1, os.cpus().length),
    environment: (name) => process.env[name],
    pid: () => process.pid,
    platform: () => ({
      os: process.platform,
      arch: archNames[process.arch] ?? process.arch,
      runtime: runtimeName(process),
    }),
    readText: (path) => fs.readFileSync(path, "utf8"),
    addSignalListener: (signal, fn) => void process.on(signal, fn),
    removeSignalListener: (signal, fn) => void process.off(signal, fn),
  };
}
