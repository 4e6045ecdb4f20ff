/**
 * The map of an index checkpoint: which frames of the page file belong together, and since when. Bytes and meaning:
 * docs/format/checkpoint.md.
 *
 * @module
 */

import { copyBytes, PARTITION_COUNT, readU16LE, readU32LE, utf8, writeU32LE } from "../../base/mod.ts";
import type { Compute } from "../../port/mod.ts";
import type { IndexFrame } from "../index.ts";
import { ID_SIZE_BYTES, readU64LE, writeU64LE } from "./layout.ts";

/** Version that this program writes, and the only one that it reads. */
export const CHECKPOINT_VERSION = 1;
const MAGIC = utf8("AERIEIDX");
const CHECKSUM_AT = 12;
const HEADER_SIZE_BYTES = 60;
const FLAG_COMPLETE = 1;

/** A device as a checkpoint knows it. */
export interface CheckpointDevice {
  /** Its id, 8 bytes. */
  id: Uint8Array;
  /** Its blocks. */
  blockCount: number;
}

/** What a set has counted. */
export interface SetCounts {
  /** Live records. */
  objects: number;
  /** Tombstones. */
  tombstones: number;
  /** Bytes of flat records. */
  dataUsedBytes: number;
}

/** All that need not be counted again after a stop in order. */
export interface CompleteState {
  /** The trees. */
  frame: IndexFrame;
  /** Live records without a void-time. */
  nonExpirableCount: number;
  /** Tombstones per partition. */
  partitionTombstoneCounts: Uint32Array;
  /** Counts of the sets, in the order of their ids. */
  sets: readonly SetCounts[];
  /** Sequence of each block. */
  blockSequences: Float64Array;
  /** Bytes of current records in each block. */
  blockUsedBytes: Uint32Array;
}

/** See the head of the file. */
export interface CheckpointMap {
  /** Number of the checkpoint, growing. */
  number: number;
  /** Run that made it, 8 bytes. */
  runId: Uint8Array;
  /** Set id of the devices, 8 bytes. */
  setId: Uint8Array;
  /** Block sequence up to which blocks need not be read again. */
  mark: number;
  /** Bytes of a block. */
  blockSizeBytes: number;
  /** Key of the index's priorities. */
  seeds: readonly [number, number];
  /** The devices, in their order. */
  devices: readonly CheckpointDevice[];
  /** Blocks that were open at the mark. */
  openBlocks: readonly number[];
  /** Names of the sets with the ids 1, 2, … */
  setNames: readonly Uint8Array[];
  /** Frame + 1 of each page, 0 for none. */
  pageFrames: Uint32Array;
  /** Checksum of each page. */
  pageChecksums: Uint32Array;
  /** Only after a stop in order. */
  complete: CompleteState | undefined;
}

/** Appends fields to a buffer that grows. */
class Writer {
  bytes = new Uint8Array(64 * 1024);
  at = 0;

  u32(value: number): void {
    this.#ensure(4);
    writeU32LE(this.bytes, this.at, value);
    this.at += 4;
  }

  u64(value: number): void {
    this.#ensure(8);
    writeU64LE(this.bytes, this.at, value);
    this.at += 8;
  }

  raw(source: Uint8Array): void {
    this.#ensure(source.length);
    copyBytes(source, 0, this.bytes, this.at, source.length);
    this.at += source.length;
  }

  /** Numbers as the machine has them: little-endian, like the pages. There may be millions. */
  array(values: Uint32Array): void {
    this.raw(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  #ensure(sizeBytes: number): void {
    if (this.at + sizeBytes <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.at + sizeBytes));
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
  }
}

/** Takes fields; reading beyond the end is an error. */
class Reader {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  u32(): number {
    return readU32LE(this.bytes, this.#take(4));
  }

