/**
 * What stands where in a data file, format versions 1 and 2: docs/format/device.md has the tables. Integers are
 * little-endian, checksums CRC-32C.
 *
 * @module
 */

import {
  copyBytes,
  isBlank,
  readU16LE,
  readU32LE,
  toHex,
  utf8,
  utf8Decode,
  writeU32LE,
} from "../../base/mod.ts";
import { UNIT_SIZE_BYTES } from "../flat.ts";
import { crc32c, crc32cOfWord, crc32cOfWords } from "./crc32c.ts";

/** Version that this program writes. */
export const FORMAT_VERSION = 3;
/** Oldest version whose readers understand a device with plain records alone. */
export const FORMAT_VERSION_READABLE_BY = 1;
/** Oldest version whose readers understand compressed and encrypted records. */
export const FORMAT_VERSION_OF_CODED_RECORDS = 2;
/** Oldest version whose readers understand records with an order time. */
export const FORMAT_VERSION_OF_ORDER_TIMES = 3;
/** Flush units begin at multiples of this. */
export const PAGE_SIZE_BYTES = 4096;
/** Offset of the first write block. */
export const HEADER_AREA_SIZE_BYTES = 1024 * 1024;
/** Bytes before the records of a flush unit. */
export const UNIT_HEADER_SIZE_BYTES = 48;
/** Bytes after each record: its checksum. */
export const TRAILER_SIZE_BYTES = 4;
/** Records begin at multiples of this. */
export const PLACE_SIZE_BYTES = 4;
/** Smallest write block. */
export const BLOCK_SIZE_MIN_BYTES = 1024 * 1024;
/** Largest write block. */
export const BLOCK_SIZE_MAX_BYTES = 8 * 1024 * 1024;
/** A device has so many blocks at least: one to write to, one that fills up, and two that defragmentation needs. */
export const BLOCK_COUNT_MIN = 4;
/** Smallest device: a header area and enough blocks for writing and defragmentation. */
export const DEVICE_SIZE_MIN_BYTES = 16 * 1024 * 1024;
/** Each start gives out block sequences that are at least so far above the highest that was found. */
export const SEQUENCE_STEP_OF_STARTS: number = 2 ** 20;
/** Bytes of the ids of devices and sets of devices. */
export const ID_SIZE_BYTES = 8;

const HEADER_MAGIC = utf8("AERIEDEV");
const UNIT_MAGIC = 0x544e_5541;
const NAMESPACE_AT = 64;
const NAMESPACE_SIZE = 32;
const CLUSTER_AT = 96;
const CLUSTER_SIZE = 64;
const KEY_FIELD_AT = 160;
/** Bytes of the header's key field; `device_key.ts` has its layout. */
export const KEY_FIELD_SIZE = 80;
const RUN_ID_AT = 240;
const BASE_SEQUENCE_AT = 248;
const BASE_RUN_ID_AT = 256;
const TWO_TO_32 = 0x1_0000_0000;

/** Flag bits of a device header. */
export const HEADER_FLAG = { STOPPED_IN_ORDER: 1, ENCRYPTED: 2 } as const;
/** Flag bits of a flush unit. */
export const UNIT_FLAG = { DEFRAGMENTATION: 1 } as const;

/** Header of a device. */
export interface DeviceHeader {
  /** Format version of the writer. */
  version: number;
  /** Oldest version whose readers understand the file. */
  readableBy: number;
  /** Grows with each change of the header. */
  sequence: number;
  /** Random id of the device, 8 bytes. */
  deviceId: Uint8Array;
  /** Random id that the devices of a namespace share, 8 bytes. */
  setId: Uint8Array;
  /** Devices of the namespace. */
  deviceCount: number;
  /** Number of this device. */
  deviceIndex: number;
  /** Bytes of a write block. */
  blockSizeBytes: number;
  /** Bytes of the device. */
  sizeBytes: number;
  /** Bits of {@linkcode HEADER_FLAG}. */
  flags: number;
  /** Random id of the run that used the device last, 8 bytes; zeros when the run knew of none. */
  runId: Uint8Array;
  /** Of a run that has only begun: header sequence of the run before, else 0; `device_runs.ts` tells of it. */
  baseSequence: number;
  /** The same: id of the run before, 8 bytes, else zeros. */
  baseRunId: Uint8Array;
  /** Name of the namespace. */
  namespace: string;
  /** Name of the cluster when the file was made. */
  cluster: string;
  /** The wrapped data key, {@linkcode KEY_FIELD_SIZE} bytes; zeros when records are not encrypted. */
  keyField: Uint8Array;
}

