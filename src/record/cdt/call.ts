/**
 * A call: the value of a CDT_READ or CDT_MODIFY operation, `[code, parameter, ...]`, or in the older form two bytes of
 * code and a list of parameters. Source: data type reference, section 2.1; wire-protocol reference, section 4.7.
 *
 * @module
 */

import { readU16, readU32 } from "../../base/mod.ts";
import { isListLead, isMapLead } from "./head.ts";
import { CLASS, classOf, integerValue, isInteger, parsed, readInteger, skipValue } from "./value.ts";

/** Parameters that a call may have; none needs as many. */
const PARAM_COUNT_MAX = 8;

/** Kinds of parameters; a `?` before the name marks one that may be left out. */
export type ParamKind = "integer" | "?integer" | "value" | "?value" | "list" | "map";

/** A call that was taken apart; made once and filled again for each call. */
export class CdtCall {
  /** Buffer that holds the call. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Operation code. */
  code = 0;
  /** Parameters that are there; may be more than are kept. */
  paramCount = 0;
  /** Offset of each parameter, and of the end of the last. */
  readonly paramAt: Int32Array = new Int32Array(PARAM_COUNT_MAX + 1);

  /**
   * Takes a call apart; what follows the list is left alone.
   *
   * @returns false when it is no list, has no code, or a parameter is cut off
   */
  parse(bytes: Uint8Array, at: number, end: number): boolean {
    this.bytes = bytes;
    if (end - at < 1) return false;
    if (bytes[at] === 0) return this.#parseLegacy(at, end);
    const contentAt = this.#readCount(at, end);
    if (contentAt < 0 || this.paramCount === 0) return false;
    const paramsAt = skipValue(bytes, contentAt, end);
    if (paramsAt < 0 || !isInteger(bytes, contentAt)) return false;
    this.code = integerValue(bytes, contentAt);
    this.paramCount--;
    return this.#findParams(paramsAt, end);
  }

  #parseLegacy(at: number, end: number): boolean {
    if (end - at < 2) return false;
    this.code = readU16(this.bytes, at);
    this.paramCount = 0;
    if (end - at === 2) return true;
    const contentAt = this.#readCount(at + 2, end);
    return contentAt >= 0 && this.#findParams(contentAt, end);
  }

  /** Reads the number of a list's elements into `paramCount`; the offset of the first, or -1. */
  #readCount(at: number, end: number): number {
    const lead = this.bytes[at];
    if (!isListLead(lead)) return -1;
    const size = lead === 0xdc ? 3 : lead === 0xdd ? 5 : 1;
    if (end - at < size) return -1;
    this.paramCount = size === 1
      ? lead & 0x0f
      : size === 3
      ? readU16(this.bytes, at + 1)
      : readU32(this.bytes, at + 1);
    return at + size;
  }

  #findParams(at: number, end: number): boolean {
    for (let index = 0; index < this.paramCount && index < PARAM_COUNT_MAX; index++) {
      this.paramAt[index] = at;
      at = skipValue(this.bytes, at, end);
      if (at < 0) return false;
      this.paramAt[index + 1] = at;
    }
    return true;
  }

  /** Whether the parameters are of these kinds: none missing, none too many. */
  matches(kinds: readonly ParamKind[]): boolean {
    if (kinds.length === 0) return true;
    if (this.paramCount > kinds.length) return false;
    for (let index = 0; index < kinds.length; index++) {
      const kind = kinds[index];
      if (index >= this.paramCount) return kind === "?integer" || kind === "?value";
      if (!this.#isOfKind(index, kind)) return false;
    }
    return true;
  }

  #isOfKind(index: number, kind: ParamKind): boolean {
    const lead = this.bytes[this.paramAt[index]];
    switch (kind) {
      case "integer":
      case "?integer":
        return isInteger(this.bytes, this.paramAt[index]);
      case "list":
        return isListLead(lead);
      case "map":
        return isMapLead(lead);
      default:
        return true;
    }
  }

  /** Whether a parameter is there. */
  has(index: number): boolean {
    return index < this.paramCount;
  }

  /** Whether a parameter is there and not nil. */
  hasValue(index: number): boolean {
    return index < this.paramCount && classOf(this.bytes, this.paramAt[index]) !== CLASS.NIL;
  }

  /** A parameter as a signed integer. */
  integer(index: number): number {
    return integerValue(this.bytes, this.paramAt[index]);
  }

  /** A parameter as a count: without one, and with a negative one, no limit. */
  count(index: number): number {
    if (index >= this.paramCount) return Infinity;
    const value = integerValue(this.bytes, this.paramAt[index]);
    return value < 0 ? Infinity : value;
  }

  /** The lower 32 bits of a parameter; 0 when it is not there. */
  flags(index: number): number {
    if (index >= this.paramCount) return 0;
    readInteger(this.bytes, this.paramAt[index]);
    return parsed.low;
  }
}
