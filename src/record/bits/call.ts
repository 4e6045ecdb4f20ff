/**
 * Bit calls `[code, parameter, …]` and what they may ask for.
 * Source: collection reference, section 5.1.
 *
 * @module
 */

import { BITS_BLOB_SIZE_MAX } from "../../base/mod.ts";
import { type ByteRange, CallReader } from "../call.ts";

/** Codes of bit operations. */
export const BITS_OP = {
  RESIZE: 0,
  INSERT: 1,
  REMOVE: 2,
  SET: 3,
  OR: 4,
  XOR: 5,
  AND: 6,
  NOT: 7,
  LSHIFT: 8,
  RSHIFT: 9,
  ADD: 10,
  SUBTRACT: 11,
  SET_INT: 12,
  GET: 50,
  COUNT: 51,
  LSCAN: 52,
  RSCAN: 53,
  GET_INT: 54,
} as const;

/** Flags of modifying calls. */
export const BITS_FLAG = { CREATE_ONLY: 1, UPDATE_ONLY: 2, NO_FAIL: 4, PARTIAL: 8 } as const;

/** Subflags of RESIZE. */
export const RESIZE_FLAG = { FROM_FRONT: 1, GROW_ONLY: 2, SHRINK_ONLY: 4 } as const;

/** Subflags of ADD, SUBTRACT and GET_INT. */
export const INTEGER_FLAG = { SIGNED: 1, SATURATE: 2, WRAP: 4 } as const;

const FLAGS_CREATE = BITS_FLAG.CREATE_ONLY | BITS_FLAG.UPDATE_ONLY | BITS_FLAG.NO_FAIL;
const FLAGS_RANGE = BITS_FLAG.UPDATE_ONLY | BITS_FLAG.NO_FAIL | BITS_FLAG.PARTIAL;
const FLAGS_INTEGER = BITS_FLAG.UPDATE_ONLY | BITS_FLAG.NO_FAIL;

/** Parameters in the order in which they come. */
type Parameter =
  | "byte offset"
  | "byte size"
  | "byte size of a part"
  | "bit offset"
  | "bit size"
  | "bit size of a part"
  | "integer size"
  | "buffer"
  | "shift"
  | "value"
  | "bool"
  | "flags"
  | "resize subflags"
  | "integer subflags"
  | "sign";

/** What a call consists of. */
interface Shape {
  /** Parameters. */
  readonly parameters: readonly Parameter[];
  /** How many of them must be there. */
  readonly requiredCount: number;
  /** Flags that may be set. */
  readonly flags: number;
}

function shape(requiredCount: number, flags: number, ...parameters: Parameter[]): Shape {
  return { parameters, requiredCount, flags };
}

const COMBINE_SHAPE = shape(3, FLAGS_RANGE, "bit offset", "bit size of a part", "buffer", "flags");
const SHIFT_SHAPE = shape(3, FLAGS_RANGE, "bit offset", "bit size", "shift", "flags");
const ADD_SHAPE = shape(
  3,
  FLAGS_INTEGER,
  "bit offset",
  "integer size",
  "value",
  "flags",
  "integer subflags",
);
const SCAN_SHAPE = shape(3, 0, "bit offset", "bit size", "bool");

/** Modifying calls by code. */
const MODIFY_SHAPES: readonly Shape[] = [
  shape(1, FLAGS_CREATE, "byte size", "flags", "resize subflags"),
  shape(2, FLAGS_CREATE, "byte offset", "buffer", "flags"),
  shape(2, FLAGS_RANGE, "byte offset", "byte size of a part", "flags"),
  COMBINE_SHAPE,
  COMBINE_SHAPE,
  COMBINE_SHAPE,
  COMBINE_SHAPE,
  shape(2, FLAGS_RANGE, "bit offset", "bit size", "flags"),
  SHIFT_SHAPE,
  SHIFT_SHAPE,
  ADD_SHAPE,
  ADD_SHAPE,
  shape(3, FLAGS_INTEGER, "bit offset", "integer size", "value", "flags"),
];

/** Reading calls by code, from GET on. */
const READ_SHAPES: readonly Shape[] = [
  shape(2, 0, "bit offset", "bit size"),
  shape(2, 0, "bit offset", "bit size"),
  SCAN_SHAPE,
  SCAN_SHAPE,
  shape(2, 0, "bit offset", "integer size", "sign"),
];

/** Largest offset, size or shift in bits. */
const BIT_COUNT_MAX = BITS_BLOB_SIZE_MAX * 8;
/** Largest integer field. */
const INTEGER_SIZE_BITS_MAX = 64;

