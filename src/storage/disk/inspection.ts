/**
 * Looks into a data file without changing it, and checks it against docs/format/device.md: for `aerie inspect`. Works on
 * files that are in use or damaged; a block at a time is in memory.
 *
 * @module
 */

import { ConfigError, type CorruptionError, isBlank, utf8Decode } from "../../base/mod.ts";
import type { Compute, DiskFile } from "../../port/mod.ts";
import { type BlockContent, type BlockUnit, BlockWalk, findUnits, type ScanPlace } from "./block_scan.ts";
import { BlockCipher } from "./block_cipher.ts";
import { type CipherName, cipherOf, openDeviceKey } from "./device_key.ts";
import { RecordInspection } from "./inspected_record.ts";
import {
  alignToPage,
  BLOCK_SIZE_MAX_BYTES,
  BLOCK_SIZE_MIN_BYTES,
  decodeHeader,
  decodeUnitHeader,
  type DeviceHeader,
  FORMAT_VERSION,
  HEADER_AREA_SIZE_BYTES,
  HEADER_FLAG,
  idText,
  PAGE_SIZE_BYTES,
  startsLikeHeader,
  UNIT_HEADER_SIZE_BYTES,
  type UnitHeader,
} from "./layout.ts";
import { type BlockBeginning, findTornBlocks, isInLastUnit } from "./torn_ends.ts";
import { FILL_MARK_AT_BYTES, type FillMark, readHead } from "./device_head.ts";
import { pageStates, PARTITION_PAGES_END_BYTES, PartitionPages } from "./partition_pages.ts";

/** Something that is not as the format says. */
export interface InspectedFault {
  /** Offset on the device. */
  offsetBytes: number;
  /** What should be there. */
  expected: string;
  /** What is. */
  found: string;
  /** It looks like what a power cut interrupted: normal, and nothing is lost that was safe. */
  isTorn?: boolean;
}

/** What a block holds. */
export interface InspectedBlock {
  /** Number on the device. */
  block: number;
  /** Offset on the device. */
  offsetBytes: number;
  /** Life of the block; 0 when nothing sound is in it. */
  sequence: number;
  /** Sound units. */
  unitCount: number;
  /** Those of them that defragmentation wrote. */
  movedUnitCount: number;
  /** Records, as the units count them. */
  recordCount: number;
  /** Bytes of records with their trailers. */
  recordBytes: number;
  /** Bytes from the start of the block to the end of its last unit. */
  filledBytes: number;
}

/** A block that was read, and what is wrong with it. */
export interface CheckedBlock {
  /** What it holds, undefined when it was never used. */
  info: InspectedBlock | undefined;
  /** Its bytes. */
  bytes: Uint8Array;
  /** What is wrong; empty unless asked for. */
  faults: InspectedFault[];
}

/** What is needed to look into a file. */
export interface InspectionOptions {
  /** Path, for reports. */
  path: string;
  /** Ciphers, compression. */
  compute: Compute;
  /** Content of the key file; undefined when there is none: encrypted records are then checked, not shown. */
  key?: Uint8Array | undefined;
}

/** The header area. */
export interface InspectedHead {
  /** Sequences of the header's two copies, undefined for one that is not sound. */
  copies: (number | undefined)[];
  /** Copies of partition pages that are sound, that were never written, and that are damaged. */
  pages: { sound: number; unused: number; damaged: number };
  /** Partitions of which something is remembered. */
  partitionCount: number;
  /** Cipher of the records, undefined for none. */
  cipher: CipherName | undefined;
}

/** Looks into one file. */
export class DeviceInspection {
  /** The file's header. */
  readonly header: DeviceHeader;
  /** Whole blocks in the file. */
  readonly blockCount: number;
  /** What stands before the blocks. */
  readonly head: InspectedHead;
  /** What is wrong before the blocks. */
  readonly headFaults: readonly InspectedFault[];
  /** Bytes of the file. */
  readonly sizeBytes: number;
  readonly #file: DiskFile;
  readonly #options: InspectionOptions;
  readonly #cipher: BlockCipher | undefined;
  readonly #records: RecordInspection;
  #tornBlocks: ReadonlySet<number> = new Set();

  private constructor(
    file: DiskFile,
    options: InspectionOptions,
    found: { header: DeviceHeader; head: InspectedHead; headFaults: InspectedFault[]; sizeBytes: number },
  ) {
    this.#file = file;
    this.#options = options;
    this.header = found.header;
    this.head = found.head;
    this.headFaults = found.headFaults;
    this.sizeBytes = found.sizeBytes;
    this.blockCount = Math.max(
      0,
      Math.floor((found.sizeBytes - HEADER_AREA_SIZE_BYTES) / found.header.blockSizeBytes),
    );
    this.#cipher = this.#openCipher();
    this.#records = new RecordInspection(options.compute);
  }

