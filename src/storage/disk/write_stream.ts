/**
 * Appends records to one open block of a device after the other, in flush units. A device has two streams: what is
 * written, and what defragmentation moves.
 *
 * @module
 */

import { copyBytes, writeU32LE } from "../../base/mod.ts";
import type { DiskBlocks } from "./blocks.ts";
import { FlushUnit } from "./flush_unit.ts";
import {
  alignToPage,
  encodeUnitHeader,
  recordChecksum,
  storedSize,
  TRAILER_SIZE_BYTES,
  UNIT_FLAG,
  UNIT_HEADER_SIZE_BYTES,
} from "./layout.ts";

/** What a stream writes to and whom it tells. */
export interface WriteStreamOptions {
  /** All blocks. */
  blocks: DiskBlocks;
  /** Number of the device. */
  device: number;
  /** Flags of its units. */
  unitFlags: number;
  /** Free blocks that it leaves to others. */
  reservedBlockCount: number;
  /** A unit is ready to be written. */
  onSealed: (unit: FlushUnit) => void;
  /** A block takes nothing more; its last units may still wait to be written. */
  onClosed: (block: number) => void;
}

/** See the head of the file. */
export class WriteStream {
  /** Block that is appended to, -1 for none. */
  block = -1;
  /** The unit that is being filled. */
  unit: FlushUnit | undefined;
  /** The unit that was filled last. */
  lastSealed: FlushUnit | undefined;
  readonly #options: WriteStreamOptions;
  #fill = 0;
  readonly #range = { seed: 0, offsetBytes: 0 };

  /** @param options where to and for whom */
  constructor(options: WriteStreamOptions) {
    this.#options = options;
  }

  /** Whether a record of a size could be appended. */
  hasRoom(sizeBytes: number): boolean {
    return this.#fits(sizeBytes) || this.#mayOpen();
  }

  /** Bytes in the unit that is being filled. */
  get openBytes(): number {
    return this.unit === undefined ? 0 : this.#fill - this.unit.startBytes;
  }

  /**
   * Appends a flat record and its trailer.
   *
   * @param source begins with the record
   * @param units its size
   * @param position number of this append, counted over the namespace
   * @returns offset in the block now open, or -1 when the device has no free block
   */
  append(source: Uint8Array, sourceAt: number, units: number, position: number): number {
    const { blocks } = this.#options;
    const sizeBytes = storedSize(units);
    if (!this.#fits(sizeBytes) && !this.#openNext()) return -1;
    const unit = this.unit ??= this.#begin(position);
    const bytes = blocks.bytes[this.block]!;
    const at = this.#fill;
    const trailerAt = at + sizeBytes - TRAILER_SIZE_BYTES;
    copyBytes(source, sourceAt, bytes, at, sizeBytes - TRAILER_SIZE_BYTES);
    this.#range.seed = blocks.seed[this.block];
    this.#range.offsetBytes = at;
    writeU32LE(bytes, trailerAt, recordChecksum(bytes, at, trailerAt, this.#range));
    this.#fill += sizeBytes;
    unit.recordCount++;
    return at;
  }

  /** Ends the unit that is being filled and hands it over. */
  seal(): void {
    const { unit } = this;
    if (unit === undefined) return;
    const { blocks, unitFlags, onSealed } = this.#options;
    const bytes = blocks.bytes[this.block]!;
    unit.endBytes = alignToPage(this.#fill);
    bytes.fill(0, this.#fill, unit.endBytes);
    encodeUnitHeader(bytes, blocks.place(this.block), {
      offsetBytes: unit.startBytes,
      sequence: blocks.sequence[this.block],
      recordBytes: this.#fill - unit.startBytes - UNIT_HEADER_SIZE_BYTES,
      recordCount: unit.recordCount,
      flags: unitFlags,
    });
    this.#fill = unit.endBytes;
    this.unit = undefined;
    onSealed(unit);
  }

  /** Ends the open block. */
  close(): void {
    if (this.block < 0) return;
    this.seal();
    const { block } = this;
    this.block = -1;
    this.#options.onClosed(block);
  }

  #fits(sizeBytes: number): boolean {
    if (this.block < 0) return false;
    const headerBytes = this.unit === undefined ? UNIT_HEADER_SIZE_BYTES : 0;
    return this.#fill + headerBytes + sizeBytes <= this.#options.blocks.blockSizeBytes;
  }

  #mayOpen(): boolean {
    const { blocks, device, reservedBlockCount } = this.#options;
    return blocks.freeCount(device) > reservedBlockCount;
  }

  #openNext(): boolean {
    if (!this.#mayOpen()) return false;
    this.close();
    this.block = this.#options.blocks.open(this.#options.device);
    this.#fill = 0;
    return true;
  }

  #begin(position: number): FlushUnit {
    const isMove = (this.#options.unitFlags & UNIT_FLAG.DEFRAGMENTATION) !== 0;
    const unit = new FlushUnit({
      block: this.block,
      startBytes: this.#fill,
      firstPosition: position,
      isMove,
    });
    this.#fill += UNIT_HEADER_SIZE_BYTES;
    return unit;
  }
}
