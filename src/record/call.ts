/**
 * What bit and HyperLogLog calls have in common: the range of bytes that a call or a value is, a reader of a call's
 * msgpack parameters, the edit of one value, and the result of a call. Objects of these classes are made once and
 * filled again, so that a call allocates nothing. They know nothing of bins: a value may be a bin's, or lie inside a
 * list, a map or an expression.
 * Source: collection reference, sections 1.1, 1.2, 5 and 6.
 *
 * @module
 */

import {
  type ByteBuffer,
  copyBytes,
  readU16,
  readU32,
  ResultCode,
  SCRATCH_SIZE_MAX,
  writeU32,
} from "../base/mod.ts";
import { msgpackSkip, PARTICLE } from "../wire/mod.ts";

/** Some bytes of a buffer. */
export class ByteRange {
  /** The buffer. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the first byte. */
  at = 0;
  /** Number of bytes. */
  sizeBytes = 0;

  /** Points to other bytes. */
  set(bytes: Uint8Array, at: number, sizeBytes: number): this {
    this.bytes = bytes;
    this.at = at;
    this.sizeBytes = sizeBytes;
    return this;
  }
}

/** Reads a call `[code, parameter, …]`; each reader tells whether the next parameter has the wanted type. */
export class CallReader {
  /** The buffer that holds the call. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Parameters that have not been read. */
  left = 0;
  /** Upper word of the last integer. */
  high = 0;
  /** Lower word of the last integer. */
  low = 0;
  /** The last integer as a number; above 2^63 it is negative, beyond 2^53 not exact. */
  value = 0;
  /** The last bool. */
  flag = false;
  /** Offset of the last string's bytes, its type byte included, or of the last value as a whole. */
  dataAt = 0;
  /** Bytes of the last string or value. */
  dataSize = 0;
  /** Offset of the next parameter. */
  at = 0;
  /** End of the call. */
  end = 0;

  /**
   * Opens a call or a list inside one.
   *
   * @returns false when the bytes don't begin with a list
   */
  open(bytes: Uint8Array, at: number, sizeBytes: number): boolean {
    this.bytes = bytes;
    this.at = at;
    this.end = at + sizeBytes;
    if (sizeBytes === 0) return false;
    const type = bytes[at];
    if (type >= 0x90 && type <= 0x9f) {
      this.left = type & 0x0f;
      this.at = at + 1;
      return true;
    }
    const headerSize = type === 0xdc ? 3 : type === 0xdd ? 5 : 0;
    if (headerSize === 0 || headerSize > sizeBytes) return false;
    this.left = headerSize === 3 ? readU16(bytes, at + 1) : readU32(bytes, at + 1);
    this.at = at + headerSize;
    return true;
  }

  /** Reads an integer of any width. */
  integer(): boolean {
    if (this.left === 0 || this.at >= this.end) return false;
    const type = this.bytes[this.at];
    if (type <= 0x7f || type >= 0xe0) {
      this.low = type <= 0x7f ? type : type - 0x100;
      this.high = this.low >> 31;
      this.value = this.low;
      this.at++;
      this.left--;
      return true;
    }
    if (type < 0xcc || type > 0xd3) return false;
    const sizeBytes = 1 << (type & 3);
    if (this.end - this.at <= sizeBytes) return false;
    this.#wideInteger(type >= 0xd0, this.at + 1, sizeBytes);
    this.at += 1 + sizeBytes;
    this.left--;
    return true;
  }

  #wideInteger(signed: boolean, at: number, sizeBytes: number): void {
    const { bytes } = this;
    let high = 0;
    let low = 0;
    if (sizeBytes === 8) {
      high = readU32(bytes, at) | 0;
      low = readU32(bytes, at + 4) | 0;
    } else {
      for (let index = 0; index < sizeBytes; index++) low = (low << 8) | bytes[at + index];
      const spareBits = 32 - sizeBytes * 8;
      if (signed) low = (low << spareBits) >> spareBits;
      if (signed) high = low >> 31;
    }
    this.high = high;
    this.low = low;
    this.value = high * 0x1_0000_0000 + (low >>> 0);
  }

  /** Reads a bool. */
  bool(): boolean {
    if (this.left === 0 || this.at >= this.end) return false;
    const type = this.bytes[this.at];
    if (type !== 0xc2 && type !== 0xc3) return false;
    this.flag = type === 0xc3;
    this.at++;
    this.left--;
    return true;
  }

  /** Reads a string; `dataAt` is behind its msgpack header, at the type byte. */
  string(): boolean {
    if (this.left === 0 || this.at >= this.end) return false;
    const headerSize = stringHeaderSize(this.bytes[this.at]);
    if (headerSize === 0 || !this.any()) return false;
    this.dataAt += headerSize;
    this.dataSize -= headerSize;
    return true;
  }

  /** Reads a value of any type as a whole. */
  any(): boolean {
    if (this.left === 0) return false;
    const next = msgpackSkip(this.bytes, this.at, { end: this.end });
    if (next < 0) return false;
    this.dataAt = this.at;
    this.dataSize = next - this.at;
    this.at = next;
    this.left--;
    return true;
  }
}

