/**
 * Faults of devices: counted, and told in the log, one line per device, kind and ten seconds.
 *
 * @module
 */

import { CorruptionError } from "../../base/mod.ts";
import type { Clock, Log, LogLevel } from "../../port/mod.ts";
import type { OpenDevice } from "./device_file.ts";

const LINE_PERIOD_MS = 10_000;
/** Places of damage that are remembered, so that each is counted once. */
const DAMAGE_COUNT_MAX = 65_536;

/** What to do about a failed write, by the system's code. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: "Make room on the file system; writing is tried again each second",
  EDQUOT: "Raise the quota, or make room; writing is tried again each second",
  EROFS:
    "The file system was mounted or made read-only, often because its device is failing: see the system's log",
  other: "Look at the system's log; make room, or replace the device",
};

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

/** What reports need. */
export interface DiskReportsOptions {
  /** Name of the namespace. */
  namespace: string;
  /** The devices. */
  devices: readonly OpenDevice[];
  /** Time. */
  clock: Clock;
  /** Where lines go. */
  log: Log;
}

/** See the head of the file. */
export class DiskReports {
  /** Reads that failed, per device. */
  readonly readErrors: Uint32Array;
  /** Writes and syncs that failed, per device. */
  readonly writeErrors: Uint32Array;
  /** Records whose bytes were damaged, per device. */
  readonly corruptRecords: Uint32Array;
  /** Records that could not be read and were stored anew from another node's copy. */
  mendedCount = 0;
  /** Times that nobody had a copy of a record that can't be read. */
  unmendedCount = 0;
  readonly #options: DiskReportsOptions;
  readonly #damaged = new Set<string>();
  readonly #lines = new Map<string, { nextMs: number; skipped: number }>();

  /** @param options devices and log */
  constructor(options: DiskReportsOptions) {
    this.#options = options;
    this.readErrors = new Uint32Array(options.devices.length);
    this.writeErrors = new Uint32Array(options.devices.length);
    this.corruptRecords = new Uint32Array(options.devices.length);
  }

  /** Damaged records of all devices. */
  get corruptCount(): number {
    return this.corruptRecords.reduce((sum, count) => sum + count, 0);
  }

  /** A read has failed, or gave what was not written. */
  readFault(error: Error, device: number): void {
    const isCorrupt = error instanceof CorruptionError;
    if (isCorrupt && !this.#isKnown(error.site)) this.corruptRecords[device]++;
    if (!isCorrupt) this.readErrors[device]++;
    this.#write(`${isCorrupt ? "corrupt" : "read"} ${device}`, error.message);
  }

  /**
   * A write or sync has failed; it will be done again.
   *
   * @param good whether new records can go to others
   */
  writeFault(error: Error, device: number, good: "others" | "none"): void {
    this.writeErrors[device]++;
    const meanwhile = good === "others"
      ? "new records go to the other devices"
      : "client writes are refused until writing works again";
    this.#write(
      `write ${device}`,
      `${error.message}; nothing is lost yet, ${meanwhile}. ${ADVICE[codeOf(error)] ?? ADVICE.other}`,
    );
  }

  /** The node stops, and what waits to be written can't be. */
  lostAtStop(device: number, sizeBytes: number, fault: string): void {
    const { path } = this.#options.devices[device];
    this.#write(
      `lost ${device}`,
      `${sizeBytes} bytes of records that clients were told are stored are lost with this stop: "${path}" did not take ` +
        `them${fault === "" ? "" : ` (${fault})`}`,
    );
  }

  /** A round of writes has taken long. */
  slow(device: number, durationMs: number): void {
    const { path } = this.#options.devices[device];
    this.#write(
      `slow ${device}`,
      `"${path}" needed ${
        (durationMs / 1000).toFixed(1)
      } s for one round of writes; clients get result 18 once more ` +
        "than max-write-cache waits. Look at the device's load and health",
      "warning",
    );
  }

  /** A record that could not be read was stored anew. */
  mended(device: number, from: string): void {
    this.mendedCount++;
    const { path } = this.#options.devices[device];
    this.#write(
      `mended ${device}`,
      `a record of "${path}" that could not be read was taken from ${from}`,
      "info",
    );
  }

  /** Nobody has a copy of a record that can't be read. */
  unmended(device: number): void {
    this.unmendedCount++;
    const { path } = this.#options.devices[device];
    this.#write(
      `unmended ${device}`,
      `a record of "${path}" can't be read and no other node has it: requests for it get result 1 until it is replaced ` +
        "or deleted",
    );
  }

  /** Damage that was met before is the same damage. */
  #isKnown({ device, offsetBytes }: CorruptionError["site"]): boolean {
    const name = `${device}@${offsetBytes}`;
    if (this.#damaged.has(name)) return true;
    if (this.#damaged.size < DAMAGE_COUNT_MAX) this.#damaged.add(name);
    return false;
  }

  #write(kind: string, message: string, level: LogLevel = "critical"): void {
    const { clock, log, namespace } = this.#options;
    const nowMs = clock.monotonicMs();
    const line = this.#lines.get(kind) ?? { nextMs: -Infinity, skipped: 0 };
    this.#lines.set(kind, line);
    if (nowMs < line.nextMs) {
      line.skipped++;
      return;
    }
    const more = line.skipped === 0 ? "" : ` (and ${line.skipped} more)`;
    line.nextMs = nowMs + LINE_PERIOD_MS;
    line.skipped = 0;
    log.write(level, "drv_ssd", `{${namespace}} ${message}${more}`);
  }
}
