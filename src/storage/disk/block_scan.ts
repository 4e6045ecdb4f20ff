/**
 * Finds the records in the bytes of a write block: unit by unit, and after damage at the next place with a record whose
 * checksum is right. Checksums know their place, so that nothing else passes.
 *
 * @module
 */

import { copyBytes, CorruptionError, readU32LE } from "../../base/mod.ts";
import { FLAT_MAGIC, flatSizeUnits, UNIT_SIZE_BYTES } from "../flat.ts";
import { type BlockCipher, CLEAR_SIZE_BYTES } from "./block_cipher.ts";
import {
  alignToPage,
  type BlockPlace,
  blockSeed,
  type ChecksumRange,
  decodeUnitHeader,
  PAGE_SIZE_BYTES,
  PLACE_SIZE_BYTES,
  recordChecksumOfWords,
  storedSize,
  UNIT_HEADER_SIZE_BYTES,
  type UnitHeader,
} from "./layout.ts";

/** Smallest flat record: the fixed header, padded. */
const RECORD_UNITS_MIN = 3;
/** Decrypted at a time; a multiple of 16. */
const OPEN_SIZE_BYTES = 64 * 1024;

/** Where a scan is. */
export interface ScanPlace extends BlockPlace {
  /** Path of the device, for reports. */
  path: string;
  /** Offset of the block on the device, for reports. */
  deviceOffset: number;
}

/** The units of a block's present life, and its number. */
export interface BlockContent {
  /** The block's sequence, 0 when no unit is sound. */
  sequence: number;
  /** Sound units, in order, and what is between them. */
  units: BlockUnit[];
}

/** A unit, or a place where one should be. */
export interface BlockUnit extends UnitHeader {
  /** There is no sound header here, although a unit follows: records may be. */
  isLost?: boolean;
}

/** Finds the sound units of a block; of several lives only the last counts. */
export function findUnits(bytes: Uint8Array, place: BlockPlace): BlockContent {
  const content = findLives(bytes, place).at(-1) ?? { sequence: 0, units: [] };
  return { sequence: content.sequence, units: withGaps(content) };
}

/**
 * The units of a block that is there twice: those of the latest life that are sound in one of the two.
 *
 * @param contents what {@linkcode findUnits} found in each
 */
export function joinContents(contents: readonly BlockContent[]): BlockContent {
  const sequence = Math.max(...contents.map((content) => content.sequence));
  const byOffset = new Map<number, UnitHeader>();
  for (const content of contents) {
    if (content.sequence !== sequence) continue;
    for (const unit of content.units) if (!unit.isLost) byOffset.set(unit.offsetBytes, unit);
  }
  const units = [...byOffset.values()].sort((a, b) => a.offsetBytes - b.offsetBytes);
  return { sequence, units: withGaps({ sequence, units }) };
}

/** Units follow each other at once: between two, and before the first, is what became of others. */
function withGaps({ sequence, units }: BlockContent): BlockUnit[] {
  const all: BlockUnit[] = [];
  let offsetBytes = 0;
  for (const unit of units) {
    const recordBytes = unit.offsetBytes - offsetBytes - UNIT_HEADER_SIZE_BYTES;
    if (recordBytes > 0) {
      all.push({ offsetBytes, sequence, recordBytes, recordCount: 0, flags: 0, isLost: true });
    }
    all.push(unit);
    offsetBytes = alignToPage(endOf(unit));
  }
  return all;
}

/** Finds the sound units of all lives of a block of which something is left, the last life last. */
export function findLives(bytes: Uint8Array, place: BlockPlace): BlockContent[] {
  const lives = new Map<number, UnitHeader[]>();
  for (let at = 0; at + UNIT_HEADER_SIZE_BYTES <= bytes.length; at += PAGE_SIZE_BYTES) {
    const unit = decodeUnitHeader(bytes, at, place);
    if (unit === undefined || endOf(unit) > bytes.length) continue;
    const units = lives.get(unit.sequence);
    if (units === undefined) lives.set(unit.sequence, [unit]);
    // What looks like a unit inside another one of the same life is part of a record.
    else if (unit.offsetBytes >= endOf(units[units.length - 1])) units.push(unit);
  }
  return [...lives].map(([sequence, units]) => ({ sequence, units })).sort((a, b) => a.sequence - b.sequence);
}

function endOf({ offsetBytes, recordBytes }: UnitHeader): number {
  return offsetBytes + UNIT_HEADER_SIZE_BYTES + recordBytes;
}

/** What is found: the offset of a record whose checksum is right, or damage. */
export interface BlockVisitor {
  /** A record, decrypted; `bytes` are the block's. */
  record(at: number, units: number, bytes: Uint8Array): void;
  /** Something that should be a record, or a unit, and is none. */
  damage(error: CorruptionError): void;
}

/** How to walk. */
export interface BlockWalkOptions {
  /** Where the block is. */
  place: ScanPlace;
  /**
   * False to look at the form of records alone; the visitor then checks what it uses, with
   * {@linkcode BlockWalk.isSound}.
   */
  checks: boolean;
  /** Decrypts the block; undefined when its bytes are in the clear. */
  cipher?: BlockCipher | undefined;
  /** The bytes were in memory all the time: their trailers say nothing. */
  isTrusted?: boolean;
  /** As large as the block: takes the decrypted bytes, whatever it has now; a new buffer unless given. */
  plain?: Uint8Array;
}

/** Walks over the records of a block, a slice at a time. */
export class BlockWalk {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #place: ScanPlace;
  readonly #units: readonly BlockUnit[];
  readonly #range: ChecksumRange;
  readonly #options: BlockWalkOptions;
  readonly #sequence: number;
  #plain: Uint8Array | undefined;
  #openedTo = 0;
  #unit = 0;
  #at = 0;