  /**
   * Reads the header area of a file.
   *
   * @throws {ConfigError} when it is not a data file, or one that can't be understood, or the key does not open it
   */
  static async open(file: DiskFile, options: InspectionOptions): Promise<DeviceInspection> {
    const area = new Uint8Array(PARTITION_PAGES_END_BYTES);
    const countBytes = await file.read(0, area);
    const copies = [0, 1].map((copy) =>
      decodeHeader(area.subarray(copy * PAGE_SIZE_BYTES, (copy + 1) * PAGE_SIZE_BYTES))
    );
    const [first, second] = copies;
    const header = first === undefined || (second !== undefined && second.sequence > first.sequence)
      ? second
      : first;
    const whole = await readHead(file);
    const mark = whole.kind === "filling" ? whole.mark : undefined;
    if (header === undefined && mark !== undefined) throw new ConfigError(unfilled(options.path, mark));
    if (header === undefined) throw new ConfigError(notOurs(area.subarray(0, countBytes), options.path));
    checkReadable(header, options.path);
    const sizeBytes = await file.size();
    const headFaults = [
      ...copyFaults(area, copies),
      ...markFaults(mark),
      ...sizeFaults(header, sizeBytes),
    ];
    const head = inspectPages(area, header, headFaults);
    return new DeviceInspection(file, options, {
      header,
      head: { ...head, copies: copies.map((copy) => copy?.sequence) },
      headFaults,
      sizeBytes,
    });
  }

  /** Whether records can be looked into: they are not encrypted, or the key was given. */
  get canShowRecords(): boolean {
    return this.head.cipher === undefined || this.#cipher !== undefined;
  }

