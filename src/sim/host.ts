/**
 * Machine and process as a simulated program sees them.
 *
 * @module
 */
import type { CpuUse, Host, HostSignal, InterfaceAddress, MachineCpuUse, MemoryUse } from "../port/mod.ts";

const GIB_BYTES = 1024 * 1024 * 1024;

/** What a simulated program learns about memory until someone changes it. */
export function defaultMemory(): MemoryUse {
  return {
    residentBytes: GIB_BYTES / 8,
    heapUsedBytes: GIB_BYTES / 64,
    heapTotalBytes: GIB_BYTES / 32,
    externalBytes: GIB_BYTES / 64,
    systemTotalBytes: 8 * GIB_BYTES,
    systemFreeBytes: 6 * GIB_BYTES,
  };
}

/** What {@linkcode SimHost} is made of. */
export interface SimHostOptions {
  /** Numeric addresses of the machine besides loopback. */
  addresses: readonly string[];
  /** Name of the machine. */
  hostname: string;
  /** Number of the process. */
  pid: number;
  /** Numeric addresses of a name; undefined when nobody knows it. */
  lookUp: (name: string) => readonly string[] | undefined;
  /** Memory, which faults may change. */
  memory: MemoryUse;
  /** Calls back in an event of its own. */
  later: (fn: () => void) => void;
}

/** Ports host in a simulation. */
export class SimHost implements Host {
  readonly #options: SimHostOptions;
  readonly #listeners = new Map<HostSignal, Set<() => void>>();

  /** See {@linkcode SimHostOptions}. */
  constructor(options: SimHostOptions) {
    this.#options = options;
  }

  interfaces(): InterfaceAddress[] {
    const loopback: InterfaceAddress = {
      name: "lo",
      address: "127.0.0.1",
      family: "IPv4",
      loopback: true,
      mac: "00:00:00:00:00:00",
    };
    const others = this.#options.addresses.map((address, index): InterfaceAddress => ({
      name: `eth${index}`,
      address,
      family: address.includes(":") ? "IPv6" : "IPv4",
      loopback: false,
      mac: macOf(address, index),
    }));
    return [loopback, ...others];
  }

  resolve(name: string): Promise<string[]> {
    return new Promise((resolve, reject) => {
      this.#options.later(() => {
        const addresses = this.#options.lookUp(name);
        if (addresses !== undefined) resolve([...addresses]);
        else reject(new Error(`Cannot resolve "${name}": no machine of the simulation has that name`));
      });
    });
  }

  hostname(): string {
    return this.#options.hostname;
  }

  memory(): MemoryUse {
    return { ...this.#options.memory };
  }

  cpu(): CpuUse {
    return { userUs: 0, systemUs: 0 };
  }

  machineCpu(): MachineCpuUse {
    return { userUs: 0, systemUs: 0, idleUs: 0 };
  }

  cpuCount(): number {
    return 1;
  }

  environment(): string | undefined {
    return undefined;
  }

  pid(): number {
    return this.#options.pid;
  }

  platform(): { os: string; arch: string; runtime: string } {
    return { os: "linux", arch: "x86_64", runtime: "simulator" };
  }

  onSignal(signal: HostSignal, fn: () => void): () => void {
    let listeners = this.#listeners.get(signal);
    if (listeners === undefined) this.#listeners.set(signal, listeners = new Set());
    listeners.add(fn);
    return () => void listeners.delete(fn);
  }

  /** Lets a signal arrive, now; returns false when nobody listens for it. */
  raise(signal: HostSignal): boolean {
    const listeners = [...(this.#listeners.get(signal) ?? [])];
    for (const fn of listeners) fn();
    return listeners.length > 0;
  }
}

/** A hardware address that the numeric address decides. */
function macOf(address: string, index: number): string {
  let mixed = index + 1;
  for (let at = 0; at < address.length; at++) {
    mixed = Math.imul(mixed ^ address.charCodeAt(at), 0x01000193) >>> 0;
  }
  const bytes = [2, index & 255, mixed >>> 24, (mixed >>> 16) & 255, (mixed >>> 8) & 255, mixed & 255];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
