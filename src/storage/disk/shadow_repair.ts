/**
 * Makes the blocks of a device and its shadow alike after a run that did not stop in order. What was being written when
 * the power went may be on one of the two alone. A start that left it there could meet it later, when the other copy of
 * the block is damaged or torn, and would bring back what everything since has taken for lost.
 *
 * Each block is what its latest life on either of the two says, with all records of that life that are sound on one of
 * them: nobody waited for those in vain, and from now on they count. They are written where they are missing. Later starts
 * may fill one of the two from the other one, so that neither may have anything alone.
 *
 * Looked at are the blocks whose first pages differ, and the newest ones of each kind of the last run, of which only the
 * later units may.
 *
 * @module
 */

import { copyBytes, equalBytes, isBlank } from "../../base/mod.ts";
import type { DiskFile } from "../../port/mod.ts";
import { type BlockContent, BlockWalk, findUnits, joinContents } from "./block_scan.ts";
import {
  alignToPage,
  decodeUnitHeader,
  HEADER_AREA_SIZE_BYTES,
  PAGE_SIZE_BYTES,
  SEQUENCE_STEP_OF_STARTS,
  storedSize,
  UNIT_FLAG,
  UNIT_HEADER_SIZE_BYTES,
  type UnitHeader,
} from "./layout.ts";
import type { BlockBeginning } from "./torn_ends.ts";

/** Of the newest blocks of each kind of the last run so many bytes are compared: more than may wait to be synced. */
const COMPARED_MAX_BYTES = 128 * 1024 * 1024;
/** First pages that are read at a time. */
const READ_COUNT_MAX = 16;

/** A device with a shadow. */
export interface MirroredDevice {
  /** The device, and its shadow. */
  sides: readonly [DiskFile, DiskFile];
  /** Path, for reports. */
  path: string;
  /** Its id, 8 bytes. */
  deviceId: Uint8Array;
  /** Bytes of a write block. */
  blockSizeBytes: number;
  /** Whole blocks. */
  blockCount: number;
}

/** What was written. */
export interface RepairCounts {
  /** Units that the device got. */
  toDevice: number;
  /** Units that the shadow got. */
  toShadow: number;
}

/** See the head of the file. What one of the two can't read, and what can't be written, stays as it is. */
export async function repairShadow(device: MirroredDevice): Promise<RepairCounts> {
  return await new ShadowRepair(device).run();
}

/** A unit as one of the two has it. */
interface UnitView {
  /** Its header is sound. */
  isBegun: boolean;
  /** Sound records: offsets in the block, and bytes. */
  records: Map<number, number>;
  /** Places where a record should be and is none. */
  damageCount: number;
}

class ShadowRepair {
  readonly #device: MirroredDevice;
  readonly #counts: RepairCounts = { toDevice: 0, toShadow: 0 };
  readonly #differing = new Set<number>();
  /** The latest beginning of each block of which something is known. */
  readonly #beginnings: BlockBeginning[] = [];

  constructor(device: MirroredDevice) {
    this.#device = device;
  }

