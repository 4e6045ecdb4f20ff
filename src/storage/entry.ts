/**
 * The 64-byte entry of the primary index: sixteen 32-bit words. Source: server-operations reference, section 14.1; the
 * fields are the stock server's, laid out so that each is reached with aligned 32-bit reads.
 *
 * | word | bits  | field                                                                    |
 * | ---- | ----- | ------------------------------------------------------------------------ |
 * | 0-4  | 160   | digest, five big-endian words                                             |
 * | 5    | 32    | left child handle; next free entry while the entry is free                |
 * | 6    | 32    | right child handle                                                        |
 * | 7    | 32    | location of the flat record, in 16-byte units, lower bits                 |
 * | 8    | 20+12 | size of the flat record in units; location, upper bits                    |
 * | 9    | 32    | void-time in seconds since 2010, 0 for never                              |
 * | 10   | 32    | last update time, lower bits of milliseconds since 2010                   |
 * | 11   | 8+16+8| last update time, upper bits; generation; flags                           |
 * | 12   | 12+6  | set id; tree id                                                           |
 * | 12   | 8     | bits 24-31: write epoch                                                   |
 * | 13   | 32    | priority of the entry in its tree                                         |
 * | 14   | 32    | order time, lower bits; see `ENTRY_FLAG.OVERRULES`                       |
 * | 15   | 8     | order time, upper bits                                                   |
 *
 * @module
 */

import { readU32 } from "../base/mod.ts";

/** Words of an entry. */
export const ENTRY_WORD_COUNT = 16;
/** Bytes of an entry. */
export const ENTRY_SIZE_BYTES = ENTRY_WORD_COUNT * 4;

/** Word offsets within an entry. */
export const WORD = {
  DIGEST: 0,
  LEFT: 5,
  RIGHT: 6,
  LOCATION: 7,
  SIZE: 8,
  VOID_TIME: 9,
  LUT_LOW: 10,
  LUT_HIGH_GENERATION_FLAGS: 11,
  SET_AND_TREE: 12,
  PRIORITY: 13,
  ORDER_LOW: 14,
  ORDER_HIGH: 15,
} as const;

/** Flag bits of an entry. */
export const ENTRY_FLAG = {
  /** The record is a tombstone. */
  TOMBSTONE: 0x01,
  /** The user's key is stored with the record. */
  KEY_STORED: 0x02,
  /** An older copy on a device would outlive the record: its void-time is later, or it has none. */
  OUTLIVED: 0x04,
  /** A tombstone that goes unless an older copy is found; see `disk/tomb_scan.ts`. */
  DOOMED: 0x08,
  /** While a start replays blocks: the entry is from a checkpoint, its record was not found yet. */
  UNCONFIRMED: 0x10,
  /** On a device the record took the place of a later copy: a start goes by its order time. */
  OVERRULES: 0x20,
} as const;

const SIZE_BITS = 20;
const SIZE_MASK = 0x000f_ffff;
const SET_ID_MASK = 0x0fff;
const TREE_ID_SHIFT = 12;
const TREE_ID_MASK = 0x3f;
const WRITE_EPOCH_SHIFT = 24;
const TWO_TO_32 = 0x1_0000_0000;

/**
 * Points at one entry of the index. Made once and moved from entry to entry; invalid after any change of the index and
 * never kept across a turn of the event loop.
 */
export class EntryRef {
  /** Handle of the entry, 0 for none. */
  handle = 0;
  /** The chunk that holds the entry. */
  words: Uint32Array = new Uint32Array(ENTRY_WORD_COUNT);
  /** Index of the entry's first word in `words`. */
  base = 0;

  /** Location of the flat record in 16-byte units. */
  get location(): number {
    return (this.words[this.base + WORD.SIZE] >>> SIZE_BITS) * TWO_TO_32 +
      this.words[this.base + WORD.LOCATION];
  }

  /** Size of the flat record in 16-byte units. */
  get sizeUnits(): number {
    return this.words[this.base + WORD.SIZE] & SIZE_MASK;
  }

  /** Void-time in seconds since 2010, 0 for never. */
  get voidTime(): number {
    return this.words[this.base + WORD.VOID_TIME];
  }

  /** Last update time in ms since 2010. */
  get lastUpdateMs(): number {
    return (this.words[this.base + WORD.LUT_HIGH_GENERATION_FLAGS] >>> 24) * TWO_TO_32 +
      this.words[this.base + WORD.LUT_LOW];
  }

  /**
   * Time by which a start tells which copy of a record on a device was stored last, in ms since 2010: the last update
   * time, unless the record took the place of a later copy.
   */
  get orderMs(): number {
    if ((this.flags & ENTRY_FLAG.OVERRULES) === 0) return this.lastUpdateMs;
    return (this.words[this.base + WORD.ORDER_HIGH] & 0xff) * TWO_TO_32 +
      this.words[this.base + WORD.ORDER_LOW];
  }