/** Bytes of the msgpack header of a string, in any of its forms; 0 when a type byte opens something else. */
export function stringHeaderSize(type: number): number {
  if (type >= 0xa0 && type <= 0xbf) return 1;
  switch (type) {
    case 0xc4:
    case 0xd9:
      return 2;
    case 0xc5:
    case 0xda:
      return 3;
    case 0xc6:
    case 0xdb:
      return 5;
    default:
      return 0;
  }
}

/** A value that a call reads or changes. */
export class ValueEdit {
  /** Particle type; NULL when there is no value yet. */
  type: number = PARTICLE.NULL;
  /** The value as it is. */
  readonly old: ByteRange = new ByteRange();
  /** Whether the value is the end of `out` and nobody else refers to it, so that it may be changed in place. */
  isOwned = false;
  /** Largest value that may be built, in bytes. */
  sizeMaxBytes = 0;
  /** Whether the call has built a new value. */
  isChanged = false;
  /** Offset of the new value in `out`. */
  newAt = 0;
  /** Bytes of the new value. */
  newSizeBytes = 0;
  /** Where new values and results are built. */
  out: ByteBuffer;

  /** @param out where new values and results are built */
  constructor(out: ByteBuffer) {
    this.out = out;
  }

  /** Starts with a value: `old` has been set by the caller. */
  start(type: number, isOwned: boolean, sizeMaxBytes: number): void {
    this.type = type;
    this.isOwned = isOwned;
    this.sizeMaxBytes = sizeMaxBytes;
    this.isChanged = false;
  }

  /** Whether a value of that many bytes may be built; asked before anything is allocated. */
  check(sizeBytes: number): ResultCode {
    return sizeBytes > this.sizeMaxBytes || this.out.length + sizeBytes > SCRATCH_SIZE_MAX
      ? ResultCode.RECORD_TOO_BIG
      : ResultCode.OK;
  }

  /** Where the old value can be changed byte by byte: a copy in `out`, or the value itself when it is owned. */
  change(): number {
    const { out, old } = this;
    this.isChanged = true;
    this.newSizeBytes = old.sizeBytes;
    this.newAt = this.isOwned ? old.at : out.reserve(old.sizeBytes);
    if (!this.isOwned) {
      copyBytes(old.bytes, old.at, out.bytes, this.newAt, old.sizeBytes);
      out.length = this.newAt + old.sizeBytes;
    }
    return this.newAt;
  }

  /** Room for a new value, not cleared; the old value stays readable until `built`. */
  build(sizeBytes: number): number {
    this.newAt = this.out.reserve(sizeBytes);
    this.newSizeBytes = sizeBytes;
    return this.newAt;
  }

  /** Ends what `build` began: an owned old value gives its place to the new one. */
  built(): void {
    const { out } = this;
    this.isChanged = true;
    if (this.isOwned) {
      out.bytes.copyWithin(this.old.at, this.newAt, this.newAt + this.newSizeBytes);
      this.newAt = this.old.at;
    }
    out.length = this.newAt + this.newSizeBytes;
  }
}

/** What a call answers. */
export class CallResult {
  /** Particle type of the answer; NULL when there is none. */
  type: number = PARTICLE.NULL;
  /** Upper word of an integer or of a float's bits. */
  high = 0;
  /** Lower word of an integer or of a float's bits. */
  low = 0;
  /** Offset in the edit's `out` of any other answer, which is the end of `out`. */
  at = 0;
  /** Bytes of any other answer. */
  sizeBytes = 0;

  /** No answer. */
  setNone(): void {
    this.type = PARTICLE.NULL;
  }

  /** A 64-bit integer. */
  setWords(high: number, low: number): void {
    this.type = PARTICLE.INTEGER;
    this.high = high;
    this.low = low;
  }

  /** An integer of at most 53 bits, or the nearest one above. */
  setInteger(value: number): void {
    this.setWords(Math.floor(value / 0x1_0000_0000) | 0, value | 0);
  }

  /** A float. */
  setFloat(value: number): void {
    floatView.setFloat64(0, value);
    this.type = PARTICLE.FLOAT;
    this.high = floatView.getInt32(0);
    this.low = floatView.getInt32(4);
  }

  /** Bytes at the end of the edit's `out`. */
  setRange(type: number, at: number, sizeBytes: number): void {
    this.type = type;
    this.at = at;
    this.sizeBytes = sizeBytes;
  }

  /** Bytes of the answer as it goes to a client. */
  wireSize(): number {
    return this.type === PARTICLE.NULL
      ? 0
      : this.type === PARTICLE.INTEGER || this.type === PARTICLE.FLOAT
      ? 8
      : this.sizeBytes;
  }

  /** Writes the answer as it goes to a client; `out` is the edit's. */
  writeWire(out: ByteBuffer, target: Uint8Array, at: number): void {
    if (this.type === PARTICLE.INTEGER || this.type === PARTICLE.FLOAT) {
      writeU32(target, at, this.high);
      writeU32(target, at + 4, this.low);
    } else if (this.type !== PARTICLE.NULL) {
      copyBytes(out.bytes, this.at, target, at, this.sizeBytes);
    }
  }
}

const floatView = new DataView(new ArrayBuffer(8));