  async run(): Promise<RepairCounts> {
    await this.#readHeads();
    for (const block of this.#newestBlocks()) this.#differing.add(block);
    for (const block of this.#differing) await this.#repair(block);
    const { toDevice, toShadow } = this.#counts;
    const [first, shadow] = this.#device.sides;
    if (toDevice > 0) await first.sync();
    if (toShadow > 0) await shadow.sync();
    return this.#counts;
  }

  async #readHeads(): Promise<void> {
    const { blockCount } = this.#device;
    let next = 0;
    const work = async () => {
      while (next < blockCount) await this.#readHead(next++);
    };
    await Promise.all(Array.from({ length: READ_COUNT_MAX }, work));
  }

  async #readHead(block: number): Promise<void> {
    const pages = await this.#read(block, PAGE_SIZE_BYTES);
    if (pages === undefined) return;
    const [own, other] = pages;
    if (isBlank(own) && isBlank(other)) return;
    const units = pages.map((page) => decodeUnitHeader(page, 0, this.#place(block)));
    const latest = (units[1]?.sequence ?? 0) > (units[0]?.sequence ?? 0) ? units[1] : units[0];
    if (latest !== undefined) {
      this.#beginnings.push({ block, sequence: latest.sequence, flags: latest.flags });
    }
    if (!equalBytes(own, 0, other, 0, PAGE_SIZE_BYTES)) this.#differing.add(block);
  }

  /**
   * The newest blocks of the last run, as many of each kind as may hold what was not synced: those that defragmentation
   * fills are open for longer.
   */
  #newestBlocks(): number[] {
    const sorted = this.#beginnings.sort((a, b) => b.sequence - a.sequence);
    const countMax = Math.ceil(COMPARED_MAX_BYTES / this.#device.blockSizeBytes);
    const end = sorted.findIndex(({ sequence }, place) =>
      place > 0 && sorted[place - 1].sequence - sequence >= SEQUENCE_STEP_OF_STARTS
    );
    const lastRun = end < 0 ? sorted : sorted.slice(0, end);
    const kinds = [UNIT_FLAG.DEFRAGMENTATION, 0].map((kind) =>
      lastRun.filter(({ flags }) => (flags & UNIT_FLAG.DEFRAGMENTATION) === kind).slice(0, countMax)
    );
    return kinds.flat().map(({ block }) => block);
  }

  async #repair(block: number): Promise<void> {
    const both = await this.#read(block, this.#device.blockSizeBytes);
    if (both === undefined) return;
    const [own, other] = both;
    if (equalBytes(own, 0, other, 0, own.length)) return;
    const place = this.#place(block);
    const { sequence, units } = joinContents(both.map((bytes) => findUnits(bytes, place)));
    for (const unit of units) if (!unit.isLost) await this.#repairUnit(block, { unit, sequence, both });
  }

  /** Puts a unit together from what is sound of it on the two, and writes it where it is not so. */
  async #repairUnit(
    block: number,
    { unit, sequence, both }: { unit: UnitHeader; sequence: number; both: readonly Uint8Array[] },
  ): Promise<void> {
    const start = unit.offsetBytes;
    const end = Math.min(this.#device.blockSizeBytes, endOf(unit));
    const [own, other] = both;
    if (equalBytes(own, start, other, start, end - start)) return;
    const views = both.map((bytes) => this.#look(block, bytes, { sequence, units: [unit] }));
    const base = views[1].isBegun && (!views[0].isBegun || views[1].damageCount < views[0].damageCount)
      ? 1
      : 0;
    const whole = both[base].slice(start, end);
    for (const [at, sizeBytes] of views[1 - base].records) {
      if (!views[base].records.has(at)) copyBytes(both[1 - base], at, whole, at - start, sizeBytes);
    }
    for (const side of [0, 1] as const) {
      if (equalBytes(both[side], start, whole, 0, whole.length)) continue;
      await this.#write(side, this.#offsetOf(block) + start, whole);
    }
  }

  /** Writes to one of the two; the other one must be safe by then. */
  async #write(side: 0 | 1, offset: number, bytes: Uint8Array): Promise<void> {
    const { sides } = this.#device;
    if (side === 1 && this.#counts.toDevice > 0) await sides[0].sync();
    try {
      await sides[side].write(offset, bytes);
    } catch {
      // Whoever reads it there finds damage, and looks at the other one.
      return;
    }
    if (side === 0) this.#counts.toDevice++;
    else this.#counts.toShadow++;
  }

  /** What is sound of a unit in these bytes. */
  #look(block: number, bytes: Uint8Array, content: BlockContent): UnitView {
    const header = decodeUnitHeader(bytes, content.units[0].offsetBytes, this.#place(block));
    const view: UnitView = {
      isBegun: header?.sequence === content.sequence,
      records: new Map(),
      damageCount: 0,
    };
    const { path } = this.#device;
    const place = { ...this.#place(block), path, deviceOffset: this.#offsetOf(block) };
    new BlockWalk(bytes, content, { place, checks: true }).step({
      record: (at, units) => void view.records.set(at, storedSize(units)),
      damage: () => void view.damageCount++,
    }, Infinity);
    return view;
  }

  /** The beginning of a block on both; undefined when one of them can't be read. */
  async #read(block: number, sizeBytes: number): Promise<[Uint8Array, Uint8Array] | undefined> {
    const read = async (side: DiskFile) => {
      const bytes = new Uint8Array(sizeBytes);
      await side.read(this.#offsetOf(block), bytes);
      return bytes;
    };
    const [first, shadow] = this.#device.sides;
    return await Promise.all([read(first), read(shadow)]).catch(() => undefined);
  }

  #place(block: number): { deviceId: Uint8Array; block: number } {
    return { deviceId: this.#device.deviceId, block };
  }

  #offsetOf(block: number): number {
    return HEADER_AREA_SIZE_BYTES + block * this.#device.blockSizeBytes;
  }
}

function endOf({ offsetBytes, recordBytes }: UnitHeader): number {
  return alignToPage(offsetBytes + UNIT_HEADER_SIZE_BYTES + recordBytes);
}
