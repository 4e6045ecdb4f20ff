/**
 * What goes wrong with the disks of a cluster's nodes. A fault begins with a call; what lasts is given back, to be undone.
 *
 * @module
 */
import { DATA_FILE, SECOND_DATA_FILE } from "./cluster_members.ts";
import type { PlannedFault } from "./cluster_types.ts";
import type { DiskConditions, SimDisk } from "./disk.ts";

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

type Times = Pick<DiskConditions, "latencyMaxUs" | "syncMaxUs">;

/** Disks that are slow: how they are else, and by what they are slow now. */
const slowed = new WeakMap<SimDisk, { readonly usual: Times; readonly by: Set<Times> }>();

/**
 * Operations take long; what is begun meanwhile takes its time after the end too, up to `lateMs`. Of several that overlap
 * the last one counts, and the disk is as it was only when all are over: none may take another's times for the usual ones.
 */
export function slowDisk(disk: SimDisk, amount: number): { readonly lateMs: number; undo(): void } {
  const { conditions } = disk;
  const { latencyMaxUs, syncMaxUs } = conditions;
  const state = slowed.get(disk) ?? { usual: { latencyMaxUs, syncMaxUs }, by: new Set() };
  slowed.set(disk, state);
  const times: Times = {
    latencyMaxUs: [5000, 50_000, 300_000][amount % 3],
    syncMaxUs: [50_000, 500_000, 2_000_000][amount % 3],
  };
  state.by.add(times);
  Object.assign(conditions, times);
  return {
    lateMs: times.syncMaxUs / 1000,
    undo: () => {
      state.by.delete(times);
      Object.assign(conditions, [...state.by].at(-1) ?? state.usual);
      if (state.by.size === 0) slowed.delete(disk);
    },
  };
}

/** Bits of what was synced turn over, in one of the data files. */
export function rot(disk: SimDisk, amount: number): void {
  const isSecond = disk.holds(SECOND_DATA_FILE) && amount % 2 === 0;
  const fromBytes = amount % 5 === 0 ? HEADER_COPIES_SIZE_BYTES : HEADER_AREA_SIZE_BYTES;
  disk.corruptSome(isSecond ? SECOND_DATA_FILE : DATA_FILE, CORRUPTION_COUNT, fromBytes);
}

/**
 * Reads, or writes and syncs, of data files fail; reads of all of them for less than it takes to give a device up. Of a
 * node that has lost a device the same one fails: without any it can't be filled, until an operator starts it anew. For
 * the same reason what fails already goes on alone, in another way besides: a device that is dying must not take the other
 * one with it.
 *
 * @param lost number of the device that is lost; -1 for none
 */
export function failDisk(
  disk: SimDisk,
  { kind, durationMs, amount }: PlannedFault,
  lost: number,
): LastingFault {
  const { conditions } = disk;
  const isSecond = disk.holds(SECOND_DATA_FILE) && amount % 4 !== 0;
  if (!conditions.failsReads && !conditions.failsWrites) {
    conditions.faultyPrefix = !isSecond ? "/data/" : lost === 0 ? DATA_FILE : SECOND_DATA_FILE;
  }
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

/** Nothing can be read from or written to one of two data files: of a node that has lost one already, the same one. */
export function killDevice(disk: SimDisk, { durationMs, amount }: PlannedFault, lost: number): LastingFault {
  const { conditions } = disk;
  const device = lost >= 0 ? lost : (amount >> 1) % 2;
  conditions.faultyPrefix = device === 0 ? DATA_FILE : SECOND_DATA_FILE;
  conditions.writeFaultCode = "EIO";
  conditions.cutsWrites = amount % 3 === 0;
  conditions.failsReads = conditions.failsWrites = true;
  return { lastsMs: durationMs, undo: () => mendDisk(disk) };
}

/** The disk works again; what has turned over stays. */
export function mendDisk({ conditions }: SimDisk): void {
  conditions.failsReads = conditions.failsWrites = false;
}