/** Reads an unsigned 64-bit little-endian integer; exact up to 2^53. */
export function readU64LE(bytes: Uint8Array, at: number): number {
  return readU32LE(bytes, at) + readU32LE(bytes, at + 4) * TWO_TO_32;
}

/** Writes an unsigned 64-bit little-endian integer; a non-negative safe integer. */
export function writeU64LE(bytes: Uint8Array, at: number, value: number): void {
  writeU32LE(bytes, at, value % TWO_TO_32);
  writeU32LE(bytes, at + 4, Math.floor(value / TWO_TO_32));
}

/** Writes the checksum of a page into it. */
export function sealPage(page: Uint8Array, checksumAt: number): void {
  writeU32LE(page, checksumAt, 0);
  writeU32LE(page, checksumAt, crc32c(page));
}

/** Whether a page has its checksum. */
export function isPageSound(page: Uint8Array, checksumAt: number): boolean {
  const stored = readU32LE(page, checksumAt);
  const copy = page.slice();
  writeU32LE(copy, checksumAt, 0);
  return crc32c(copy) === stored;
}

/** The page of a device header. */
export function encodeHeader(header: DeviceHeader): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE_BYTES);
  page.set(HEADER_MAGIC);
  writeU16(page, 8, header.version);
  writeU16(page, 10, header.readableBy);
  writeU64LE(page, 16, header.sequence);
  page.set(header.deviceId, 24);
  page.set(header.setId, 32);
  writeU16(page, 40, header.deviceCount);
  writeU16(page, 42, header.deviceIndex);
  writeU32LE(page, 44, header.blockSizeBytes);
  writeU64LE(page, 48, header.sizeBytes);
  writeU32LE(page, 56, header.flags);
  page.set(utf8(header.namespace).subarray(0, NAMESPACE_SIZE), NAMESPACE_AT);
  page.set(utf8(header.cluster).subarray(0, CLUSTER_SIZE), CLUSTER_AT);
  page.set(header.keyField, KEY_FIELD_AT);
  page.set(header.runId, RUN_ID_AT);
  writeU64LE(page, BASE_SEQUENCE_AT, header.baseSequence);
  page.set(header.baseRunId, BASE_RUN_ID_AT);
  sealPage(page, 12);
  return page;
}

/** Whether the first sectors of a page are what a header begins with, or never arrived. */
export function startsLikeHeader(page: Uint8Array): boolean {
  return HEADER_MAGIC.every((byte, at) => page[at] === byte) ||
    isBlank(page.subarray(0, 512));
}

/** The header in a page, undefined when there is no sound one. */
export function decodeHeader(page: Uint8Array): DeviceHeader | undefined {
  if (HEADER_MAGIC.some((byte, at) => page[at] !== byte) || !isPageSound(page, 12)) return undefined;
  return {
    version: readU16LE(page, 8),
    readableBy: readU16LE(page, 10),
    sequence: readU64LE(page, 16),
    deviceId: page.slice(24, 24 + ID_SIZE_BYTES),
    setId: page.slice(32, 32 + ID_SIZE_BYTES),
    deviceCount: readU16LE(page, 40),
    deviceIndex: readU16LE(page, 42),
    blockSizeBytes: readU32LE(page, 44),
    sizeBytes: readU64LE(page, 48),
    flags: readU32LE(page, 56),
    namespace: text(page, NAMESPACE_AT, NAMESPACE_SIZE),
    cluster: text(page, CLUSTER_AT, CLUSTER_SIZE),
    keyField: page.slice(KEY_FIELD_AT, KEY_FIELD_AT + KEY_FIELD_SIZE),
    runId: page.slice(RUN_ID_AT, RUN_ID_AT + ID_SIZE_BYTES),
    baseSequence: readU64LE(page, BASE_SEQUENCE_AT),
    baseRunId: page.slice(BASE_RUN_ID_AT, BASE_RUN_ID_AT + ID_SIZE_BYTES),
  };
}

/** Header of a flush unit. */
export interface UnitHeader {
  /** Offset of the unit in its block. */
  offsetBytes: number;
  /** Life of the block. */
  sequence: number;
  /** Bytes of records that follow the header. */
  recordBytes: number;
  /** Records. */
  recordCount: number;
  /** Bits of {@linkcode UNIT_FLAG}. */
  flags: number;
}

