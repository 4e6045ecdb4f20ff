/**
 * Helpers on bytes: numbers in network order, hexadecimal, text, comparison, and a buffer that grows.
 * All offsets are in bytes. None of the readers checks bounds beyond what typed arrays do: callers have checked.
 *
 * @module
 */

const textEncoder = new TextEncoder();
// A leading U+FEFF is part of a text that was stored, not a mark to be dropped.
const textDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Encodes text as UTF-8. */
export function utf8(text: string): Uint8Array {
  return textEncoder.encode(text);
}

/** Decodes UTF-8; ill-formed input becomes U+FFFD. */
export function utf8Decode(bytes: Uint8Array): string {
  return textDecoder.decode(bytes);
}

/** Reads an unsigned 16-bit integer in network order. */
export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

/** Reads an unsigned 16-bit little-endian integer. */
export function readU16LE(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8);
}

/** Reads an unsigned 32-bit integer in network order. */
export function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

/** Reads an unsigned 32-bit little-endian integer. */
export function readU32LE(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

/** Reads an unsigned 48-bit integer in network order. */
export function readU48(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at) * 0x1_0000_0000 + readU32(bytes, at + 2);
}

/** Reads an unsigned 64-bit integer in network order as a number: exact up to 2^53, nearest double above. */
export function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) * 0x1_0000_0000 + readU32(bytes, at + 4);
}

/** Writes an unsigned 16-bit integer in network order. */
export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Writes an unsigned 32-bit integer in network order. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Writes an unsigned 32-bit little-endian integer. */
export function writeU32LE(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** Writes an unsigned 48-bit integer in network order; `value` is below 2^48. */
export function writeU48(bytes: Uint8Array, at: number, value: number): void {
  writeU16(bytes, at, (value / 0x1_0000_0000) & 0xffff);
  writeU32(bytes, at + 2, value >>> 0);
}

/** Writes an unsigned 64-bit integer in network order; `value` is a non-negative safe integer. */
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / 0x1_0000_0000));
  writeU32(bytes, at + 4, value >>> 0);
}

const HEX_DIGITS = "0123456789abcdef";

/** Lower-case hexadecimal form of some bytes. */
export function toHex(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  let text = "";
  for (let at = start; at < end; at++) text += HEX_DIGITS[bytes[at] >>> 4] + HEX_DIGITS[bytes[at] & 15];
  return text;
}

/**
 * Bytes of a hexadecimal text.
 *
 * @throws {SyntaxError} when the text has an odd length or another character than hexadecimal digits
 */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new SyntaxError(
      `Cannot read "${text.slice(0, 40)}" as hexadecimal: expected pairs of digits 0-9, a-f`,
    );
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = parseInt(text.slice(at * 2, at * 2 + 2), 16);
  return bytes;
}

/** Whether two ranges of `countBytes` bytes are equal. */
export function equalBytes(
  left: Uint8Array,
  leftAt: number,
  right: Uint8Array,
  rightAt: number,
  countBytes: number,
): boolean {
  for (let at = 0; at < countBytes; at++) if (left[leftAt + at] !== right[rightAt + at]) return false;
  return true;
}

/** Whether all bytes are zero. */
export function isBlank(bytes: Uint8Array): boolean {
  let at = 0;
  if (bytes.byteOffset % 4 === 0) {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    for (let word = 0; word < words.length; word++) if (words[word] !== 0) return false;
    at = words.length * 4;
  }
  for (; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Below this many bytes a loop is faster than `Uint8Array.set` of a subarray. */
const COPY_LOOP_SIZE_MAX_BYTES = 32;

/** Up to so many characters a loop is faster than `TextEncoder.encodeInto`. */
const ASCII_LOOP_SIZE_MAX = 24;

/** Copies `countBytes` bytes; the ranges may be in the same buffer only when they do not overlap. */
export function copyBytes(
  source: Uint8Array,
  sourceAt: number,
  target: Uint8Array,
  targetAt: number,
  countBytes: number,
): void {
  if (countBytes <= COPY_LOOP_SIZE_MAX_BYTES) {
    for (let at = 0; at < countBytes; at++) target[targetAt + at] = source[sourceAt + at];
  } else {
    target.set(source.subarray(sourceAt, sourceAt + countBytes), targetAt);
  }
}

/**
 * A buffer that is appended to and grows by doubling. Callers `reserve` room, write into `bytes` themselves and move
 * `length`; `bytes` is replaced when the buffer grows, so it must not be kept across a `reserve`.
 */
export class ByteBuffer {
  /** The bytes; the first `length` of them are in use. */
  bytes: Uint8Array;
  /** Bytes in use. */
  length = 0;

  /** @param capacityBytes room before the first growth */
  constructor(capacityBytes = 1024) {
    this.bytes = new Uint8Array(capacityBytes);
  }

  /**
   * Makes room for `countBytes` more bytes.
   *
   * @returns the offset at which they may be written
   */
  reserve(countBytes: number): number {
    const wanted = this.length + countBytes;
    if (wanted > this.bytes.length) this.#grow(wanted);
    return this.length;
  }

  /** Appends a copy of some bytes. */
  append(source: Uint8Array, start = 0, end: number = source.length): void {
    const at = this.reserve(end - start);
    copyBytes(source, start, this.bytes, at, end - start);
    this.length = at + end - start;
  }

  /** Appends text as UTF-8. */
  appendText(text: string): void {
    const at = this.reserve(text.length * 3);
    this.length = at + (
      this.#writeShortAscii(text, at)
        ? text.length
        : textEncoder.encodeInto(text, this.bytes.subarray(at)).written
    );
  }

  /** Appends one byte. */
  appendU8(value: number): void {
    const at = this.reserve(1);
    this.bytes[at] = value;
    this.length = at + 1;
  }

  /** Appends an unsigned 16-bit integer in network order. */
  appendU16(value: number): void {
    const at = this.reserve(2);
    writeU16(this.bytes, at, value);
    this.length = at + 2;
  }

  /** Appends an unsigned 32-bit integer in network order. */
  appendU32(value: number): void {
    const at = this.reserve(4);
    writeU32(this.bytes, at, value);
    this.length = at + 4;
  }

  /** Drops the first `countBytes` bytes and moves the rest to the front. */
  consume(countBytes: number): void {
    if (countBytes === 0) return;
    this.bytes.copyWithin(0, countBytes, this.length);
    this.length -= countBytes;
  }

  /** Forgets the content; keeps at most `keepBytes` of capacity, so that one large use does not stay for ever. */
  reset(keepBytes = 64 * 1024): void {
    this.length = 0;
    if (this.bytes.length > keepBytes) this.bytes = new Uint8Array(keepBytes);
  }

  /** A view of the bytes in use, valid until the next append. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  /** A copy of the bytes in use. */
  toBytes(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  /** Names and the like, several times as fast as the encoder; false when the text is another. */
  #writeShortAscii(text: string, at: number): boolean {
    if (text.length > ASCII_LOOP_SIZE_MAX) return false;
    const { bytes } = this;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[at + index] = code;
    }
    return true;
  }

  #grow(wantedBytes: number): void {
    let capacity = Math.max(64, this.bytes.length);
    while (capacity < wantedBytes) capacity *= 2;
    const grown = new Uint8Array(capacity);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}