  /** Sets the order time; the version was set before. */
  setOrder(orderMs: number): void {
    this.words[this.base + WORD.ORDER_LOW] = orderMs % TWO_TO_32;
    this.words[this.base + WORD.ORDER_HIGH] = Math.floor(orderMs / TWO_TO_32);
    this.setFlags(ENTRY_FLAG.OVERRULES, true);
  }

  /** Generation, 1 to 65535. */
  get generation(): number {
    return (this.words[this.base + WORD.LUT_HIGH_GENERATION_FLAGS] >>> 8) & 0xffff;
  }

  /** Flag bits. */
  get flags(): number {
    return this.words[this.base + WORD.LUT_HIGH_GENERATION_FLAGS] & 0xff;
  }

  /** Whether the entry is a tombstone. */
  get isTombstone(): boolean {
    return (this.words[this.base + WORD.LUT_HIGH_GENERATION_FLAGS] & ENTRY_FLAG.TOMBSTONE) !== 0;
  }

  /** Set id, 0 for none. */
  get setId(): number {
    return this.words[this.base + WORD.SET_AND_TREE] & SET_ID_MASK;
  }

  /** Points the entry at another place. */
  setLocation(location: number, sizeUnits: number): void {
    // A shift, because the remainder of a number that is no small integer costs a call.
    this.words[this.base + WORD.LOCATION] = location >>> 0;
    this.words[this.base + WORD.SIZE] = (Math.floor(location / TWO_TO_32) << SIZE_BITS) | sizeUnits;
  }

  /** Sets the void-time. */
  setVoidTime(voidTime: number): void {
    this.words[this.base + WORD.VOID_TIME] = voidTime;
  }

  /** Sets last update time, generation and flags together: they share a word. */
  setVersion(lastUpdateMs: number, generation: number, flags: number): void {
    const upper = Math.floor(lastUpdateMs / TWO_TO_32);
    this.words[this.base + WORD.LUT_LOW] = lastUpdateMs >>> 0;
    this.words[this.base + WORD.LUT_HIGH_GENERATION_FLAGS] = (upper << 24) | (generation << 8) | flags;
  }

  /** Sets or clears flag bits. */
  setFlags(flags: number, isSet: boolean): void {
    const word = this.base + WORD.LUT_HIGH_GENERATION_FLAGS;
    this.words[word] = isSet ? this.words[word] | flags : this.words[word] & ~flags;
  }

  /** Sets the set id. */
  setSetId(setId: number): void {
    const word = this.base + WORD.SET_AND_TREE;
    this.words[word] = (this.words[word] & ~SET_ID_MASK) | setId;
  }

  /** Tree id of the partition when the record was stored, 0 to 63. */
  get treeId(): number {
    return (this.words[this.base + WORD.SET_AND_TREE] >>> TREE_ID_SHIFT) & TREE_ID_MASK;
  }

  /** Sets the tree id. */
  setTreeId(treeId: number): void {
    const word = this.base + WORD.SET_AND_TREE;
    this.words[word] = (this.words[word] & ~(TREE_ID_MASK << TREE_ID_SHIFT)) | (treeId << TREE_ID_SHIFT);
  }

  /** Epoch of the store in which the record was written, or merged; see `NamespaceStore.mergedEpoch`. */
  get writeEpoch(): number {
    return this.words[this.base + WORD.SET_AND_TREE] >>> WRITE_EPOCH_SHIFT;
  }

  /** Sets the write epoch, 0 to 255. */
  setWriteEpoch(epoch: number): void {
    const word = this.base + WORD.SET_AND_TREE;
    this.words[word] = (this.words[word] & ~(0xff << WRITE_EPOCH_SHIFT)) | (epoch << WRITE_EPOCH_SHIFT);
  }

  /** Whether the entry has this digest. */
  hasDigest(bytes: Uint8Array, at: number): boolean {
    const { words, base } = this;
    for (let word = 0; word < 5; word++) {
      if (words[base + word] !== readU32(bytes, at + word * 4)) return false;
    }
    return true;
  }

  /** Writes the entry's digest, 20 bytes. */
  copyDigest(target: Uint8Array, at: number): void {
    for (let word = 0; word < 5; word++) {
      const value = this.words[this.base + word];
      target[at + word * 4] = value >>> 24;
      target[at + word * 4 + 1] = value >>> 16;
      target[at + word * 4 + 2] = value >>> 8;
      target[at + word * 4 + 3] = value;
    }
  }
}
