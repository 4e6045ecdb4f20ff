/**
 * Bit operations the slow way: a blob is an array of booleans, an integer a bigint. Written from the reference alone,
 * for tests to compare with.
 *
 * @module
 */

import { ResultCode } from "../../base/mod.ts";
import { BITS_FLAG, BITS_OP, INTEGER_FLAG, RESIZE_FLAG } from "./call.ts";

/** A call before it is encoded. */
export interface ModelCall {
  /** One of BITS_OP. */
  op: number;
  /** Offset in bytes or bits. */
  offset: number;
  /** Size in bytes or bits. */
  size: number;
  /** Operand. */
  buffer: Uint8Array;
  /** Shift in bits. */
  shift: number;
  /** Value of integer operations. */
  value: bigint;
  /** Value that a scan looks for. */
  wanted: boolean;
  /** Flags. */
  flags: number;
  /** Subflags. */
  subflags: number;
}

/** What a call does to a blob. */
export interface ModelOutcome {
  /** Result code. */
  code: number;
  /** The blob afterwards; undefined when there is none. */
  blob: Uint8Array | undefined;
  /** Answer of a reading call. */
  answer?: bigint | Uint8Array;
}

/** Bits of a blob. */
export function toBits(blob: Uint8Array): boolean[] {
  return [...blob].flatMap((byte) =>
    Array.from({ length: 8 }, (_, index) => ((byte >> (7 - index)) & 1) === 1)
  );
}

/** A blob of bits; the last byte is filled with zeros. */
export function fromBits(bits: readonly boolean[]): Uint8Array {
  const blob = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, index) => {
    if (bit) blob[index >> 3] |= 0x80 >> (index & 7);
  });
  return blob;
}

function toInteger(bits: readonly boolean[]): bigint {
  return bits.reduce((value, bit) => value * 2n + (bit ? 1n : 0n), 0n);
}

function integerBits(value: bigint, size: number): boolean[] {
  const masked = BigInt.asUintN(size, value);
  return Array.from({ length: size }, (_, index) => ((masked >> BigInt(size - 1 - index)) & 1n) === 1n);
}

/** Applies a modifying call that is well-formed. */
export function modelModify(call: ModelCall, blob: Uint8Array | undefined): ModelOutcome {
  const tolerates = (call.flags & BITS_FLAG.NO_FAIL) !== 0;
  const fail = (code: number): ModelOutcome => ({ code: tolerates ? ResultCode.OK : code, blob });
  const parameter = { code: ResultCode.PARAMETER, blob };
  const isCreating = call.op === BITS_OP.RESIZE || call.op === BITS_OP.INSERT;
  if (blob === undefined && (!isCreating || (call.flags & BITS_FLAG.UPDATE_ONLY) !== 0)) return fail(17);
  if (blob !== undefined && (call.flags & BITS_FLAG.CREATE_ONLY) !== 0) return fail(6);
  const bytes = [...(blob ?? [])];
  const inBytes = call.op <= BITS_OP.REMOVE;
  if (call.op === BITS_OP.RESIZE) {
    const grows = call.size > bytes.length;
    const shrinks = call.size < bytes.length;
    if (shrinks && (call.subflags & RESIZE_FLAG.GROW_ONLY) !== 0) return fail(4);
    if (grows && (call.subflags & RESIZE_FLAG.SHRINK_ONLY) !== 0) return fail(4);
    if (blob === undefined && call.size === 0) return { code: 0, blob };
    const added = new Array(Math.max(0, call.size - bytes.length)).fill(0);
    const fromFront = (call.subflags & RESIZE_FLAG.FROM_FRONT) !== 0;
    const resized = fromFront
      ? [...added, ...bytes.slice(Math.max(0, bytes.length - call.size))]
      : [...bytes.slice(0, call.size), ...added];
    return { code: 0, blob: new Uint8Array(resized) };
  }
  const offset = call.offset < 0 ? call.offset + bytes.length * (inBytes ? 1 : 8) : call.offset;
  if (offset < 0) return parameter;
  if (call.op === BITS_OP.INSERT) {
    while (bytes.length < offset) bytes.push(0);
    bytes.splice(offset, 0, ...call.buffer);
    return { code: 0, blob: new Uint8Array(bytes) };
  }
  const isPartial = (call.flags & BITS_FLAG.PARTIAL) !== 0;
  const length = inBytes ? bytes.length : bytes.length * 8;
  if (offset >= length || (offset + call.size > length && !isPartial)) {
    return fail(inBytes ? ResultCode.PARAMETER : ResultCode.OP_NOT_APPLICABLE);
  }
  if (inBytes) {
    bytes.splice(offset, call.size);
    return { code: 0, blob: new Uint8Array(bytes) };
  }
  const bits = toBits(new Uint8Array(bytes));
  const changed = changedBits(call, bits.slice(offset, offset + call.size));
  if (changed === undefined) return fail(ResultCode.OP_NOT_APPLICABLE);
  bits.splice(offset, changed.length, ...changed);
  return { code: 0, blob: fromBits(bits) };
}

