/**
 * Reads the msgpack of an expression token by token. Everything is checked against the end; nothing is copied.
 *
 * @module
 */

import { readU16, readU32 } from "../../base/mod.ts";
import { isMsgpackList, isMsgpackMap, msgpackSkip } from "../../wire/mod.ts";
import { readFloat32, wordsToFloat } from "./value.ts";

/** Kinds of token. */
export const TOKEN = { BAD: 0, NIL: 1, BOOL: 2, INT: 3, FLOAT: 4, TEXT: 5, LIST: 6, MAP: 7, EXT: 8 } as const;

/** A place in some msgpack, and the token last read. */
export class TokenReader {
  /** The msgpack. */
  readonly bytes: Uint8Array;
  /** Offset of the next token. */
  at: number;
  /** End of the msgpack. */
  readonly end: number;
  /** Upper word of an integer. */
  high = 0;
  /** Lower word of an integer; 0 or 1 for a bool; items of a list; pairs of a map. */
  low = 0;
  /** A float. */
  float = 0;
  /** Offset of a text's bytes. */
  textAt = 0;
  /** Bytes of a text. */
  textSize = 0;

  /** @param bytes kept by reference */
  constructor(bytes: Uint8Array, at = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /**
   * Reads a token and moves behind it: behind the header of a list, behind the whole of everything else.
   *
   * @returns its kind; BAD when it is malformed or cut
   */
  next(): number {
    const { bytes, at, end } = this;
    if (at >= end) return TOKEN.BAD;
    const type = bytes[at];
    if (isMsgpackList(type)) return this.#list(type);
    const next = msgpackSkip(bytes, at, { end });
    if (next < 0) return TOKEN.BAD;
    this.at = next;
    if (isMsgpackMap(type)) return TOKEN.MAP;
    if (type <= 0x7f || type >= 0xe0) return this.#integer(type <= 0x7f ? 0 : -1, (type << 24) >> 24);
    if (type <= 0xbf) return this.#text(at + 1);
    return this.#long(type, at);
  }

  /** Reads an integer; false for another token. */
  integer(): boolean {
    return this.next() === TOKEN.INT;
  }

  /** Moves behind a value; its start, or -1 when it is malformed. */
  skip(): number {
    const start = this.at;
    const next = msgpackSkip(this.bytes, start, { end: this.end });
    if (next < 0) return -1;
    this.at = next;
    return start;
  }

  /** Whether the next value is a list. */
  atList(): boolean {
    return this.at < this.end && isMsgpackList(this.bytes[this.at]);
  }

  #list(type: number): number {
    const { bytes, at } = this;
    const size = type <= 0x9f ? 1 : type === 0xdc ? 3 : 5;
    if (at + size > this.end) return TOKEN.BAD;
    this.low = size === 1 ? type & 0x0f : size === 3 ? readU16(bytes, at + 1) : readU32(bytes, at + 1);
    this.at = at + size;
    return this.low > this.end - this.at ? TOKEN.BAD : TOKEN.LIST;
  }

  #integer(high: number, low: number): number {
    this.high = high;
    this.low = low;
    return TOKEN.INT;
  }

  #text(textAt: number): number {
    this.textAt = textAt;
    this.textSize = this.at - textAt;
    return TOKEN.TEXT;
  }

  /** Tokens c0 to df. */
  #long(type: number, at: number): number {
    const { bytes } = this;
    switch (type) {
      case 0xc0:
        return TOKEN.NIL;
      case 0xc2:
      case 0xc3:
        this.low = type & 1;
        return TOKEN.BOOL;
      case 0xc4:
      case 0xd9:
        return this.#text(at + 2);
      case 0xc5:
      case 0xda:
        return this.#text(at + 3);
      case 0xc6:
      case 0xdb:
        return this.#text(at + 5);
      case 0xca:
        this.float = readFloat32(bytes, at + 1);
        return TOKEN.FLOAT;
      case 0xcb:
        this.float = wordsToFloat(readU32(bytes, at + 1), readU32(bytes, at + 5));
        return TOKEN.FLOAT;
      case 0xcc:
        return this.#integer(0, bytes[at + 1]);
      case 0xcd:
        return this.#integer(0, readU16(bytes, at + 1));
      case 0xce:
        return this.#integer(0, readU32(bytes, at + 1) | 0);
      case 0xd0:
        return this.#signed((bytes[at + 1] << 24) >> 24);
      case 0xd1:
        return this.#signed((readU16(bytes, at + 1) << 16) >> 16);
      case 0xd2:
        return this.#signed(readU32(bytes, at + 1) | 0);
      case 0xcf:
      case 0xd3:
        return this.#integer(readU32(bytes, at + 1) | 0, readU32(bytes, at + 5) | 0);
      default:
        return TOKEN.EXT;
    }
  }

  #signed(low: number): number {
    return this.#integer(low >> 31, low);
  }
}
