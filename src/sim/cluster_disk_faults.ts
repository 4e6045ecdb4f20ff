/**
 * What goes wrong with the disks of a cluster's nodes. A fault begins with a call; what lasts is given back, to be undone.
 *
 * @module
 */
import { DATA_FILE, SECOND_DATA_FILE } from "./cluster_members.ts";
import type { PlannedFault } from "./cluster_types.ts";
import type { SimDisk } from "./disk.ts";

/** Reads of all devices fail for less than it takes until a device is given up. */
const BAD_READS_MAX_MS = 1800;

/** Bits that turn over when a file is damaged. */
const CORRUPTION_COUNT = 48;
/** A file of which both headers are damaged is an operator's matter: they are left alone, what follows them is not. */
const HEADER_COPIES_SIZE_BYTES = 8 * 1024;
/** Where records begin. */
const HEADER_AREA_SIZE_BYTES = 1024 * 1024;

/** A fault that lasts. */
export interface LastingFault {
  readonly lastsMs: number;
  readonly undo: () => void;
}

/** Operations take long; what is begun meanwhile takes its time after the end too, up to `lateMs`. */
export function slowDisk({ conditions }: SimDisk, amount: number): { readonly lateMs: number; undo(): void } {
  const { latencyMaxUs, syncMaxUs } = conditions;
  conditions.latencyMaxUs = [5000, 50_000, 300_000][amount % 3];
  conditions.syncMaxUs = [50_000, 500_000, 2_000_000][amount % 3];
  return {
    lateMs: conditions.syncMaxUs / 1000,
    undo: () => void Object.assign(conditions, { latencyMaxUs, syncMaxUs }),
  };
}

/** Bits of what was synced turn over, in one of the data files. */
export function rot(disk: SimDisk, amount: number): void {
  const isSecond = disk.holds(SECOND_DATA_FILE) && amount % 2 === 0;
  const fromBytes = amount % 5 === 0 ? HEADER_COPIES_SIZE_BYTES : HEADER_AREA_SIZE_BYTES;
  disk.corruptSome(isSecond ? SECOND_DATA_FILE : DATA_FILE, CORRUPTION_COUNT, fromBytes);
}

/** Reads, or writes and syncs, of data files fail; reads of all of them for less than it takes to give a device up. */
export function failDisk(disk: SimDisk, { kind, durationMs, amount }: PlannedFault): LastingFault {
  const { conditions } = disk;
  const isSecond = disk.holds(SECOND_DATA_FILE) && amount % 4 !== 0;
  conditions.faultyPrefix = isSecond ? SECOND_DATA_FILE : "/data/";
  conditions.writeFaultCode = ["EIO", "ENOSPC", "EROFS"][amount % 3];
  conditions.cutsWrites = amount % 2 === 0;
  if (kind === "bad-reads") conditions.failsReads = true;
  else conditions.failsWrites = true;
  const isShort = kind === "bad-reads" && !isSecond;
  return {
    lastsMs: isShort ? Math.min(durationMs, BAD_READS_MAX_MS) : durationMs,
    undo: () => mendDisk(disk),
  };
}

/** The disk works again; what has turned over stays. */
export function mendDisk({ conditions }: SimDisk): void {
  conditions.failsReads = conditions.failsWrites = false;
}
