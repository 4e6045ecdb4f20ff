/**
 * Records on devices with their bins compressed. What is before the bins stays as it is, so that a start can read it; in
 * place of the bins stand
 *
 * | bytes | field                                            |
 * | ----- | ------------------------------------------------ |
 * | 1     | method: 1 lz4, 2 snappy, 3 zstd                   |
 * | 4     | size of the bins and the padding behind them      |
 * | 4     | size of what follows, in bytes                    |
 * | n     | bins and padding, compressed                      |
 *
 * and the record's "compressed" bit is set. A record is stored so only when it takes less room.
 *
 * A record that took the place of a later copy has an order time in the same way: bit 0x80 of the method is set, and 5
 * bytes with the time (ms since 2010) stand before the bins. The bins themselves are as they were, method 0.
 *
 * Nobody but the device sees any of it: what is read is expanded. Source: server-operations reference, sections 15 and
 * 20; docs/format/device.md.
 *
 * @module
 */

import { copyBytes, readU32LE, writeU32LE } from "../../base/mod.ts";
import type { StorageSettings } from "../../config/mod.ts";
import type { Compute } from "../../port/mod.ts";
import { FLAT_FLAG, FLAT_FLAGS_AT, FlatRecord, flatSizeUnits, UNIT_SIZE_BYTES } from "../flat.ts";
import { lz4Compress, lz4Expand, lz4SizeMax } from "./lz4.ts";
import { snappyCompress, snappyExpand, snappySizeMax } from "./snappy.ts";

/** Ways to compress, as records name them. */
export const COMPRESSION_METHOD = { lz4: 1, snappy: 2, zstd: 3 } as const;

/** The bins are as they were. */
export const METHOD_NONE = 0;
/** Bit of the method: an order time follows. */
const HAS_ORDER_TIME = 0x80;

/** Bytes before the compressed bins. */
const HEAD_SIZE = 9;
/** Bytes of an order time. */
const ORDER_TIME_SIZE = 5;
const TWO_TO_32 = 0x1_0000_0000;
/** Smaller bins are not tried. */
const BINS_SIZE_MIN = 64;
/** Largest flat record: what its size field can say. */
const RECORD_SIZE_MAX = (FLAT_FLAG.SIZE_BITS + 1) * UNIT_SIZE_BYTES;
const ZSTD_LEVEL_DEFAULT = 9;
/** How much the latest record counts in the average. */
const AVERAGE_WEIGHT = 1 / 256;

/** Whether the record at an offset is compressed. */
export function isCompressed(bytes: Uint8Array, at: number): boolean {
  return (readU32LE(bytes, at + FLAT_FLAGS_AT) & FLAT_FLAG.COMPRESSED) !== 0;
}

/** How the bins of a coded record are compressed: of {@linkcode COMPRESSION_METHOD}, or METHOD_NONE. */
export function methodOf({ bytes, binsAt }: FlatRecord): number {
  return bytes[binsAt] & ~HAS_ORDER_TIME;
}

/** Time by which a start compares a stored record with other copies, in ms since 2010. */
export function orderTime(record: FlatRecord): number {
  const { bytes, at, binsAt, lastUpdateMs } = record;
  const hasOrder = isCompressed(bytes, at) && (bytes[binsAt] & HAS_ORDER_TIME) !== 0;
  if (!hasOrder) return lastUpdateMs;
  return bytes[binsAt + HEAD_SIZE + 4] * TWO_TO_32 + readU32LE(bytes, binsAt + HEAD_SIZE);
}

/** The compression settings, read again and again. */
export type CompressionSettings = Pick<
  StorageSettings,
  "compression" | "compressionLevel" | "compressionAcceleration"
>;

/** Compresses records one after the other, and expands them. */
export class RecordCompression {
  /** The record last given to {@linkcode RecordCompression.compress}, as it is to be stored, from offset 0 on. */
  bytes: Uint8Array = new Uint8Array(0);
  readonly #settings: CompressionSettings;
  readonly #compute: Compute;
  readonly #record = new FlatRecord();
  #out = new Uint8Array(4096);
  #body = new Uint8Array(4096);
  #ratio = 1;

  /**
   * @param settings asked for each record
   * @param compute has zstd
   */
  constructor(settings: CompressionSettings, compute: Compute) {
    this.#settings = settings;
    this.#compute = compute;
  }

  /** Stored size of lately written records by their full size: a moving average; 1 without compression. */
  get ratio(): number {
    return this.#settings.compression === "none" ? 1 : this.#ratio;
  }

