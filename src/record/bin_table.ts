/**
 * The bins of one record while an operation looks at them or changes them: columns of typed arrays, no object per bin.
 *
 * A value is one of two things. Numbers (integer, float, bool) are two 32-bit words, `high` and `low`: a float's IEEE
 * bits, a bool's 0 or 1 in `low`. Everything else is a range of one of the table's buffers: the stored record, the
 * request, or scratch space where operations build new values. Nothing is copied until the record is encoded.
 *
 * A bin that is removed gives its place to the last bin, as the stock server does: clients see the order of bins.
 *
 * @module
 */

import {
  assert,
  BUILD_BUFFER_KEEP_BYTES,
  ByteBuffer,
  copyBytes,
  equalBytes,
  readU16,
  readU32,
  writeU32,
} from "../base/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { plainSize, writePlain } from "./cdt/head.ts";
import { isNumberParticle } from "./particle.ts";

/** Buffers that ranges of a table point into. */
export const SOURCE = { STORED: 0, REQUEST: 1, SCRATCH: 2 } as const;

/** Up to this many rows names are searched one after the other; beyond, through a hash table. */
const LINEAR_SEARCH_COUNT_MAX = 24;

/** Largest value of a bin in bytes where no namespace sets a limit: no write block holds more. */
const VALUE_SIZE_MAX = 8 * 1024 * 1024;

/** Hash slots that hold no row: never used, and used by a row that is gone. */
const EMPTY_SLOT = 0;
const FORGOTTEN_SLOT = -1;

/** Bins of one record; made once and filled again for each record. */
export class BinTable {
  /** Rows in use, removed ones included. */
  rowCount = 0;
  /** Bins that are there. */
  binCount = 0;
  /** Particle type per row; NULL marks a removed bin. */
  type: Uint8Array;
  /** Buffer of the name per row. */
  nameSource: Uint8Array;
  /** Offset of the name per row. */
  nameAt: Int32Array;
  /** Bytes of the name per row. */
  nameSize: Uint8Array;
  /** Buffer of the value per row. */
  valueSource: Uint8Array;
  /** Offset of the value per row. */
  valueAt: Int32Array;
  /** Bytes of the value per row. */
  valueSize: Int32Array;
  /** Upper word of a number per row. */
  high: Int32Array;
  /** Lower word of a number per row. */
  low: Int32Array;
  /** Slots of the hash table looked at since the start; tells whether names collide. */
  probeCount = 0;
  /** Largest value that operations may build, in bytes: no record holds a larger one. */
  valueSizeMaxBytes = VALUE_SIZE_MAX;
  /** Values that operations have built. */
  readonly scratch: ByteBuffer = new ByteBuffer(256);
  #stored: Uint8Array = new Uint8Array(0);
  #request: Uint8Array = new Uint8Array(0);
  readonly #seed: number;
  #nameHash: Int32Array;
  #slots: Int32Array = new Int32Array(0);
  #slotsRowCount = 0;
  #forgottenCount = 0;

  /**
   * @param capacity rows before the first growth
   * @param seed decides which names collide; random where clients choose the names, or one client could make every
   *   search in a wide record walk all its bins
   */
  constructor(capacity = 32, seed = 0x811c9dc5) {
    this.#seed = seed | 0;
    this.type = new Uint8Array(capacity);
    this.nameSource = new Uint8Array(capacity);
    this.nameAt = new Int32Array(capacity);
    this.nameSize = new Uint8Array(capacity);
    this.valueSource = new Uint8Array(capacity);
    this.valueAt = new Int32Array(capacity);
    this.valueSize = new Int32Array(capacity);
    this.high = new Int32Array(capacity);
    this.low = new Int32Array(capacity);
    this.#nameHash = new Int32Array(capacity);
  }

  /**
   * Empties the table.
   *
   * @param stored buffer that rows with source STORED point into
   * @param request buffer that rows with source REQUEST point into
   */
  reset(stored: Uint8Array, request: Uint8Array): void {
    this.rowCount = 0;
    this.binCount = 0;
    this.#slotsRowCount = 0;
    this.#stored = stored;
    this.#request = request;
    this.scratch.reset(BUILD_BUFFER_KEEP_BYTES);
  }

  /** The buffer behind a source. */
  buffer(source: number): Uint8Array {
    return source === SOURCE.STORED
      ? this.#stored
      : source === SOURCE.REQUEST
      ? this.#request
      : this.scratch.bytes;
  }

  /** Buffer that holds a row's name. */
  nameBuffer(row: number): Uint8Array {
    return this.buffer(this.nameSource[row]);
  }

  /** Buffer that holds a row's value. */
  valueBuffer(row: number): Uint8Array {
    return this.buffer(this.valueSource[row]);
  }