  /** Looks at all blocks for those that a power cut may have left torn; before blocks are checked. */
  async findTornBlocks(): Promise<void> {
    const beginnings: BlockBeginning[] = [];
    const page = new Uint8Array(PAGE_SIZE_BYTES);
    for (let block = 0; block < this.blockCount; block++) {
      // What can't be read is told when the block is checked.
      const countBytes = await this.#file.read(this.#offsetOf(block), page).catch(() => 0);
      const unit = countBytes === page.length ? decodeUnitHeader(page, 0, this.#place(block)) : undefined;
      if (unit !== undefined) beginnings.push({ block, sequence: unit.sequence, flags: unit.flags });
    }
    this.#tornBlocks = findTornBlocks(beginnings, isStoppedInOrder(this.header));
  }

  /**
   * Reads a block.
   *
   * @param block its number, below `blockCount`
   * @param checks whether everything in it is checked
   * @throws {Error} when it can't be read
   */
  async readBlock(block: number, { checks }: { checks: boolean }): Promise<CheckedBlock> {
    const offsetBytes = this.#offsetOf(block);
    const bytes = new Uint8Array(this.header.blockSizeBytes);
    const firstPage = bytes.subarray(0, PAGE_SIZE_BYTES);
    await this.#file.read(offsetBytes, firstPage);
    const isUnused = isBlank(firstPage);
    if (isUnused && !checks) return { info: undefined, bytes, faults: [] };
    const countBytes = await this.#file.read(offsetBytes, bytes);
    const content = findUnits(bytes, this.#place(block));
    const faults = checks ? this.#check(block, bytes, content) : [];
    if (countBytes < bytes.length) {
      faults.push({ offsetBytes, expected: `${bytes.length} bytes`, found: `${countBytes} bytes` });
    }
    const isEmpty = isUnused && content.sequence === 0;
    return { info: isEmpty ? undefined : describe(block, offsetBytes, content), bytes, faults };
  }

  /**
   * Visits the records of a block that have their checksum.
   *
   * @param block a block that was read
   * @param visit gets each record; lent until it returns. False ends the visit
   */
  visitRecords(block: CheckedBlock, visit: (record: RecordInspection) => boolean): void {
    if (block.info === undefined) return;
    const { block: number, offsetBytes } = block.info;
    const place = this.#place(number);
    let goesOn = true;
    const walk = new BlockWalk(block.bytes, findUnits(block.bytes, place), {
      place,
      checks: true,
      cipher: this.#cipher,
    });
    const visitor = {
      record: (at: number, _units: number, bytes: Uint8Array) => {
        if (!goesOn) return;
        this.#records.open(bytes, at, { block: number, offsetBytes: offsetBytes + at });
        goesOn = visit(this.#records);
      },
      damage: () => {},
    };
    while (goesOn && !walk.step(visitor, 1));
  }

  #check(block: number, bytes: Uint8Array, content: BlockContent): InspectedFault[] {
    const base = this.#offsetOf(block);
    if (content.sequence === 0) {
      if (isBlank(bytes)) return [];
      return [{
        offsetBytes: base,
        expected: "a flush unit of this block, or zeros in a block that was never used",
        found: `bytes that are neither, beginning with ${hexOf(bytes.subarray(0, 8))}`,
        ...tornCopy(this.header),
      }];
    }
    const faults = paddingFaults(content.units, bytes, base);
    const counts = new Map<BlockUnit, number>();
    const damaged = new Set<BlockUnit>();
    const unitOf = (at: number) => content.units.findLast(({ offsetBytes }) => offsetBytes <= at)!;
    const place = this.#place(block);
    const walk = new BlockWalk(bytes, content, { place, checks: true, cipher: this.#cipher });
    while (
      !walk.step({
        record: (at, _units, plain) => {
          const unit = unitOf(at);
          counts.set(unit, (counts.get(unit) ?? 0) + 1);
          if (!this.canShowRecords) return;
          this.#records.open(plain, at, { block, offsetBytes: base + at });
          const fault = this.#records.fault();
          if (fault !== undefined) faults.push(fault);
        },
        damage: (error) => {
          // What follows in the unit may not be walked over: its records can't be counted.
          damaged.add(unitOf(error.site.offsetBytes - base));
          faults.push(faultOf(error));
        },
      }, 1024)
    );
    for (const unit of content.units) {
      const found = counts.get(unit) ?? 0;
      if (found === unit.recordCount || damaged.has(unit)) continue;
      faults.push({
        offsetBytes: base + unit.offsetBytes,
        expected: `a unit of ${unit.recordCount} records`,
        found: `one of ${found}`,
      });
    }
    for (const fault of this.#tornBlocks.has(block) ? faults : []) {
      if (isInLastUnit(content.units, fault.offsetBytes - base)) fault.isTorn = true;
    }
    return faults.sort((a, b) => a.offsetBytes - b.offsetBytes);
  }

  #openCipher(): BlockCipher | undefined {
    const { path, compute, key } = this.#options;
    const { cipher } = this.head;
    if (cipher === undefined || key === undefined) return undefined;
    const { deviceId, keyField: field } = this.header;
    // Nothing is wrapped anew without an old key, so that no randomness is needed.
    const random = { u32: () => 0, fill: () => {} };
    const opened = openDeviceKey({ path, deviceId, field }, { cipher, key, oldKey: undefined }, {
      compute,
      random,
    });
    return new BlockCipher(compute, opened.dataKey);
  }

  #place(block: number): ScanPlace {
    return {
      deviceId: this.header.deviceId,
      block,
      path: this.#options.path,
      deviceOffset: this.#offsetOf(block),
    };
  }

  #offsetOf(block: number): number {
    return HEADER_AREA_SIZE_BYTES + block * this.header.blockSizeBytes;
  }
}

function describe(block: number, offsetBytes: number, content: BlockContent): InspectedBlock {
  const { sequence } = content;
  const units = content.units.filter(({ isLost }) => !isLost);
  const last = units.at(-1);
  return {
    block,
    offsetBytes,
    sequence,
    unitCount: units.length,
    movedUnitCount: units.filter(({ flags }) => (flags & 1) !== 0).length,
    recordCount: units.reduce((sum, { recordCount }) => sum + recordCount, 0),
    recordBytes: units.reduce((sum, { recordBytes }) => sum + recordBytes, 0),
    filledBytes: last === undefined ? 0 : endOf(last),
  };
}

function endOf({ offsetBytes, recordBytes }: UnitHeader): number {
  return alignToPage(offsetBytes + UNIT_HEADER_SIZE_BYTES + recordBytes);
}

/** There must be zeros behind the records of a unit. What is between units is found by the walk over the records. */
function paddingFaults(units: readonly BlockUnit[], bytes: Uint8Array, base: number): InspectedFault[] {
  const faults: InspectedFault[] = [];
  for (const unit of units) {
    const recordsEnd = unit.offsetBytes + UNIT_HEADER_SIZE_BYTES + unit.recordBytes;
    const padding = bytes.subarray(recordsEnd, endOf(unit));
    if (unit.isLost || isBlank(padding)) continue;
    faults.push({
      offsetBytes: base + recordsEnd,
      expected: `${padding.length} zeros behind the unit's records`,
      found: "something else",
    });
  }
  return faults;
}

/**
 * A page that was being written when the power went is torn; its other copy counts. Not so headers: what is in them fits
 * into one sector.
 */
function tornCopy(header: Pick<DeviceHeader, "flags">): { isTorn?: true } {
  return isStoppedInOrder(header) ? {} : { isTorn: true };
}

function isStoppedInOrder({ flags }: Pick<DeviceHeader, "flags">): boolean {
  return (flags & HEADER_FLAG.STOPPED_IN_ORDER) !== 0;
}

function copyFaults(area: Uint8Array, copies: readonly (DeviceHeader | undefined)[]): InspectedFault[] {
  return copies.flatMap((copy, index) => {
    const page = area.subarray(index * PAGE_SIZE_BYTES, (index + 1) * PAGE_SIZE_BYTES);
    // A header is written in place of its older copy: the second copy of a new file comes first.
    if (copy !== undefined || isBlank(page)) return [];
    return [{
      offsetBytes: index * PAGE_SIZE_BYTES,
      expected: `copy ${"AB"[index]} of the header; the other one is sound and counts`,
      found: startsLikeHeader(page) ? "one whose checksum is wrong" : "bytes that are none",
    }];
  });
}

/** Of a device that was being filled from another one nothing counts. */
function markFaults(mark: FillMark | undefined): InspectedFault[] {
  if (mark === undefined) return [];
  return [{
    offsetBytes: FILL_MARK_AT_BYTES,
    expected: "zeros: a whole content",
    found: `the mark that it was being filled from "${mark.from}" when that was interrupted`,
  }];
}

function unfilled(path: string, { from }: FillMark): string {
  return `"${path}" was being filled from "${from}" when that was interrupted, and has no header yet: look at that one`;
}

function sizeFaults(header: DeviceHeader, sizeBytes: number): InspectedFault[] {
  if (header.sizeBytes <= sizeBytes) return [];
  return [{ offsetBytes: sizeBytes, expected: `a file of ${header.sizeBytes} bytes`, found: `its end` }];
}

function inspectPages(
  area: Uint8Array,
  { deviceId, flags, keyField }: DeviceHeader,
  faults: InspectedFault[],
): Omit<InspectedHead, "copies"> {
  const states = pageStates(area, deviceId);
  for (const { page, offsetBytes, state, isOnly } of states) {
    if (state !== "damaged") continue;
    faults.push({
      offsetBytes,
      expected: `partition page ${page}${
        isOnly ? ", of which there is no sound copy" : "; its other copy is sound"
      }`,
      found: "one whose checksum is wrong, or bytes that are none",
      ...(isOnly ? {} : tornCopy({ flags })),
    });
  }
  const pages = new PartitionPages();
  pages.load([area], deviceId);
  const count = (wanted: string) => states.filter(({ state }) => state === wanted).length;
  return {
    pages: { sound: count("sound"), unused: count("unused"), damaged: count("damaged") },
    partitionCount: pages.keptCount,
    cipher: (flags & HEADER_FLAG.ENCRYPTED) === 0 ? undefined : cipherOf(keyField),
  };
}

function checkReadable({ version, readableBy, blockSizeBytes }: DeviceHeader, path: string): void {
  if (version > FORMAT_VERSION && readableBy > FORMAT_VERSION) {
    throw new ConfigError(
      `"${path}" has format version ${version}; this program reads versions up to ${FORMAT_VERSION}`,
    );
  }
  if (blockSizeBytes < BLOCK_SIZE_MIN_BYTES || blockSizeBytes > BLOCK_SIZE_MAX_BYTES) {
    throw new ConfigError(
      `"${path}" says that its write blocks have ${blockSizeBytes} bytes, which can't be`,
    );
  }
}

/** What is told of a file without a sound header. */
function notOurs(area: Uint8Array, path: string): string {
  if (area.length === 0) return `"${path}" is empty: a node has not used it yet`;
  if (isBlank(area)) {
    return `"${path}" begins with zeros: it is no data file of aerie, or a node has not used it yet`;
  }
  const page = area.subarray(0, PAGE_SIZE_BYTES);
  if (isCheckpointMap(page)) {
    return `"${path}" is the map of an index checkpoint; give the data file beside it`;
  }
  const hasMagic = [0, PAGE_SIZE_BYTES].some((at) => {
    const copy = area.subarray(at, at + PAGE_SIZE_BYTES);
    return copy.length === PAGE_SIZE_BYTES && !isBlank(copy.subarray(0, 8)) && startsLikeHeader(copy);
  });
  if (hasMagic) {
    return `"${path}" is a data file of aerie, but both copies of its header are damaged, and without one the rest can't ` +
      "be told apart";
  }
  return `"${path}" is no data file of aerie: it begins with ${
    hexOf(page.subarray(0, 8))
  }, not with "AERIEDEV"`;
}

function isCheckpointMap(page: Uint8Array): boolean {
  const magic = utf8Decode(page.subarray(0, 8));
  return magic === "AERIEIDX" || magic === "AERIEIDE";
}

function faultOf({ site: { offsetBytes, expected, found } }: CorruptionError): InspectedFault {
  return { offsetBytes, expected, found };
}

function hexOf(bytes: Uint8Array): string {
  return idText(bytes);
}