  u64(): number {
    return readU64LE(this.bytes, this.#take(8));
  }

  raw(sizeBytes: number): Uint8Array {
    const at = this.#take(sizeBytes);
    return this.bytes.slice(at, at + sizeBytes);
  }

  /** A number of things that follow, of at least some size each. */
  count(itemSizeBytes: number): number {
    const count = this.u32();
    if (count * itemSizeBytes > this.bytes.length - this.at) throw new RangeError("a list is cut short");
    return count;
  }

  array(count: number): Uint32Array {
    return new Uint32Array(this.raw(4 * count).buffer);
  }

  #take(sizeBytes: number): number {
    const { at } = this;
    if (at + sizeBytes > this.bytes.length) throw new RangeError("it is cut short");
    this.at += sizeBytes;
    return at;
  }
}

/** The bytes of a map. */
export function encodeMap(map: CheckpointMap, compute: Compute): Uint8Array {
  const writer = new Writer();
  writer.raw(MAGIC);
  writer.u32(CHECKPOINT_VERSION | (map.complete === undefined ? 0 : FLAG_COMPLETE << 16));
  writer.u32(0);
  writer.u64(map.number);
  writer.raw(map.runId);
  writer.raw(map.setId);
  writer.u64(map.mark);
  writer.u32(map.blockSizeBytes);
  for (const seed of map.seeds) writer.u32(seed);
  writer.u32(map.devices.length);
  for (const { id, blockCount } of map.devices) {
    writer.raw(id);
    writer.u32(blockCount);
  }
  writer.u32(map.openBlocks.length);
  for (const block of map.openBlocks) writer.u32(block);
  writer.u32(map.setNames.length);
  for (const name of map.setNames) {
    writer.raw(Uint8Array.of(name.length));
    writer.raw(name);
  }
  writer.u32(map.pageFrames.length);
  writer.array(map.pageFrames);
  writer.array(map.pageChecksums);
  if (map.complete !== undefined) encodeComplete(writer, map.complete);
  const bytes = writer.bytes.subarray(0, writer.at);
  writeU32LE(bytes, CHECKSUM_AT, compute.crc32(bytes));
  return bytes;
}

function encodeComplete(writer: Writer, state: CompleteState): void {
  const { frame, sets, blockSequences, blockUsedBytes } = state;
  writer.u32(frame.sprigBits);
  writer.u32(frame.freeHead);
  writer.u32(frame.nextFresh);
  writer.u32(state.nonExpirableCount);
  writer.array(frame.partitionEntryCounts);
  writer.array(state.partitionTombstoneCounts);
  for (const { objects, tombstones, dataUsedBytes } of sets) {
    writer.u32(objects);
    writer.u32(tombstones);
    writer.u64(dataUsedBytes);
  }
  writer.u32(blockSequences.length);
  for (let block = 0; block < blockSequences.length; block++) {
    writer.u64(blockSequences[block]);
    writer.u32(blockUsedBytes[block]);
  }
  const countAt = writer.at;
  writer.u32(0);
  let count = 0;
  for (let tree = 0; tree < frame.roots.length; tree++) {
    if (frame.roots[tree] === 0) continue;
    writer.u32(tree);
    writer.u32(frame.roots[tree]);
    count++;
  }
  writeU32LE(writer.bytes, countAt, count);
}

/**
 * Reads a map.
 *
 * @returns the map, or why it can't be used
 */
export function decodeMap(bytes: Uint8Array, compute: Compute): CheckpointMap | string {
  if (bytes.length < HEADER_SIZE_BYTES || MAGIC.some((byte, at) => bytes[at] !== byte)) {
    return "it is no checkpoint";
  }
  const stored = readU32LE(bytes, CHECKSUM_AT);
  writeU32LE(bytes, CHECKSUM_AT, 0);
  const found = compute.crc32(bytes);
  if (found !== stored) return `it is damaged: expected checksum ${hex(stored)}, found ${hex(found)}`;
  const version = readU16LE(bytes, 8);
  if (version !== CHECKPOINT_VERSION) {
    return `it has format version ${version}, this program reads ${CHECKPOINT_VERSION}`;
  }
  try {
    return decodeFields(new Reader(bytes), readU16LE(bytes, 10));
  } catch (error) {
    if (error instanceof RangeError) return `it is damaged: ${error.message}`;
    throw error;
  }
}

function decodeFields(reader: Reader, flags: number): CheckpointMap {
  reader.at = 16;
  const number = reader.u64();
  const runId = reader.raw(ID_SIZE_BYTES);
  const setId = reader.raw(ID_SIZE_BYTES);
  const mark = reader.u64();
  const blockSizeBytes = reader.u32();
  const seeds: [number, number] = [reader.u32(), reader.u32()];
  const devices: CheckpointDevice[] = [];
  for (let count = reader.count(ID_SIZE_BYTES + 4); count > 0; count--) {
    devices.push({ id: reader.raw(ID_SIZE_BYTES), blockCount: reader.u32() });
  }
  const openBlocks = [...reader.array(reader.count(4))];
  const setNames: Uint8Array[] = [];
  for (let count = reader.count(1); count > 0; count--) setNames.push(reader.raw(reader.raw(1)[0]));
  const pageCount = reader.count(8);
  const pageFrames = reader.array(pageCount);
  const pageChecksums = reader.array(pageCount);
  const complete = (flags & FLAG_COMPLETE) === 0 ? undefined : decodeComplete(reader, setNames.length);
  return {
    number,
    runId,
    setId,
    mark,
    blockSizeBytes,
    seeds,
    devices,
    openBlocks,
    setNames,
    pageFrames,
    pageChecksums,
    complete,
  };
}

function decodeComplete(reader: Reader, setCount: number): CompleteState {
  const sprigBits = reader.u32();
  const freeHead = reader.u32();
  const nextFresh = reader.u32();
  const nonExpirableCount = reader.u32();
  const partitionEntryCounts = reader.array(PARTITION_COUNT);
  const partitionTombstoneCounts = reader.array(PARTITION_COUNT);
  const sets: SetCounts[] = [];
  for (let set = 0; set < setCount; set++) {
    sets.push({ objects: reader.u32(), tombstones: reader.u32(), dataUsedBytes: reader.u64() });
  }
  const blockCount = reader.count(12);
  const blockSequences = new Float64Array(blockCount);
  const blockUsedBytes = new Uint32Array(blockCount);
  for (let block = 0; block < blockCount; block++) {
    blockSequences[block] = reader.u64();
    blockUsedBytes[block] = reader.u32();
  }
  const roots = new Uint32Array(PARTITION_COUNT << Math.min(sprigBits, 16));
  for (let count = reader.count(8); count > 0; count--) {
    const tree = reader.u32();
    if (tree >= roots.length) throw new RangeError(`there is no tree ${tree}`);
    roots[tree] = reader.u32();
  }
  return {
    frame: { sprigBits, freeHead, nextFresh, partitionEntryCounts, roots },
    nonExpirableCount,
    partitionTombstoneCounts,
    sets,
    blockSequences,
    blockUsedBytes,
  };
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}
