/**
 * What a runtime is asked about machine and process, and what Linux tells in `/proc` whatever the runtime is.
 *
 * @module
 */
import type { Host, MachineCpuUse, MemoryUse } from "../port/mod.ts";

/** What a runtime tells of machine and process. */
export interface Machine
  extends Pick<Host, "interfaces" | "hostname" | "cpu" | "machineCpu" | "cpuCount" | "environment" | "pid"> {
  /** Memory of this process. */
  processMemory(): Omit<MemoryUse, "systemTotalBytes" | "systemFreeBytes">;
  /** Memory of the machine in bytes; free without what the system can take back. */
  systemMemory(): { totalBytes: number; freeBytes: number };
  /** Operating system by Node's name, architecture by `uname -m`'s, and the runtime with its version. */
  platform(): { os: string; arch: string; runtime: string };
  /** A small file as text; throws when it can't be read. */
  readText(path: string): string;
  /** Calls `fn` at each arrival of a signal; throws when the system knows no such signal. */
  addSignalListener: (...listener: Parameters<Host["onSignal"]>) => void;
  /** Ends that. */
  removeSignalListener: (...listener: Parameters<Host["onSignal"]>) => void;
}

/** Hardware address of an interface that has none. */
export const ZERO_MAC = "00:00:00:00:00:00";

/** A small file as text; undefined when it can't be read. */
export function readTextIfAny(machine: Pick<Machine, "readText">, path: string): string | undefined {
  try {
    return machine.readText(path);
  } catch {
    return undefined;
  }
}

/** The sum over all processors in a text like that of `/proc/stat`, undefined when it is not one. */
export function machineCpuOf(stat: string | undefined): MachineCpuUse | undefined {
  const numbers = /^cpu +([\d ]+)$/m.exec(stat ?? "")?.[1].split(" ").map(Number);
  if (numbers === undefined || numbers.length < 4) return undefined;
  const [user, nice, system, idle, , irq = 0] = numbers;
  return {
    userUs: (user + nice) * PROC_TICK_US,
    systemUs: (system + irq) * PROC_TICK_US,
    idleUs: idle * PROC_TICK_US,
  };
}

/** Linux counts in `/proc` in hundredths of a second, on every architecture that Deno has. */
export const PROC_TICK_US = 10_000;