  /**
   * @param bytes the block, at a multiple of 4 in its buffer
   * @param content its units
   * @param options where it is, and what is to be checked
   */
  constructor(bytes: Uint8Array, content: BlockContent, options: BlockWalkOptions) {
    this.#bytes = bytes;
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    this.#place = options.place;
    this.#options = options;
    this.#units = content.units;
    this.#sequence = content.sequence;
    this.#range = { seed: blockSeed(options.place, content.sequence), offsetBytes: 0 };
  }

  /**
   * Walks on.
   *
   * @param countMax records to look at
   * @returns whether the end was reached
   */
  step(visitor: BlockVisitor, countMax: number): boolean {
    for (let count = 0; this.#unit < this.#units.length; count++) {
      if (count >= countMax) return false;
      const { offsetBytes, recordBytes, isLost } = this.#units[this.#unit];
      const start = offsetBytes + UNIT_HEADER_SIZE_BYTES;
      const end = start + recordBytes;
      const isBegin = this.#at < start;
      if (isBegin) this.#begin(offsetBytes);
      if (isBegin && isLost) visitor.damage(this.#damage(offsetBytes, "a flush unit", "none"));
      if (isLost) this.#at = this.#nextSound(this.#at, end);
      if (this.#at >= end || !this.#visit(visitor, end)) {
        this.#unit++;
        this.#at = 0;
      }
    }
    return true;
  }

  /** The block's bytes with all records decrypted that were visited; the block itself when it is not encrypted. */
  get plain(): Uint8Array {
    if (this.#options.cipher === undefined) return this.#bytes;
    return this.#plain ??= this.#options.plain ?? new Uint8Array(this.#bytes.length);
  }

  /** Whether the record at an offset has its checksum. */
  isSound(at: number, units: number): boolean {
    return this.#options.isTrusted === true ||
      this.#found(at, units) === readU32LE(this.#bytes, this.#trailerAt(at, units));
  }

  /** The report of a record without its checksum. */
  damageAt(at: number, units: number): CorruptionError {
    const expected = readU32LE(this.#bytes, this.#trailerAt(at, units));
    return this.#damage(
      at,
      `a record with checksum ${hex(expected)}`,
      `checksum ${hex(this.#found(at, units))}`,
    );
  }

  /** Visits the record here and moves behind it; false when what follows in the unit can't be told apart. */
  #visit(visitor: BlockVisitor, end: number): boolean {
    const bytes = this.#bytes;
    const at = this.#at;
    const magic = readU32LE(bytes, at);
    const units = flatSizeUnits(bytes, at);
    if (magic !== FLAT_MAGIC || units < RECORD_UNITS_MIN || at + storedSize(units) > end) {
      visitor.damage(
        this.#damage(at, `a record of at most ${end - at} bytes`, `magic ${hex(magic)}, ${units} units`),
      );
      this.#at = this.#nextSound(at + PLACE_SIZE_BYTES, end);
      return this.#at < end;
    }
    if (!this.#options.checks || this.isSound(at, units)) {
      this.#at += storedSize(units);
      this.#open(at, units);
      visitor.record(at, units, this.plain);
    } else {
      visitor.damage(this.damageAt(at, units));
      // Its size may be what is damaged.
      this.#at = this.#nextSound(at + PLACE_SIZE_BYTES, end);
    }
    return true;
  }

  /** The next place of a unit at which a record is whose checksum is right; `end` when there is none. */
  #nextSound(from: number, end: number): number {
    const bytes = this.#bytes;
    for (let at = from; at + storedSize(RECORD_UNITS_MIN) <= end; at += PLACE_SIZE_BYTES) {
      if (readU32LE(bytes, at) !== FLAT_MAGIC) continue;
      const units = flatSizeUnits(bytes, at);
      if (units < RECORD_UNITS_MIN || at + storedSize(units) > end) continue;
      if (this.#found(at, units) === readU32LE(bytes, this.#trailerAt(at, units))) return at;
    }
    return end;
  }

  /** Begins with a unit; its header is in the clear. */
  #begin(offsetBytes: number): void {
    this.#at = offsetBytes + UNIT_HEADER_SIZE_BYTES;
    if (this.#options.cipher === undefined) return;
    copyBytes(this.#bytes, offsetBytes, this.plain, offsetBytes, UNIT_HEADER_SIZE_BYTES);
  }

  /** Decrypts a record, and some of what follows it. */
  #open(at: number, units: number): void {
    const { cipher } = this.#options;
    if (cipher === undefined) return;
    const end = at + units * UNIT_SIZE_BYTES;
    if (end > this.#openedTo) {
      const startBytes = Math.max(this.#openedTo, at - at % UNIT_SIZE_BYTES);
      const wanted = Math.max(end, startBytes + OPEN_SIZE_BYTES);
      const endBytes = Math.min(this.#bytes.length, Math.ceil(wanted / UNIT_SIZE_BYTES) * UNIT_SIZE_BYTES);
      cipher.open(this.#bytes, { startBytes, endBytes, sequence: this.#sequence }, this.plain);
      this.#openedTo = endBytes;
    }
    copyBytes(this.#bytes, at, this.plain, at, CLEAR_SIZE_BYTES);
  }

  #found(at: number, units: number): number {
    this.#range.offsetBytes = at;
    return recordChecksumOfWords(this.#words, at, this.#trailerAt(at, units), this.#range);
  }

  #trailerAt(at: number, units: number): number {
    return at + units * UNIT_SIZE_BYTES;
  }

  #damage(at: number, expected: string, found: string): CorruptionError {
    const { path, deviceOffset } = this.#place;
    return new CorruptionError({ device: path, offsetBytes: deviceOffset + at, expected, found });
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
