/**
 * The machine and the process, by `node:os` and `node:process`, which Deno has too.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { lookup } from "node:dns/promises";
import * as os from "node:os";
import process from "node:process";
import type { Host, HostSignal, InterfaceAddress, MachineCpuUse, MemoryUse } from "../port/mod.ts";

const ZERO_MAC = "00:00:00:00:00:00";

/** Names of processor architectures as `uname -m` gives them. */
const archNames: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64", ia32: "i686" };

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function interfaces(): InterfaceAddress[] {
  const found: InterfaceAddress[] = [];
  for (const [name, addresses] of Object.entries(os.networkInterfaces())) {
    for (const { address, family, internal, mac } of addresses ?? []) {
      const version = family === "IPv6" ? "IPv6" : "IPv4";
      found.push({ name, address, family: version, loopback: internal, mac: mac || ZERO_MAC });
    }
  }
  return found;
}

async function resolve(name: string): Promise<string[]> {
  try {
    const found = await lookup(name, { all: true });
    return found.map((entry) => entry.address);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `Cannot resolve "${name}": ${reason}. Use a numeric address or a name that the resolver knows`,
      {
        cause,
      },
    );
  }
}

/** Reads a number of bytes from a control-group file; undefined when it has none or says "max". */
function readLimit(path: string): number | undefined {
  const value = Number(readText(path)?.trim());
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

/** Where this process's control group keeps its memory limit and use. */
interface ControlGroup {
  limit: string;
  use: string;
  stat: string;
}

/** The control group (version 2, then 1) that limits this process's memory; undefined when none does. */
function findControlGroup(): ControlGroup | undefined {
  const own = /^0::(.*)$/m.exec(readText("/proc/self/cgroup") ?? "")?.[1] ?? "/";
  for (const path of own === "/" ? [""] : [own, ""]) {
    const folder = `/sys/fs/cgroup${path}`;
    if (readLimit(`${folder}/memory.max`) === undefined) continue;
    return {
      limit: `${folder}/memory.max`,
      use: `${folder}/memory.current`,
      stat: `${folder}/memory.stat`,
    };
  }
  const old = "/sys/fs/cgroup/memory";
  const limit = readLimit(`${old}/memory.limit_in_bytes`);
  if (limit === undefined || limit > os.totalmem()) return undefined;
  return {
    limit: `${old}/memory.limit_in_bytes`,
    use: `${old}/memory.usage_in_bytes`,
    stat: `${old}/memory.stat`,
  };
}

let controlGroup: ControlGroup | undefined | null = null;

/** Total and available memory: of the control group when one limits this process, else of the machine. */
function systemMemory(): { total: number; free: number } {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(readText("/proc/meminfo") ?? "");
  let total = os.totalmem();
  let free = available ? Number(available[1]) * 1024 : os.freemem();
  if (controlGroup === null) controlGroup = process.platform === "linux" ? findControlGroup() : undefined;
  const limit = controlGroup && readLimit(controlGroup.limit);
  if (controlGroup && limit !== undefined && limit < total) {
    // File pages that nobody uses count as use there, but the kernel takes them back at once.
    const use = readLimit(controlGroup.use) ?? 0;
    const idle = Number(
      /^(?:total_)?inactive_file (\d+)$/m.exec(readText(controlGroup.stat) ?? "")?.[1] ?? 0,
    );
    total = limit;
    free = Math.max(0, Math.min(free, limit - use + idle));
  }
  return { total, free };
}

function memory(): MemoryUse {
  const own = process.memoryUsage();
  const { total, free } = systemMemory();
  return {
    residentBytes: own.rss,
    heapUsedBytes: own.heapUsed,
    heapTotalBytes: own.heapTotal,
    externalBytes: own.external,
    systemTotalBytes: total,
    systemFreeBytes: free,
  };
}

function machineCpu(): MachineCpuUse {
  const sum: MachineCpuUse = { userUs: 0, systemUs: 0, idleUs: 0 };
  for (const { times } of os.cpus()) {
    sum.userUs += (times.user + times.nice) * 1000;
    sum.systemUs += (times.sys + times.irq) * 1000;
    sum.idleUs += times.idle * 1000;
  }
  return sum;
}

function onSignal(signal: HostSignal, fn: () => void): () => void {
  const listener = () => fn();
  try {
    process.on(signal, listener);
  } catch {
    // Windows knows only some of the signals; the others never arrive there.
    return () => {};
  }
  return () => void process.off(signal, listener);
}

function runtimeName(): string {
  const { deno, node } = process.versions as { deno?: string; node: string };
  return deno !== undefined ? `deno ${deno}` : `node ${node}`;
}

/** The machine that this process runs on. */
export function createHost(): Host {
  return {
    interfaces,
    resolve,
    hostname: () => os.hostname(),
    memory,
    cpu() {
      const { user, system } = process.cpuUsage();
      return { userUs: user, systemUs: system };
    },
    machineCpu,
    cpuCount: () => Math.max(1, os.cpus().length),
    environment: (name) => process.env[name],
    pid: () => process.pid,
    platform: () => ({
      os: process.platform,
      arch: archNames[process.arch] ?? process.arch,
      runtime: runtimeName(),
    }),
    onSignal,
  };
}