  /** Whether records are compressed: a method is set, and this platform has it. */
  get isOn(): boolean {
    const { compression } = this.#settings;
    return compression !== "none" && (compression !== "zstd" || this.#compute.hasZstd());
  }

  /**
   * Compresses a record, if that makes it smaller.
   *
   * @param source begins with the record
   * @param units its size
   * @returns size in units of what is in `bytes` now
   */
  compress(source: Uint8Array, units: number): number {
    const stored = this.#try(source, units);
    if (stored === units) this.bytes = source;
    this.#ratio += (stored / units - this.#ratio) * AVERAGE_WEIGHT;
    return stored;
  }

  /**
   * Expands a record.
   *
   * @param bytes buffer with the record
   * @param at offset of the record
   * @returns the record alone, a copy; undefined when it can't be expanded
   */
  expand(bytes: Uint8Array, at: number): Uint8Array | undefined {
    const record = this.#record;
    record.open(bytes, at);
    const head = record.binsAt;
    const end = at + flatSizeUnits(bytes, at) * UNIT_SIZE_BYTES;
    if (head + HEAD_SIZE > end) return undefined;
    const hasOrder = (bytes[head] & HAS_ORDER_TIME) !== 0;
    const method = bytes[head] & ~HAS_ORDER_TIME;
    const packedAt = head + HEAD_SIZE + (hasOrder ? ORDER_TIME_SIZE : 0);
    const bodySize = readU32LE(bytes, head + 1);
    const packedSize = readU32LE(bytes, head + 5);
    const sizeBytes = head - at + bodySize;
    const isPossible = packedSize <= end - packedAt && sizeBytes <= RECORD_SIZE_MAX &&
      sizeBytes % UNIT_SIZE_BYTES === 0;
    if (!isPossible) return undefined;
    const packed = bytes.subarray(packedAt, packedAt + packedSize);
    const out = new Uint8Array(sizeBytes);
    copyBytes(bytes, at, out, 0, head - at);
    if (!this.#unpack(method, packed, out.subarray(head - at))) return undefined;
    const flags = readU32LE(bytes, at + FLAT_FLAGS_AT) & ~(FLAT_FLAG.COMPRESSED | FLAT_FLAG.SIZE_BITS);
    writeU32LE(out, FLAT_FLAGS_AT, (flags | (sizeBytes / UNIT_SIZE_BYTES - 1)) >>> 0);
    return out;
  }

  /**
   * Gives a record an order time.
   *
   * @param source begins with the record, which is not compressed
   * @param units its size
   * @param orderMs the time, in ms since 2010
   * @returns size in units of what is in `bytes` now
   */
  addOrder(source: Uint8Array, units: number, orderMs: number): number {
    const record = this.#record;
    record.open(source, 0);
    const head = record.binsAt;
    const bodySize = units * UNIT_SIZE_BYTES - head;
    const bodyAt = head + HEAD_SIZE + ORDER_TIME_SIZE;
    const stored = Math.ceil((bodyAt + bodySize) / UNIT_SIZE_BYTES);
    if (this.#out.length < stored * UNIT_SIZE_BYTES) this.#out = new Uint8Array(2 * stored * UNIT_SIZE_BYTES);
    const out = this.#out;
    copyBytes(source, 0, out, 0, head);
    out[head] = METHOD_NONE | HAS_ORDER_TIME;
    writeU32LE(out, head + 1, bodySize);
    writeU32LE(out, head + 5, bodySize);
    writeU32LE(out, head + HEAD_SIZE, orderMs % TWO_TO_32);
    out[head + HEAD_SIZE + 4] = Math.floor(orderMs / TWO_TO_32);
    copyBytes(source, head, out, bodyAt, bodySize);
    out.fill(0, bodyAt + bodySize, stored * UNIT_SIZE_BYTES);
    this.#markCoded(source, stored);
    return stored;
  }

  /** Puts the word with flags and size in place of the source's. */
  #markCoded(source: Uint8Array, units: number): void {
    const flags = readU32LE(source, FLAT_FLAGS_AT) & ~FLAT_FLAG.SIZE_BITS;
    writeU32LE(this.#out, FLAT_FLAGS_AT, (flags | FLAT_FLAG.COMPRESSED | (units - 1)) >>> 0);
    this.bytes = this.#out;
  }

  #try(source: Uint8Array, units: number): number {
    const record = this.#record;
    record.open(source, 0);
    const head = record.binsAt;
    const end = units * UNIT_SIZE_BYTES;
    const method = this.#settings.compression;
    if (method === "none" || record.binCount === 0 || end - head < BINS_SIZE_MIN) return units;
    const body = this.#pack(method, { bytes: source, start: head, end });
    const sizeBytes = head + HEAD_SIZE + body.length;
    const stored = Math.ceil(sizeBytes / UNIT_SIZE_BYTES);
    if (stored >= units) return units;
    if (this.#out.length < end) this.#out = new Uint8Array(2 * end);
    const out = this.#out;
    copyBytes(source, 0, out, 0, head);
    out[head] = COMPRESSION_METHOD[method];
    writeU32LE(out, head + 1, end - head);
    writeU32LE(out, head + 5, body.length);
    copyBytes(body, 0, out, head + HEAD_SIZE, body.length);
    out.fill(0, sizeBytes, stored * UNIT_SIZE_BYTES);
    this.#markCoded(source, stored);
    return stored;
  }

  #pack(
    method: keyof typeof COMPRESSION_METHOD,
    range: { bytes: Uint8Array; start: number; end: number },
  ): Uint8Array {
    const { compressionLevel, compressionAcceleration } = this.#settings;
    const sizeBytes = range.end - range.start;
    if (method === "zstd") {
      const level = compressionLevel === 0 ? ZSTD_LEVEL_DEFAULT : compressionLevel;
      return this.#compute.zstdCompress(range.bytes.subarray(range.start, range.end), level);
    }
    const sizeMax = Math.max(lz4SizeMax(sizeBytes), snappySizeMax(sizeBytes));
    if (this.#body.length < sizeMax) this.#body = new Uint8Array(2 * sizeMax);
    const size = method === "lz4"
      ? lz4Compress(range, this.#body, Math.max(1, compressionAcceleration))
      : snappyCompress(range, this.#body);
    return this.#body.subarray(0, size);
  }

  #unpack(method: number, packed: Uint8Array, out: Uint8Array): boolean {
    switch (method) {
      case METHOD_NONE:
        if (packed.length !== out.length) return false;
        out.set(packed);
        return true;
      case COMPRESSION_METHOD.lz4:
        return lz4Expand(packed, out);
      case COMPRESSION_METHOD.snappy:
        return snappyExpand(packed, out);
      case COMPRESSION_METHOD.zstd: {
        if (!this.#compute.hasZstd() || out.length === 0) return false;
        const body = this.#compute.zstdExpand(packed, out.length);
        if (body === undefined) return false;
        out.set(body);
        return true;
      }
      default:
        return false;
    }
  }
}
