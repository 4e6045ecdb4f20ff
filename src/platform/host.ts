/**
 * The machine and the process, on what the runtime tells of them.
 *
 * @module
 */
import type { Host } from "../port/mod.ts";
import { builtin, isDeno } from "./builtin.ts";
import { denoMachine } from "./deno_machine.ts";
import { type Machine, readTextIfAny } from "./machine.ts";
import { createNodeMachine } from "./node_machine.ts";

type Dns = typeof import("node:dns/promises");

async function resolve(name: string): Promise<string[]> {
  // A numeric address names itself: no need to load what resolves names.
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return [name];
  try {
    const found = await builtin<Dns>("node:dns/promises").lookup(name, { all: true });
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

/** Where this process's control group keeps its memory limit and use. */
interface ControlGroup {
  limit: string;
  use: string;
  stat: string;
}

/** Memory of the machine, or of the control group that limits this process. */
class SystemMemory {
  readonly #machine: Machine;
  readonly #group: ControlGroup | undefined;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#group = machine.platform().os === "linux" ? this.#findControlGroup() : undefined;
  }

  /** Total and available memory: of the control group when one limits this process, else of the machine. */
  read(): { total: number; free: number } {
    const available = /^MemAvailable:\s+(\d+) kB$/m.exec(this.#text("/proc/meminfo") ?? "");
    const { totalBytes, freeBytes } = this.#machine.systemMemory();
    let total = totalBytes;
    let free = available ? Number(available[1]) * 1024 : freeBytes;
    const group = this.#group;
    const limit = group && this.#limit(group.limit);
    if (group && limit !== undefined && limit < total) {
      // File pages that nobody uses count as use there, but the kernel takes them back at once.
      const use = this.#limit(group.use) ?? 0;
      const idle = Number(/^(?:total_)?inactive_file (\d+)$/m.exec(this.#text(group.stat) ?? "")?.[1] ?? 0);
      total = limit;
      free = Math.max(0, Math.min(free, limit - use + idle));
    }
    return { total, free };
  }

  /** The control group (version 2, then 1) that limits this process's memory; undefined when none does. */
  #findControlGroup(): ControlGroup | undefined {
    const own = /^0::(.*)$/m.exec(this.#text("/proc/self/cgroup") ?? "")?.[1] ?? "/";
    for (const path of own === "/" ? [""] : [own, ""]) {
      const folder = `/sys/fs/cgroup${path}`;
      if (this.#limit(`${folder}/memory.max`) === undefined) continue;
      return {
        limit: `${folder}/memory.max`,
        use: `${folder}/memory.current`,
        stat: `${folder}/memory.stat`,
      };
    }
    const old = "/sys/fs/cgroup/memory";
    const limit = this.#limit(`${old}/memory.limit_in_bytes`);
    if (limit === undefined || limit > this.#machine.systemMemory().totalBytes) return undefined;
    return {
      limit: `${old}/memory.limit_in_bytes`,
      use: `${old}/memory.usage_in_bytes`,
      stat: `${old}/memory.stat`,
    };
  }

  /** Reads a number of bytes from a control-group file; undefined when it has none or says "max". */
  #limit(path: string): number | undefined {
    const value = Number(this.#text(path)?.trim());
    return Number.isSafeInteger(value) && value > 0 ? value : undefined;
  }

  #text(path: string): string | undefined {
    return readTextIfAny(this.#machine, path);
  }
}

/** What this runtime tells; one per process. */
export function thisMachine(): Machine {
  return isDeno ? denoMachine : createNodeMachine();
}

/** The machine that this process runs on. */
export function createHost(): Host {
  const machine = thisMachine();
  let systemMemory: SystemMemory | undefined;
  return {
    interfaces: machine.interfaces,
    resolve,
    hostname: machine.hostname,
    memory() {
      const { total, free } = (systemMemory ??= new SystemMemory(machine)).read();
      return { ...machine.processMemory(), systemTotalBytes: total, systemFreeBytes: free };
    },
    cpu: machine.cpu,
    machineCpu: machine.machineCpu,
    cpuCount: machine.cpuCount,
    environment: machine.environment,
    pid: machine.pid,
    platform: machine.platform,
    onSignal(signal, fn) {
      const listener = () => fn();
      try {
        machine.addSignalListener(signal, listener);
      } catch {
        // Windows knows only some of the signals; the others never arrive there.
        return () => {};
      }
      return () => machine.removeSignalListener(signal, listener);
    },
  };
}
