/**
 * Port: host.
 *
 * @module
 */

/** One address of a network interface. */
export interface InterfaceAddress {
  /** Interface name, for example `eth0`. */
  name: string;
  /** Numeric address. */
  address: string;
  /** IP version. */
  family: "IPv4" | "IPv6";
  /** True for loopback. */
  loopback: boolean;
  /** Hardware address as `aa:bb:cc:dd:ee:ff`, zeros when there is none. */
  mac: string;
}

/** Memory in bytes. */
export interface MemoryUse {
  /** Resident set of this process. */
  residentBytes: number;
  /** JavaScript heap in use. */
  heapUsedBytes: number;
  /** JavaScript heap reserved. */
  heapTotalBytes: number;
  /** Array buffers and other memory off the heap. */
  externalBytes: number;
  /** Memory of the machine. */
  systemTotalBytes: number;
  /** Memory of the machine that is available to programs. */
  systemFreeBytes: number;
}

/** CPU time since the process started, in microseconds. */
export interface CpuUse {
  /** Spent in the program. */
  userUs: number;
  /** Spent in the kernel for it. */
  systemUs: number;
}

/** CPU time of all processors of the machine since it started, in microseconds. */
export interface MachineCpuUse {
  /** Spent in programs. */
  userUs: number;
  /** Spent in the kernel and its interrupts. */
  systemUs: number;
  /** Not used. */
  idleUs: number;
}

/** Signals that a node reacts to. */
export type HostSignal = "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGUSR2";

/** The machine and the process. */
export interface Host {
  /** Addresses of all interfaces. */
  interfaces(): InterfaceAddress[];
  /** Numeric addresses of a name; rejects when it can't be resolved. */
  resolve(name: string): Promise<string[]>;
  /** Name of the machine. */
  hostname(): string;
  /** Present use of memory. */
  memory(): MemoryUse;
  /** CPU time so far. */
  cpu(): CpuUse;
  /** CPU time of the whole machine so far. */
  machineCpu(): MachineCpuUse;
  /** Number of logical processors. */
  cpuCount(): number;
  /** A variable of the environment, undefined when it is not set. */
  environment(name: string): string | undefined;
  /** This process. */
  pid(): number;
  /** Operating system and architecture, for example `linux` and `x86_64`. */
  platform(): { os: string; arch: string; runtime: string };
  /** Calls `fn` on each arrival of a signal, until the returned function is called. */
  onSignal(signal: HostSignal, fn: () => void): () => void;
}
