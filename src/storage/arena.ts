/**
 * Write blocks in memory: where flat records live, off the JavaScript heap.
 *
 * Memory is a row of blocks of 8 MiB. A place is a location: the number of a 16-byte unit, counted over all blocks.
 * Records are appended to the open block. The place of a record that is overwritten or deleted becomes a free slot, and
 * slots of the exact size are used again first: steady overwriting of records that keep their size neither grows memory
 * nor moves anything. What exact fit can't use again, defragmentation reclaims: a closed block whose use falls below
 * the low-water mark is emptied by moving its records elsewhere, a slice at a time.
 *
 * A free slot holds its own bookkeeping: magic, size, next and previous slot of the same class. Slots of up to
 * EXACT_CLASS_MAX units have a class per size; larger ones share classes, an eighth of a power of two each, where the
 * first slot that is large enough is taken and its rest becomes a slot again.
 *
 * Free slots are never joined while their block is closed: joining would need a way to find a slot's neighbours. Blocks
 * that are well filled, but whose slots fit no new record, are therefore emptied too when few empty blocks are left
 * ("scarcity"). When there is no room for the last records of an emptying block, what was freed is joined and used again.
 *
 * States of a block: open (appended to) → closed → emptying (defragmentation moves what is left) → empty (kept for the
 * next time a block is opened). Slots of an emptying block are dead: they are in no class and nothing is put there. The
 * block is walked twice: first all its slots die, so that its records don't move within it, then records are moved.
 *
 * @module
 */

import { assert, copyBytes } from "../base/mod.ts";
import { FLAT_MAGIC, flatSizeUnits, UNIT_SIZE_BYTES } from "./flat.ts";
import { NO_LOCATION, type RecordSpace } from "./space.ts";

/** Bytes of a write block; a record must fit into one. */
export const BLOCK_SIZE_BYTES = 8 * 1024 * 1024;
const BLOCK_UNIT_BITS = 19;
const BLOCK_UNITS = 1 << BLOCK_UNIT_BITS;
const BLOCK_UNIT_MASK = BLOCK_UNITS - 1;

const SLOT_MAGIC = 0xf4ee_f4ee;
const DEAD_MAGIC = 0xdead_f4ee;
const EXACT_CLASS_MAX = 1024;
const CLASS_COUNT = EXACT_CLASS_MAX + 1 + 8 * (BLOCK_UNIT_BITS - 10 + 1);
/** Blocks that are fuller than this are not emptied even when blocks are scarce: too much moving for too little room. */
const SCARCITY_USED_PCT_MAX = 90;
/** How many slots of a shared class are looked at before a larger class is tried. */
const FIRST_FIT_TRIES_MAX = 16;

/** Word offsets in a free slot. */
const SLOT = { MAGIC: 0, UNITS: 1, NEXT: 2, PREVIOUS: 3 } as const;

/** Life of a block. */
export const BLOCK_STATE = { EMPTY: 0, OPEN: 1, CLOSED: 2, EMPTYING: 3 } as const;

/** Memory in blocks. */
export class Arena implements RecordSpace {
  /** Memory is gone with the process. */
  readonly keepsOldCopies = false;
  /** See {@linkcode RecordSpace.appendedUnits}. */
  appendedUnits = 0;
  /** A record and the unit that is never in use fit into a block. */
  readonly recordUnitsMax: number = BLOCK_UNITS - 1;
  /** Blocks that the arena may use. */
  readonly blockCountMax: number;
  /** Units that records take. */
  usedUnits = 0;
  /** Blocks emptied by defragmentation since the start. */
  defragmentedBlocks = 0;
  /** Called when a block was opened, or fell below the low-water mark: defragmentation may be needed. */
  onPressure: (() => void) | undefined;
  readonly #bytes: (Uint8Array | undefined)[] = [];
  readonly #words: (Uint32Array | undefined)[] = [];
  readonly #blockUsedUnits: Uint32Array;
  // Use at which emptying was given up for want of room, so that it is not tried again for nothing.
  readonly #blockGivenUpUnits: Uint32Array;
  readonly #blockState: Uint8Array;
  readonly #classHeads = new Uint32Array(CLASS_COUNT);
  readonly #emptyBlocks: number[] = [];
  readonly #sparseBlocks: number[] = [];
  readonly #sparseQueued: Uint8Array;
  #openBlock = -1;
  #openUnit = 0;
  #lowWaterUnits = 0;
  #deadUnits = 0;

