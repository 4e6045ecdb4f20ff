/**
 * Values of expressions on their way out: as msgpack (arguments of calls, elements of lists), as bins, as replies.
 *
 * @module
 */

import { type ByteBuffer, copyBytes, ResultCode, SCRATCH_SIZE_MAX, writeU32 } from "../../base/mod.ts";
import { PARTICLE, type ReplyWriter } from "../../wire/mod.ts";
import { type BinTable, SOURCE } from "../bin_table.ts";
import { appendStoredBin } from "../cdt/mod.ts";
import { plainSize, writePlain } from "../cdt/head.ts";
import { appendGeoParticle } from "../geo/mod.ts";
import { EXP_TYPE } from "./opcodes.ts";
import { type ExpValue, floatWords, writeFloat } from "./value.ts";

/** Particle type of each type of expression; undefined for those that are no value. */
const PARTICLE_OF_TYPE: Readonly<Record<number, number>> = {
  [EXP_TYPE.BOOL]: PARTICLE.BOOL,
  [EXP_TYPE.INT]: PARTICLE.INTEGER,
  [EXP_TYPE.STRING]: PARTICLE.STRING,
  [EXP_TYPE.LIST]: PARTICLE.LIST,
  [EXP_TYPE.MAP]: PARTICLE.MAP,
  [EXP_TYPE.BLOB]: PARTICLE.BLOB,
  [EXP_TYPE.FLOAT]: PARTICLE.FLOAT,
  [EXP_TYPE.GEOJSON]: PARTICLE.GEOJSON,
  [EXP_TYPE.HLL]: PARTICLE.HLL,
};

/** Particle type of a type of expression; NULL for what is no value. */
export function particleOfType(type: number): number {
  return PARTICLE_OF_TYPE[type] ?? PARTICLE.NULL;
}

/**
 * Appends a value as msgpack.
 *
 * @returns its offset, -1 for what has no form there
 */
export function encodeValue(target: ByteBuffer, type: number, value: ExpValue): number {
  const start = target.length;
  switch (type) {
    case EXP_TYPE.NIL:
      target.appendU8(0xc0);
      return start;
    case EXP_TYPE.BOOL:
      target.appendU8(0xc2 | value.low);
      return start;
    case EXP_TYPE.INT:
      encodeInteger(target, value.high, value.low);
      return start;
    case EXP_TYPE.FLOAT: {
      target.appendU8(0xcb);
      const at = target.reserve(8);
      writeFloat(target.bytes, at, value.float);
      target.length = at + 8;
      return start;
    }
    case EXP_TYPE.LIST:
    case EXP_TYPE.MAP: {
      const { at, bytes, size } = value;
      const sizeBytes = plainSize(bytes, at, size);
      const targetAt = target.reserve(sizeBytes);
      writePlain(bytes, at, size, target.bytes, targetAt);
      target.length = targetAt + sizeBytes;
      return start;
    }
    case EXP_TYPE.STRING:
    case EXP_TYPE.BLOB:
    case EXP_TYPE.GEOJSON:
    case EXP_TYPE.HLL:
      encodeText(target, particleOfType(type), value);
      return start;
    default:
      return -1;
  }
}

/** Appends an integer in its shortest form. */
function encodeInteger(target: ByteBuffer, high: number, low: number): void {
  if (high === 0 && low >= 0) {
    if (low < 0x80) return target.appendU8(low);
    if (low < 0x100) return target.appendU16(0xcc00 | low);
    if (low < 0x1_0000) {
      target.appendU8(0xcd);
      return target.appendU16(low);
    }
  } else if (high === -1 && low < 0) {
    if (low >= -0x20) return target.appendU8(low & 0xff);
    if (low >= -0x80) return target.appendU16(0xd000 | (low & 0xff));
    if (low >= -0x8000) {
      target.appendU8(0xd1);
      return target.appendU16(low & 0xffff);
    }
    target.appendU8(0xd2);
    return target.appendU32(low);
  }
  if (high === 0) {
    target.appendU8(0xce);
    return target.appendU32(low);
  }
  target.appendU8(high < 0 ? 0xd3 : 0xcf);
  target.appendU32(high);
  target.appendU32(low);
}

/** Appends a text behind its type byte. */
function encodeText(target: ByteBuffer, tag: number, value: ExpValue): void {
  const size = value.size + 1;
  if (size < 32) target.appendU8(0xa0 | size);
  else if (size < 0x100) target.appendU16(0xd900 | size);
  else if (size < 0x1_0000) {
    target.appendU8(0xda);
    target.appendU16(size);
  } else {
    target.appendU8(0xdb);
    target.appendU32(size);
  }
  target.appendU8(tag);
  target.append(value.bytes, value.at, value.at + value.size);
}