/** Where a block is: what checksums in it are seeded with. */
export interface BlockPlace {
  /** Id of the device, 8 bytes. */
  deviceId: Uint8Array;
  /** Number of the block on its device. */
  block: number;
}

/** Writes a unit's header at its offset in the block. */
export function encodeUnitHeader(bytes: Uint8Array, place: BlockPlace, unit: UnitHeader): void {
  const at = unit.offsetBytes;
  writeU32LE(bytes, at, UNIT_MAGIC);
  copyBytes(place.deviceId, 0, bytes, at + 8, ID_SIZE_BYTES);
  writeU32LE(bytes, at + 16, place.block);
  writeU32LE(bytes, at + 20, unit.offsetBytes);
  writeU64LE(bytes, at + 24, unit.sequence);
  writeU32LE(bytes, at + 32, unit.recordBytes);
  writeU32LE(bytes, at + 36, unit.recordCount);
  writeU32LE(bytes, at + 40, unit.flags);
  writeU32LE(bytes, at + 44, 0);
  writeU32LE(bytes, at + 4, crc32c(bytes, at + 8, at + UNIT_HEADER_SIZE_BYTES));
}

/**
 * The header of the unit at an offset of a block, undefined when none begins there.
 *
 * @param bytes the block, or what it has from `startBytes` on
 */
export function decodeUnitHeader(
  bytes: Uint8Array,
  offsetBytes: number,
  place: BlockPlace,
  startBytes = 0,
): UnitHeader | undefined {
  const at = offsetBytes - startBytes;
  if (readU32LE(bytes, at) !== UNIT_MAGIC) return undefined;
  if (readU32LE(bytes, at + 4) !== crc32c(bytes, at + 8, at + UNIT_HEADER_SIZE_BYTES)) return undefined;
  for (let index = 0; index < ID_SIZE_BYTES; index++) {
    if (bytes[at + 8 + index] !== place.deviceId[index]) return undefined;
  }
  if (readU32LE(bytes, at + 16) !== place.block || readU32LE(bytes, at + 20) !== offsetBytes) {
    return undefined;
  }
  return {
    offsetBytes,
    sequence: readU64LE(bytes, at + 24),
    recordBytes: readU32LE(bytes, at + 32),
    recordCount: readU32LE(bytes, at + 36),
    flags: readU32LE(bytes, at + 40),
  };
}

const seedBytes = new Uint8Array(ID_SIZE_BYTES + 4 + 8);

/** What the checksums of a block's records begin with. */
export function blockSeed({ deviceId, block }: BlockPlace, sequence: number): number {
  copyBytes(deviceId, 0, seedBytes, 0, ID_SIZE_BYTES);
  writeU32LE(seedBytes, ID_SIZE_BYTES, block);
  writeU64LE(seedBytes, ID_SIZE_BYTES + 4, sequence);
  return crc32c(seedBytes);
}

/** A record as checksums see it. */
export interface ChecksumRange {
  /** {@linkcode blockSeed} of its block. */
  seed: number;
  /** Its offset in the block. */
  offsetBytes: number;
}

/**
 * Checksum of a record.
 *
 * @param at offset of the record in `bytes`, which need not be its block
 * @param end offset of its trailer
 */
export function recordChecksum(bytes: Uint8Array, at: number, end: number, range: ChecksumRange): number {
  return crc32c(bytes, at, end, crc32cOfWord(range.offsetBytes, range.seed));
}

/**
 * The same of a record in words, in less time.
 *
 * @param at offset of the record in bytes, a multiple of 4, as in {@linkcode recordChecksum}
 * @param end offset of its trailer
 */
export function recordChecksumOfWords(
  words: Int32Array,
  at: number,
  end: number,
  range: ChecksumRange,
): number {
  return crc32cOfWords(words, at >>> 2, end >>> 2, crc32cOfWord(range.offsetBytes, range.seed));
}

/** Next multiple of a page. */
export function alignToPage(offsetBytes: number): number {
  return Math.ceil(offsetBytes / PAGE_SIZE_BYTES) * PAGE_SIZE_BYTES;
}

/** Bytes that a flat record takes with its trailer. */
export function storedSize(units: number): number {
  return units * UNIT_SIZE_BYTES + TRAILER_SIZE_BYTES;
}

/** An id for people. */
export function idText(id: Uint8Array): string {
  return toHex(id);
}

function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

function text(bytes: Uint8Array, at: number, sizeBytes: number): string {
  const field = bytes.subarray(at, at + sizeBytes);
  const end = field.indexOf(0);
  return utf8Decode(end < 0 ? field : field.subarray(0, end));
}