  /**
   * @param capacityBytes memory that may be used; at least one block
   * @param lowWaterPct closed blocks that are used less than this are emptied, 1 to 99
   */
  constructor(capacityBytes: number, lowWaterPct: number) {
    this.blockCountMax = Math.max(1, Math.floor(capacityBytes / BLOCK_SIZE_BYTES));
    this.#blockUsedUnits = new Uint32Array(this.blockCountMax);
    this.#blockGivenUpUnits = new Uint32Array(this.blockCountMax).fill(BLOCK_UNITS);
    this.#blockState = new Uint8Array(this.blockCountMax);
    this.#sparseQueued = new Uint8Array(this.blockCountMax);
    this.setLowWater(lowWaterPct);
  }

  /** Changes the use below which closed blocks are emptied, in percent; acts on blocks that are closed already, too. */
  setLowWater(lowWaterPct: number): void {
    const units = Math.floor(BLOCK_UNITS * lowWaterPct / 100);
    const rises = units > this.#lowWaterUnits;
    this.#lowWaterUnits = units;
    if (!rises) return;
    for (let block = 0; block < this.#bytes.length; block++) this.#considerSparse(block);
  }

  /** Memory that the arena may use, in bytes. */
  get totalBytes(): number {
    return this.blockCountMax * BLOCK_SIZE_BYTES;
  }

  /** Memory that records take, in bytes. */
  get usedBytes(): number {
    return this.usedUnits * UNIT_SIZE_BYTES;
  }

  /**
   * Memory that new records can get, in bytes: blocks not yet used, the rest of the open block, and free slots. Slots of
   * a block that is being emptied count only when that is done.
   */
  get availableBytes(): number {
    return this.totalBytes - this.usedBytes - this.#deadUnits * UNIT_SIZE_BYTES;
  }

  /** Blocks with memory of their own. */
  get mappedBlockCount(): number {
    let count = 0;
    for (const bytes of this.#bytes) if (bytes !== undefined) count++;
    return count;
  }

  /** Blocks that hold nothing. */
  get freeBlockCount(): number {
    return this.#emptyBlocks.length + this.blockCountMax - this.#bytes.length;
  }

  /** Blocks waiting to be defragmented. */
  get sparseBlockCount(): number {
    return this.#sparseBlocks.length;
  }

  /** The block that holds a location. */
  block(location: number): Uint8Array {
    return this.#bytes[location >>> BLOCK_UNIT_BITS]!;
  }

  /** Offset of a location in its block. */
  offset(location: number): number {
    return (location & BLOCK_UNIT_MASK) * UNIT_SIZE_BYTES;
  }

  /**
   * Finds room.
   *
   * @param units size in 16-byte units
   * @returns the location, or NO_LOCATION when there is no room
   */
  allocate(units: number): number {
    assert(units > 0 && units < BLOCK_UNITS, "A record fits into a block");
    let location = this.#takeSlot(units);
    if (location === NO_LOCATION) location = this.#append(units);
    if (location === NO_LOCATION) location = this.#takeLargerSlot(units);
    if (location === NO_LOCATION) return NO_LOCATION;
    this.usedUnits += units;
    this.#blockUsedUnits[location >>> BLOCK_UNIT_BITS] += units;
    return location;
  }

  /** See {@linkcode RecordSpace.append}. */
  append(source: Uint8Array, units: number): number {
    const location = this.allocate(units);
    if (location === NO_LOCATION) return NO_LOCATION;
    copyBytes(source, 0, this.block(location), this.offset(location), units * UNIT_SIZE_BYTES);
    this.appendedUnits = units;
    return location;
  }

  /** See {@linkcode RecordSpace.peek}. */
  peek(location: number, units: number): Uint8Array {
    const at = this.offset(location);
    return this.block(location).subarray(at, at + units * UNIT_SIZE_BYTES);
  }

  /** Gives room back; the bytes there are overwritten. */
  release(location: number, units: number): void {
    const block = location >>> BLOCK_UNIT_BITS;
    this.usedUnits -= units;
    this.#blockUsedUnits[block] -= units;
    if (this.#blockState[block] === BLOCK_STATE.EMPTYING) {
      this.#markDead(location, units);
      return;
    }
    this.#addSlot(location, units);
    this.#considerSparse(block);
  }

  /** Takes the next block below the low-water mark, -1 when there is none; the caller empties it with `sweep`. */
  startEmptying(): number {
    for (;;) {
      const block = this.#sparseBlocks.shift();
      if (block === undefined) return -1;
      this.#sparseQueued[block] = 0;
      if (this.#blockState[block] !== BLOCK_STATE.CLOSED) continue;
      if (this.#blockUsedUnits[block] >= this.#lowWaterUnits) continue;
      if (!this.#fitsElsewhere(block)) continue;
      this.#blockState[block] = BLOCK_STATE.EMPTYING;
      return block;
    }
  }

  /**
   * Takes the least used closed block although it may be above the low-water mark, -1 when none is worth it. Blocks that
   * were given up are left alone until they hold less.
   */
  startEmptyingForRoom(): number {
    let least = -1;
    let leastUnits = Math.floor(BLOCK_UNITS * SCARCITY_USED_PCT_MAX / 100);
    for (let block = 0; block < this.#bytes.length; block++) {
      const usedUnits = this.#blockUsedUnits[block];
      if (this.#blockState[block] !== BLOCK_STATE.CLOSED || usedUnits >= leastUnits) continue;
      if (usedUnits >= this.#blockGivenUpUnits[block]) continue;
      least = block;
      leastUnits = usedUnits;
    }
    if (least >= 0) this.#blockState[least] = BLOCK_STATE.EMPTYING;
    return least;
  }

  /**
   * Walks an emptying block.
   *
   * @param block number of the block
   * @param cursor where to go on, 0 at first
   * @param options `move`: called with the location of each record; it must move the record away and release this
   *   place; `false` when there was no room. `slotCountMax`: slots and records to look at. `unitCountMax`: units after
   *   which to stop anyway
   * @returns where to go on, or -1 when the block is empty now (or, for want of room, closed again)
   */
  sweep(
    block: number,
    cursor: number,
    options: { move: (location: number) => boolean; slotCountMax: number; unitCountMax?: number },
  ): number {
    const words = this.#words[block]!;
    const bytes = this.#bytes[block]!;
    let isMoving = cursor >= BLOCK_UNITS;
    let unit = cursor & BLOCK_UNIT_MASK;
    const unitEnd = unit + (options.unitCountMax ?? BLOCK_UNITS);
    for (let count = 0; count < options.slotCountMax; count++) {
      // Unit 0 of block 0 is never in use.
      if (unit === 0 && block === 0) unit = 1;
      const magic = words[unit * 4 + SLOT.MAGIC];
      const isRecord = magic === FLAT_MAGIC;
      assert(
        isRecord || magic === SLOT_MAGIC || magic === DEAD_MAGIC,
        "A closed block is a row of records and slots",
      );
      const units = isRecord ? flatSizeUnits(bytes, unit * UNIT_SIZE_BYTES) : words[unit * 4 + SLOT.UNITS];
      const location = block * BLOCK_UNITS + unit;
      if (magic === SLOT_MAGIC) {
        this.#unlink(location);
        this.#markDead(location, units);
      } else if (isRecord && isMoving && !options.move(location)) {
        return this.#giveUpEmptying(block);
      }
      unit += units;
      if (unit < BLOCK_UNITS && unit < unitEnd) continue;
      if (unit < BLOCK_UNITS) break;
      if (isMoving) return this.#finishEmptying(block);
      isMoving = true;
      unit = 0;
    }
    return unit + (isMoving ? BLOCK_UNITS : 0);
  }

  #fitsElsewhere(block: number): boolean {
    if (this.freeBlockCount > 0) return true;
    const freeElsewhere = this.blockCountMax * BLOCK_UNITS - this.usedUnits - this.#deadUnits -
      (BLOCK_UNITS - this.#blockUsedUnits[block]);
    return freeElsewhere > this.#blockUsedUnits[block];
  }

  #finishEmptying(block: number): number {
    assert(this.#blockUsedUnits[block] === 0, "An emptied block holds nothing");
    this.#blockState[block] = BLOCK_STATE.EMPTY;
    this.#blockGivenUpUnits[block] = BLOCK_UNITS;
    this.#deadUnits -= BLOCK_UNITS - firstUnit(block);
    // One spare block is kept for the next opening; the memory of more goes back to the system.
    if (this.#emptyBlocks.some((other) => this.#bytes[other] !== undefined)) {
      freeNow(this.#bytes[block]!);
      this.#bytes[block] = undefined;
      this.#words[block] = undefined;
    }
    this.#emptyBlocks.push(block);
    this.defragmentedBlocks++;
    return -1;
  }

  /** No room for the rest: the dead slots become usable again, neighbours joined. */
  #giveUpEmptying(block: number): number {
    this.#blockState[block] = BLOCK_STATE.CLOSED;
    this.#blockGivenUpUnits[block] = this.#blockUsedUnits[block];
    const words = this.#words[block]!;
    let deadAt = -1;
    for (let unit = firstUnit(block); unit < BLOCK_UNITS;) {
      const isDead = words[unit * 4 + SLOT.MAGIC] === DEAD_MAGIC;
      const units = isDead
        ? words[unit * 4 + SLOT.UNITS]
        : flatSizeUnits(this.#bytes[block]!, unit * UNIT_SIZE_BYTES);
      if (isDead && deadAt < 0) deadAt = unit;
      if (!isDead && deadAt >= 0) {
        this.#revive(block, deadAt, unit);
        deadAt = -1;
      }
      unit += units;
    }
    if (deadAt >= 0) this.#revive(block, deadAt, BLOCK_UNITS);
    return -1;
  }

  #revive(block: number, start: number, end: number): void {
    this.#deadUnits -= end - start;
    this.#addSlot(block * BLOCK_UNITS + start, end - start);
  }

  #considerSparse(block: number): void {
    if (this.#blockState[block] !== BLOCK_STATE.CLOSED || this.#sparseQueued[block] === 1) return;
    if (this.#blockUsedUnits[block] >= this.#lowWaterUnits) return;
    this.#sparseQueued[block] = 1;
    this.#sparseBlocks.push(block);
    this.onPressure?.();
  }

  #append(units: number): number {
    if (this.#openBlock < 0 || this.#openUnit + units > BLOCK_UNITS) {
      if (!this.#openNext()) return NO_LOCATION;
    }
    const location = this.#openBlock * BLOCK_UNITS + this.#openUnit;
    this.#openUnit += units;
    return location;
  }

  /** Closes the open block, its rest becoming a slot, and opens another. */
  #openNext(): boolean {
    const block = this.#emptyBlocks.pop() ??
      (this.#bytes.length < this.blockCountMax ? this.#bytes.length : -1);
    if (block < 0) return false;
    this.#closeOpen();
    if (this.#bytes[block] === undefined) {
      const buffer = new ArrayBuffer(BLOCK_SIZE_BYTES);
      this.#bytes[block] = new Uint8Array(buffer);
      this.#words[block] = new Uint32Array(buffer);
    }
    this.#blockState[block] = BLOCK_STATE.OPEN;
    this.#openBlock = block;
    this.#openUnit = firstUnit(block);
    this.onPressure?.();
    return true;
  }

  #closeOpen(): void {
    if (this.#openBlock < 0) return;
    const rest = BLOCK_UNITS - this.#openUnit;
    this.#blockState[this.#openBlock] = BLOCK_STATE.CLOSED;
    if (rest > 0) this.#addSlot(this.#openBlock * BLOCK_UNITS + this.#openUnit, rest);
    this.#considerSparse(this.#openBlock);
    this.#openBlock = -1;
  }

  #takeSlot(units: number): number {
    if (units > EXACT_CLASS_MAX) return this.#firstFit(classOf(units), units);
    const location = this.#classHeads[units];
    if (location !== NO_LOCATION) this.#unlink(location);
    return location;
  }

  /** The last resort before "no room": a slot that is larger than needed. */
  #takeLargerSlot(units: number): number {
    for (let slotClass = classOf(units) + 1; slotClass < CLASS_COUNT; slotClass++) {
      const location = this.#firstFit(slotClass, units);
      if (location !== NO_LOCATION) return location;
    }
    return NO_LOCATION;
  }

  #firstFit(slotClass: number, units: number): number {
    let location = this.#classHeads[slotClass];
    for (let tries = 0; location !== NO_LOCATION && tries < FIRST_FIT_TRIES_MAX; tries++) {
      const found = this.#slotWord(location, SLOT.UNITS);
      if (found >= units) {
        this.#unlink(location);
        if (found > units) this.#addSlot(location + units, found - units);
        return location;
      }
      location = this.#slotWord(location, SLOT.NEXT);
    }
    return NO_LOCATION;
  }

  #slotWord(location: number, word: number): number {
    return this.#words[location >>> BLOCK_UNIT_BITS]![(location & BLOCK_UNIT_MASK) * 4 + word];
  }

  #setSlotWord(location: number, word: number, value: number): void {
    this.#words[location >>> BLOCK_UNIT_BITS]![(location & BLOCK_UNIT_MASK) * 4 + word] = value;
  }

  #addSlot(location: number, units: number): void {
    const slotClass = classOf(units);
    const head = this.#classHeads[slotClass];
    this.#setSlotWord(location, SLOT.MAGIC, SLOT_MAGIC);
    this.#setSlotWord(location, SLOT.UNITS, units);
    this.#setSlotWord(location, SLOT.NEXT, head);
    this.#setSlotWord(location, SLOT.PREVIOUS, NO_LOCATION);
    if (head !== NO_LOCATION) this.#setSlotWord(head, SLOT.PREVIOUS, location);
    this.#classHeads[slotClass] = location;
  }

  #unlink(location: number): void {
    const next = this.#slotWord(location, SLOT.NEXT);
    const previous = this.#slotWord(location, SLOT.PREVIOUS);
    if (previous !== NO_LOCATION) this.#setSlotWord(previous, SLOT.NEXT, next);
    else this.#classHeads[classOf(this.#slotWord(location, SLOT.UNITS))] = next;
    if (next !== NO_LOCATION) this.#setSlotWord(next, SLOT.PREVIOUS, previous);
  }

  #markDead(location: number, units: number): void {
    this.#deadUnits += units;
    this.#setSlotWord(location, SLOT.MAGIC, DEAD_MAGIC);
    this.#setSlotWord(location, SLOT.UNITS, units);
  }
}

/**
 * Gives a block's memory back at once. Dropping it would leave that to the garbage collector, which takes its time, and
 * stops the world when much memory off the heap has gathered.
 */
function freeNow(bytes: Uint8Array): void {
  // Node 20 lacks it.
  const buffer: { transfer?: (sizeBytes: number) => ArrayBuffer } = bytes.buffer as ArrayBuffer;
  buffer.transfer?.(0);
}

/** Unit 0 of block 0 stays unused, so that location 0 can mean "none". */
function firstUnit(block: number): number {
  return block === 0 ? 1 : 0;
}

/** Class of a slot by its size. */
function classOf(units: number): number {
  if (units <= EXACT_CLASS_MAX) return units;
  const power = 31 - Math.clz32(units);
  return EXACT_CLASS_MAX + 1 + (power - 10) * 8 + ((units >>> (power - 3)) & 7);
}