/** A bin that is to get a value. */
export interface ValueTarget {
  /** The record's bins. */
  readonly table: BinTable;
  /** Row of the bin, -1 when it must be added. */
  readonly row: number;
  /** Offset of the bin's name in the request. */
  readonly nameAt: number;
  /** Bytes of the name. */
  readonly nameSize: number;
}

/**
 * Sets a bin to a value, which has a particle type. It is copied, lists and maps into their stored form.
 *
 * @returns OK, PARAMETER or GEO_INVALID_GEOJSON when the value is a list, map or GeoJSON text that can't be stored, RECORD_TOO_BIG when the operations of
 *   one request have built too much
 */
export function storeValue(target: ValueTarget, type: number, value: ExpValue): ResultCode {
  const { table } = target;
  const { scratch } = table;
  const start = scratch.length;
  const isNumber = type === EXP_TYPE.BOOL || type === EXP_TYPE.INT || type === EXP_TYPE.FLOAT;
  if (!isNumber) {
    if (start + value.size > SCRATCH_SIZE_MAX) return ResultCode.RECORD_TOO_BIG;
    const copied = copyRange(scratch, type, value);
    if (copied !== ResultCode.OK) return copied;
  }
  const row = target.row >= 0 ? target.row : table.add(SOURCE.REQUEST, target.nameAt, target.nameSize);
  const particle = particleOfType(type);
  if (!isNumber) {
    table.setRange(row, particle, SOURCE.SCRATCH, start, scratch.length - start);
  } else if (type === EXP_TYPE.FLOAT) {
    const [high, low] = floatWords(value.float);
    table.setNumber(row, particle, high, low);
  } else {
    table.setNumber(row, particle, type === EXP_TYPE.BOOL ? 0 : value.high, value.low);
  }
  return ResultCode.OK;
}

function copyRange(scratch: ByteBuffer, type: number, { bytes, at, size }: ExpValue): ResultCode {
  switch (type) {
    case EXP_TYPE.LIST:
    case EXP_TYPE.MAP: {
      const stored = appendStoredBin({ bytes, at, end: at + size }, type === EXP_TYPE.MAP, scratch);
      return stored < 0 ? ResultCode.PARAMETER : ResultCode.OK;
    }
    case EXP_TYPE.GEOJSON:
      return appendGeoParticle(scratch, bytes, at, size) === 0
        ? ResultCode.GEO_INVALID_GEOJSON
        : ResultCode.OK;
    default:
      scratch.append(bytes, at, at + size);
      return ResultCode.OK;
  }
}

/** The operation that a reply answers. */
export interface RepliedOp {
  /** Operation id to echo. */
  op: number;
  /** Buffer of the bin name. */
  bytes: Uint8Array;
  /** Offset of the bin name. */
  nameAt: number;
  /** Bytes of the bin name. */
  nameSize: number;
}

/** Appends a value other than GeoJSON to a reply. */
export function replyValue(reply: ReplyWriter, op: RepliedOp, type: number, value: ExpValue): void {
  const particle = particleOfType(type);
  const at = reply.op(op.op, particle, op.bytes, op.nameAt, op.nameSize, wireSize(type, value));
  const target = reply.out.bytes;
  switch (type) {
    case EXP_TYPE.BOOL:
      target[at] = value.low;
      break;
    case EXP_TYPE.INT:
      writeU32(target, at, value.high);
      writeU32(target, at + 4, value.low);
      break;
    case EXP_TYPE.FLOAT:
      writeFloat(target, at, value.float);
      break;
    case EXP_TYPE.LIST:
    case EXP_TYPE.MAP:
      writePlain(value.bytes, value.at, value.size, target, at);
      break;
    default:
      copyBytes(value.bytes, value.at, target, at, value.size);
  }
}

function wireSize(type: number, value: ExpValue): number {
  switch (type) {
    case EXP_TYPE.NIL:
      return 0;
    case EXP_TYPE.BOOL:
      return 1;
    case EXP_TYPE.INT:
    case EXP_TYPE.FLOAT:
      return 8;
    case EXP_TYPE.LIST:
    case EXP_TYPE.MAP:
      return plainSize(value.bytes, value.at, value.size);
    default:
      return value.size;
  }
}