  /** Row of a bin by name, -1 when there is none. */
  find(bytes: Uint8Array, nameAt: number, nameSize: number): number {
    const hash = hashName(bytes, nameAt, nameSize, this.#seed);
    if (this.rowCount > LINEAR_SEARCH_COUNT_MAX) return this.#findInSlots(hash, bytes, nameAt, nameSize);
    for (let row = 0; row < this.rowCount; row++) {
      if (this.#nameHash[row] === hash && this.#isName(row, bytes, nameAt, nameSize)) return row;
    }
    return -1;
  }

  /**
   * Adds a row; the caller sets its value.
   *
   * @param source buffer of the name
   * @returns the new row, of type NULL until a value is set
   */
  add(source: number, nameAt: number, nameSize: number): number {
    if (this.rowCount === this.type.length) this.#grow();
    const row = this.rowCount++;
    this.type[row] = PARTICLE.NULL;
    this.nameSource[row] = source;
    this.nameAt[row] = nameAt;
    this.nameSize[row] = nameSize;
    this.#nameHash[row] = hashName(this.buffer(source), nameAt, nameSize, this.#seed);
    return row;
  }

  /** Sets a number. */
  setNumber(row: number, type: number, high: number, low: number): void {
    this.#count(row, type);
    this.high[row] = high;
    this.low[row] = low;
  }

  /** Sets a value that is a range of a buffer. */
  setRange(row: number, type: number, source: number, valueAt: number, valueSize: number): void {
    this.#count(row, type);
    this.valueSource[row] = source;
    this.valueAt[row] = valueAt;
    this.valueSize[row] = valueSize;
  }

  /**
   * Sets a value as it stands in a request; it has been checked by `checkParticle`.
   * Integers of 1, 2 and 4 bytes are extended with zeros, as the stock server does.
   */
  setFromRequest(row: number, type: number, valueAt: number, valueSize: number): void {
    const bytes = this.#request;
    if (!isNumberParticle(type)) {
      this.setRange(row, type, SOURCE.REQUEST, valueAt, valueSize);
    } else if (valueSize === 8) {
      this.setNumber(row, type, readU32(bytes, valueAt), readU32(bytes, valueAt + 4));
    } else if (valueSize === 4) {
      this.setNumber(row, type, 0, readU32(bytes, valueAt));
    } else {
      this.setNumber(row, type, 0, valueSize === 2 ? readU16(bytes, valueAt) : bytes[valueAt]);
    }
  }

  /** Whether a row's value is the end of `scratch` and no other row refers to it: it may be changed in place. */
  ownsScratchEnd(row: number): boolean {
    const valueAt = this.valueAt[row];
    const sizeBytes = this.valueSize[row];
    if (this.valueSource[row] !== SOURCE.SCRATCH || isNumberParticle(this.type[row])) return false;
    // Looking at all rows must not cost more than the copy that it saves.
    if (valueAt + sizeBytes !== this.scratch.length || sizeBytes < this.rowCount) return false;
    for (let other = 0; other < this.rowCount; other++) {
      if (other === row || this.valueSource[other] !== SOURCE.SCRATCH) continue;
      if (this.valueAt[other] + this.valueSize[other] > valueAt) return false;
    }
    return true;
  }

  /** Removes a bin; the last row takes its place. */
  remove(row: number): void {
    if (this.type[row] !== PARTICLE.NULL) this.binCount--;
    const last = --this.rowCount;
    this.#forgetRow(row, last);
    if (row === last) return;
    this.type[row] = this.type[last];
    this.nameSource[row] = this.nameSource[last];
    this.nameAt[row] = this.nameAt[last];
    this.nameSize[row] = this.nameSize[last];
    this.valueSource[row] = this.valueSource[last];
    this.valueAt[row] = this.valueAt[last];
    this.valueSize[row] = this.valueSize[last];
    this.high[row] = this.high[last];
    this.low[row] = this.low[last];
    this.#nameHash[row] = this.#nameHash[last];
  }

  /** Removes all bins. */
  clear(): void {
    this.rowCount = 0;
    this.binCount = 0;
    this.#slotsRowCount = 0;
  }

  /** Bytes of a row's value as it goes to a client: lists and maps without their persisted index. */
  wireSize(row: number): number {
    const type = this.type[row];
    if (type === PARTICLE.INTEGER || type === PARTICLE.FLOAT) return 8;
    if (type === PARTICLE.BOOL) return 1;
    if (type === PARTICLE.LIST || type === PARTICLE.MAP) {
      return plainSize(this.valueBuffer(row), this.valueAt[row], this.valueSize[row]);
    }
    return type === PARTICLE.NULL ? 0 : this.valueSize[row];
  }

  /** Writes a row's value as it goes to a client; `wireSize` bytes. */
  writeWire(row: number, target: Uint8Array, at: number): void {
    const type = this.type[row];
    if (type === PARTICLE.INTEGER || type === PARTICLE.FLOAT) {
      writeU32(target, at, this.high[row]);
      writeU32(target, at + 4, this.low[row]);
    } else if (type === PARTICLE.BOOL) {
      target[at] = this.low[row];
    } else if (type === PARTICLE.LIST || type === PARTICLE.MAP) {
      writePlain(this.valueBuffer(row), this.valueAt[row], this.valueSize[row], target, at);
    } else if (type !== PARTICLE.NULL) {
      copyBytes(this.valueBuffer(row), this.valueAt[row], target, at, this.valueSize[row]);
    }
  }

  #count(row: number, type: number): void {
    assert(type !== PARTICLE.NULL, "A bin's value needs a particle type");
    if (this.type[row] === PARTICLE.NULL) this.binCount++;
    this.type[row] = type;
  }

  #isName(row: number, bytes: Uint8Array, nameAt: number, nameSize: number): boolean {
    return this.nameSize[row] === nameSize &&
      equalBytes(this.nameBuffer(row), this.nameAt[row], bytes, nameAt, nameSize);
  }

