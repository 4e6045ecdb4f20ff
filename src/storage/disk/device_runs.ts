/**
 * Which run used a device last, and how a new run begins.
 *
 * The devices of a namespace, and a device and its shadow, must agree on the run that used them last: one that was not
 * in it lacks records, and may have some that are long gone. A start writes their headers one after the other, and the
 * power may go between any two. So where there is more than one header, a run begins in two steps, each synced
 * everywhere before the next:
 *
 * | step | headers written | what they say |
 * | ---- | --------------- | ------------- |
 * | 1, begun | all that were there before | the new run's id, and beside it id and sequence of the run before; the rest as before |
 * | 2, running | those of new devices, then all others | the new run's id alone, and what has changed |
 *
 * Nothing else is written before step 2 has ended, but what makes sides alike and what empties partition pages. So a
 * header of step 1 says: here is what the run before has left, and nothing more. Headers are of one run when they have
 * an id in common, their own or that of the run before: then the same has happened to all, whatever their sequences are.
 * Otherwise one was used without the others. The run before is one that all know, so that this stays so however many
 * starts are interrupted.
 *
 * A header without a word of the run before is what older programs write: to them a run that has only begun is one that
 * is running. Ids of zeros are of runs that knew of none.
 *
 * @module
 */

import { equalBytes, isBlank } from "../../base/mod.ts";
import type { DiskFile } from "../../port/mod.ts";
import { type DeviceHeader, encodeHeader, HEADER_FLAG, ID_SIZE_BYTES, PAGE_SIZE_BYTES } from "./layout.ts";

const NO_ID = new Uint8Array(ID_SIZE_BYTES);

/** A device, as far as its header goes. */
export interface HeadedDevice {
  /** The file. */
  file: DiskFile;
  /** Its header, as it is on the device. */
  header: DeviceHeader;
  /** It had no header before. */
  isNew: boolean;
}

/** A run that used a device. */
export interface DeviceRun {
  /** Its id, 8 bytes. */
  id: Uint8Array;
  /** Sequence of the header. */
  sequence: number;
}

/** The run that used a device last: one that had only begun has not used it. */
export function lastRunOf({ runId, sequence, baseRunId, baseSequence }: DeviceHeader): DeviceRun {
  return baseSequence === 0 ? { id: runId, sequence } : { id: baseRunId, sequence: baseSequence };
}

/** Whether all these devices have what one and the same run left. */
export function areOfOneRun(headers: readonly DeviceHeader[]): boolean {
  return headers.length === 0 || commonId(headers) !== undefined;
}

/** Whether a device and its shadow are of one run. Of runs that knew of no ids the sequences must be the same. */
export function areSidesOfOneRun(own: DeviceHeader, other: DeviceHeader): boolean {
  if (lastRunOf(own).sequence === lastRunOf(other).sequence && areOfOneRun([own, other])) return true;
  return idsOf(own).some((id) => !isBlank(id) && idsOf(other).some((one) => isSameId(id, one)));
}

/** Writes a header in place of its older copy, and syncs. */
export async function writeHeader(device: HeadedDevice, change: Partial<DeviceHeader>): Promise<void> {
  const header = { ...device.header, ...change, sequence: device.header.sequence + 1 };
  await device.file.write((header.sequence % 2) * PAGE_SIZE_BYTES, encodeHeader(header));
  await device.file.sync();
  device.header = header;
}

/**
 * Says in all headers that a run uses the devices; see the head of the file.
 *
 * @param devices all of a namespace
 * @param runId of the run, 8 bytes
 * @param changeOf what else is new in the header of the device with a number
 */
export async function beginRun(
  devices: readonly HeadedDevice[],
  { runId, changeOf }: { runId: Uint8Array; changeOf: (index: number) => Partial<DeviceHeader> },
): Promise<void> {
  const known = devices.filter(({ isNew }) => !isNew);
  const base = commonId(known.map(({ header }) => header));
  const hasSeveral = devices.length > 1 || devices.some(({ file }) => file.readShadow !== undefined);
  for (const device of hasSeveral ? known : []) {
    const { id, sequence } = lastRunOf(device.header);
    await writeHeader(device, { runId, baseRunId: base ?? id, baseSequence: sequence });
  }
  for (const isNew of [true, false]) {
    for (const [index, device] of devices.entries()) {
      if (device.isNew !== isNew) continue;
      const flags = device.header.flags & ~HEADER_FLAG.STOPPED_IN_ORDER;
      await writeHeader(device, { ...changeOf(index), runId, flags, baseRunId: NO_ID, baseSequence: 0 });
      // There are two copies from now on: one of them may be damaged.
      if (isNew) await writeHeader(device, {});
    }
  }
}

/** Id of a run that all of them know, the earlier one of two. */
function commonId(headers: readonly DeviceHeader[]): Uint8Array | undefined {
  return headers.slice(0, 1).flatMap(idsOf).find((id) =>
    headers.every((other) => idsOf(other).some((one) => isSameId(id, one)))
  );
}

function idsOf({ runId, baseRunId, baseSequence }: DeviceHeader): Uint8Array[] {
  return baseSequence === 0 ? [runId] : [baseRunId, runId];
}

function isSameId(id: Uint8Array, other: Uint8Array): boolean {
  return equalBytes(id, 0, other, 0, ID_SIZE_BYTES);
}