/** The range after a call; undefined when an integer overflows. */
function changedBits(call: ModelCall, range: boolean[]): boolean[] | undefined {
  const operand = toBits(call.buffer);
  const zeros = new Array<boolean>(Math.min(call.shift, range.length)).fill(false);
  switch (call.op) {
    case BITS_OP.SET:
      return range.map((_, index) => operand[index]);
    case BITS_OP.OR:
      return range.map((bit, index) => bit || operand[index]);
    case BITS_OP.XOR:
      return range.map((bit, index) => bit !== operand[index]);
    case BITS_OP.AND:
      return range.map((bit, index) => bit && operand[index]);
    case BITS_OP.NOT:
      return range.map((bit) => !bit);
    case BITS_OP.LSHIFT:
      return [...range.slice(zeros.length), ...zeros];
    case BITS_OP.RSHIFT:
      return [...zeros, ...range.slice(0, range.length - zeros.length)];
    case BITS_OP.SET_INT:
      return integerBits(call.value, range.length);
    default: {
      const sum = sumOf(call, toInteger(range));
      return sum === undefined ? undefined : integerBits(sum, range.length);
    }
  }
}

function sumOf(call: ModelCall, old: bigint): bigint | undefined {
  const { size } = call;
  const sign = call.op === BITS_OP.SUBTRACT ? -1n : 1n;
  const isSigned = (call.subflags & INTEGER_FLAG.SIGNED) !== 0;
  const cut = isSigned ? BigInt.asIntN : BigInt.asUintN;
  const left = cut(size, old);
  const right = sign * cut(size, call.value);
  const exact = left + right;
  const cutSum = cut(size, exact);
  // Twice the most negative integer gives 0, which the stock server does not see as an overflow; nor does it see one
  // when the old integer is 0.
  const isBlind = isSigned && (cutSum === 0n || left === 0n);
  if (cutSum === exact || isBlind || (call.subflags & INTEGER_FLAG.WRAP) !== 0) return cutSum;
  if ((call.subflags & INTEGER_FLAG.SATURATE) === 0) return undefined;
  const half = 1n << BigInt(size - 1);
  if (isSigned) return exact > 0n ? half - 1n : -half;
  return exact > 0n ? half * 2n - 1n : 0n;
}

/** Answers a reading call that is well-formed. */
export function modelRead(call: ModelCall, blob: Uint8Array): ModelOutcome {
  const bits = toBits(blob);
  const offset = call.offset < 0 ? call.offset + bits.length : call.offset;
  if (offset < 0) return { code: ResultCode.PARAMETER, blob };
  if (offset >= bits.length || offset + call.size > bits.length) {
    return { code: ResultCode.OP_NOT_APPLICABLE, blob };
  }
  const range = bits.slice(offset, offset + call.size);
  switch (call.op) {
    case BITS_OP.GET:
      return { code: 0, blob, answer: fromBits(range) };
    case BITS_OP.COUNT:
      return { code: 0, blob, answer: BigInt(range.filter((bit) => bit).length) };
    case BITS_OP.LSCAN:
      return { code: 0, blob, answer: BigInt(range.indexOf(call.wanted)) };
    case BITS_OP.RSCAN:
      return { code: 0, blob, answer: BigInt(range.lastIndexOf(call.wanted)) };
    default: {
      const isSigned = (call.subflags & INTEGER_FLAG.SIGNED) !== 0;
      const value = toInteger(range);
      return { code: 0, blob, answer: isSigned ? BigInt.asIntN(call.size, value) : BigInt.asIntN(64, value) };
    }
  }
}