  #findInSlots(hash: number, bytes: Uint8Array, nameAt: number, nameSize: number): number {
    this.#fillSlots();
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      this.probeCount++;
      if (this.#slots[slot] === EMPTY_SLOT) return -1;
      const row = this.#slots[slot] - 1;
      if (row >= 0 && this.#nameHash[row] === hash && this.#isName(row, bytes, nameAt, nameSize)) return row;
    }
  }

  /** The slot of a row; only rows that are in the hash table have one. */
  #slotOf(row: number): number {
    const mask = this.#slots.length - 1;
    let slot = this.#nameHash[row] & mask;
    while (this.#slots[slot] !== row + 1) slot = (slot + 1) & mask;
    return slot;
  }

  /** Brings the hash table up with the last row taking the place of `row`. */
  #forgetRow(row: number, last: number): void {
    if (last >= this.#slotsRowCount) {
      // The last row is not in the hash table yet: it is built anew at the next search.
      if (row < this.#slotsRowCount) this.#slotsRowCount = 0;
      return;
    }
    this.#slots[this.#slotOf(row)] = FORGOTTEN_SLOT;
    this.#forgottenCount++;
    if (row !== last) this.#slots[this.#slotOf(last)] = row + 1;
    this.#slotsRowCount = last;
  }

  /** Brings the hash table up to date; slots hold row + 1, and a quarter of them at least is empty. */
  #fillSlots(): void {
    let wanted = Math.max(64, this.#slots.length);
    while (wanted < this.rowCount * 2) wanted *= 2;
    if (wanted > this.#slots.length) {
      this.#slots = new Int32Array(wanted);
      this.#slotsRowCount = 0;
      this.#forgottenCount = 0;
    } else if (this.#slotsRowCount === 0 || this.rowCount + this.#forgottenCount > wanted * 0.75) {
      this.#slots.fill(EMPTY_SLOT);
      this.#slotsRowCount = 0;
      this.#forgottenCount = 0;
    }
    const mask = this.#slots.length - 1;
    for (let row = this.#slotsRowCount; row < this.rowCount; row++) {
      let slot = this.#nameHash[row] & mask;
      while (this.#slots[slot] !== EMPTY_SLOT) slot = (slot + 1) & mask;
      this.#slots[slot] = row + 1;
    }
    this.#slotsRowCount = this.rowCount;
  }

  #grow(): void {
    const capacity = this.type.length * 2;
    this.type = widen(this.type, new Uint8Array(capacity));
    this.nameSource = widen(this.nameSource, new Uint8Array(capacity));
    this.nameAt = widen(this.nameAt, new Int32Array(capacity));
    this.nameSize = widen(this.nameSize, new Uint8Array(capacity));
    this.valueSource = widen(this.valueSource, new Uint8Array(capacity));
    this.valueAt = widen(this.valueAt, new Int32Array(capacity));
    this.valueSize = widen(this.valueSize, new Int32Array(capacity));
    this.high = widen(this.high, new Int32Array(capacity));
    this.low = widen(this.low, new Int32Array(capacity));
    this.#nameHash = widen(this.#nameHash, new Int32Array(capacity));
  }
}

function widen<T extends Uint8Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** FNV-1a from a seed of our own; names are at most 15 bytes. */
function hashName(bytes: Uint8Array, at: number, size: number, seed: number): number {
  let hash = seed;
  for (let index = 0; index < size; index++) hash = Math.imul(hash ^ bytes[at + index], 0x01000193);
  return hash ^ (hash >>> 15);
}
