/**
 * How busy machine and process were lately, from counters that only grow.
 *
 * @module
 */

import type { Clock, CpuUse, Host, MachineCpuUse } from "../port/mod.ts";

/** Shorter intervals say little, as the system counts in steps of up to 10 ms. */
const SAMPLE_INTERVAL_MIN_MS = 1000;

/** Percentages of the last interval. */
export interface CpuLoad {
  /** Of all processors of the machine, in programs and in the kernel. */
  systemTotalPct: number;
  /** Of that, in programs. */
  systemUserPct: number;
  /** Of that, in the kernel. */
  systemKernelPct: number;
  /** Of one processor, by this process; more than 100 when its runtime uses several. */
  processPct: number;
}

/** Samples the counters of a host. */
export class CpuSampler {
  /** The last interval; zeros until there is one. */
  readonly load: CpuLoad = { systemTotalPct: 0, systemUserPct: 0, systemKernelPct: 0, processPct: 0 };
  readonly #clock: Clock;
  readonly #host: Host;
  #sampledMs: number;
  #process: CpuUse;
  #machine: MachineCpuUse;

  /** @param ports time and host */
  constructor(ports: { clock: Clock; host: Host }) {
    this.#clock = ports.clock;
    this.#host = ports.host;
    this.#sampledMs = ports.clock.monotonicMs();
    this.#process = ports.host.cpu();
    this.#machine = ports.host.machineCpu();
  }

  /** The load since the last sample, if that was a second ago or more; else that of the interval before. */
  sample(): CpuLoad {
    const nowMs = this.#clock.monotonicMs();
    const intervalMs = nowMs - this.#sampledMs;
    if (intervalMs < SAMPLE_INTERVAL_MIN_MS) return this.load;
    const process = this.#host.cpu();
    const machine = this.#host.machineCpu();
    const userUs = machine.userUs - this.#machine.userUs;
    const kernelUs = machine.systemUs - this.#machine.systemUs;
    const totalUs = userUs + kernelUs + machine.idleUs - this.#machine.idleUs;
    const usedUs = process.userUs + process.systemUs - this.#process.userUs - this.#process.systemUs;
    this.load.systemUserPct = percent(userUs, totalUs);
    this.load.systemKernelPct = percent(kernelUs, totalUs);
    this.load.systemTotalPct = percent(userUs + kernelUs, totalUs);
    this.load.processPct = percent(usedUs, intervalMs * 1000);
    this.#sampledMs = nowMs;
    this.#process = process;
    this.#machine = machine;
    return this.load;
  }
}

/** A share in whole percent; 0 of nothing, and never negative: virtual machines have counters that step back. */
function percent(part: number, whole: number): number {
  return whole <= 0 ? 0 : Math.max(0, Math.round(part * 100 / whole));
}