/** A decoded call; made once and filled again. */
export class BitsCall {
  /** One of BITS_OP. */
  op = 0;
  /** Bytes or bits, as the operation counts; negative from the end. */
  offset = 0;
  /** Bytes or bits, as the operation counts. */
  size = 0;
  /** Bits to shift by. */
  shift = 0;
  /** Upper word of the value. */
  high = 0;
  /** Lower word of the value. */
  low = 0;
  /** Value that a scan looks for. */
  wanted = false;
  /** Bits of BITS_FLAG. */
  flags = 0;
  /** Bits of RESIZE_FLAG or INTEGER_FLAG. */
  subflags = 0;
  /** Buffer of the operand. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the operand, behind its type byte. */
  bufferAt = 0;
  /** Bytes of the operand. */
  bufferSize = 0;
  readonly #reader = new CallReader();

  /**
   * Decodes a call.
   *
   * @param modifies whether a modifying call is expected
   * @returns false when it is malformed (PARAMETER)
   */
  decode(call: ByteRange, modifies: boolean): boolean {
    const reader = this.#reader;
    if (!reader.open(call.bytes, call.at, call.sizeBytes) || !reader.integer()) return false;
    const shape = modifies ? MODIFY_SHAPES[reader.value] : READ_SHAPES[reader.value - BITS_OP.GET];
    if (shape === undefined) return false;
    if (reader.left < shape.requiredCount || reader.left > shape.parameters.length) return false;
    this.op = reader.value;
    this.bytes = call.bytes;
    this.flags = 0;
    this.subflags = 0;
    for (let index = 0; reader.left > 0; index++) {
      if (!this.#parameter(shape.parameters[index], shape)) return false;
    }
    return this.op < BITS_OP.SET || this.op > BITS_OP.AND || this.bufferSize * 8 >= this.size;
  }

  #parameter(parameter: Parameter, shape: Shape): boolean {
    const reader = this.#reader;
    if (parameter === "buffer") return this.#buffer();
    if (parameter === "bool") {
      if (!reader.bool()) return false;
      this.wanted = reader.flag;
      return true;
    }
    return reader.integer() && this.#integer(parameter, shape);
  }

  #buffer(): boolean {
    const reader = this.#reader;
    if (!reader.string() || reader.dataSize <= 1) return false;
    this.bufferAt = reader.dataAt + 1;
    this.bufferSize = reader.dataSize - 1;
    return true;
  }

  /** Takes the integer that has just been read. */
  #integer(parameter: Parameter, shape: Shape): boolean {
    const { value, high, low } = this.#reader;
    switch (parameter) {
      case "byte offset":
        this.offset = value;
        return Math.abs(value) <= BITS_BLOB_SIZE_MAX;
      case "bit offset":
        this.offset = value;
        return Math.abs(value) <= BIT_COUNT_MAX;
      case "byte size":
      case "byte size of a part":
        this.size = value;
        return value >= (parameter === "byte size" ? 0 : 1) && value <= BITS_BLOB_SIZE_MAX;
      case "bit size":
      case "bit size of a part":
        this.size = value;
        return value >= (parameter === "bit size" ? 0 : 1) && value <= BIT_COUNT_MAX;
      case "integer size":
        this.size = value;
        return value >= 1 && value <= INTEGER_SIZE_BITS_MAX;
      case "shift":
        this.shift = value;
        return value >= 0 && value <= BIT_COUNT_MAX;
      case "value":
        this.high = high;
        this.low = low;
        return true;
      case "flags":
        this.flags = value;
        return isSubset(value, shape.flags);
      default:
        this.subflags = value;
        return isSubset(value, SUBFLAGS[parameter as Subflags]) && !contradicts(parameter, value);
    }
  }
}

type Subflags = "resize subflags" | "integer subflags" | "sign";

const SUBFLAGS: Readonly<Record<Subflags, number>> = {
  "resize subflags": RESIZE_FLAG.FROM_FRONT | RESIZE_FLAG.GROW_ONLY | RESIZE_FLAG.SHRINK_ONLY,
  "integer subflags": INTEGER_FLAG.SIGNED | INTEGER_FLAG.SATURATE | INTEGER_FLAG.WRAP,
  "sign": INTEGER_FLAG.SIGNED,
};

function isSubset(value: number, allowed: number): boolean {
  return value >= 0 && value <= allowed && (value & ~allowed) === 0;
}

function contradicts(parameter: Parameter, subflags: number): boolean {
  const both = parameter === "resize subflags"
    ? RESIZE_FLAG.GROW_ONLY | RESIZE_FLAG.SHRINK_ONLY
    : INTEGER_FLAG.SATURATE | INTEGER_FLAG.WRAP;
  return parameter !== "sign" && (subflags & both) === both;
}
