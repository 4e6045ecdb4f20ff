/**
 * Bin values to particles and back. Source: wire-protocol reference, sections 4.3 and 4.5.
 *
 * @module
 */

import { type ByteBuffer, readU16, utf8Decode, WireError } from "../base/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { appendMsgpack, decodeMsgpack } from "./msgpack_values.ts";
import {
  describeValue,
  Double,
  Extension,
  GeoJson,
  Hll,
  isStoredAsInteger,
  readI64,
  TypedBlob,
  type Value,
  writeBigI64,
  writeI64,
} from "./value.ts";

/**
 * Appends a value's bytes.
 *
 * @returns the particle type
 * @throws {TypeError} when the value is of an unknown kind
 * @throws {RangeError} when an integer has more than 64 bits, or lists and maps nest too deeply
 */
export function appendParticle(out: ByteBuffer, value: Value): number {
  switch (typeof value) {
    case "number":
      return isStoredAsInteger(value) ? appendInteger(out, value) : appendDouble(out, value);
    case "string":
      out.appendText(value);
      return PARTICLE.STRING;
    case "boolean":
      out.appendU8(value ? 1 : 0);
      return PARTICLE.BOOL;
    case "bigint":
      return appendBigInteger(out, value);
    case "object":
      return value === null ? PARTICLE.NULL : appendObject(out, value);
    default:
      throw new TypeError(`Cannot store ${describeValue(value)} in a bin; null removes a bin`);
  }
}

function appendObject(out: ByteBuffer, value: NonNullable<Value> & object): number {
  if (value instanceof Uint8Array) return appendBytes(out, PARTICLE.BLOB, value);
  if (value instanceof Double) return appendDouble(out, value.value);
  if (value instanceof Hll) return appendBytes(out, PARTICLE.HLL, value.bytes);
  if (value instanceof TypedBlob) return appendBytes(out, value.type, value.bytes);
  if (value instanceof GeoJson) {
    out.appendU8(0);
    out.appendU16(0);
    out.appendText(value.text);
    return PARTICLE.GEOJSON;
  }
  if (value instanceof Extension) throw new TypeError("Cannot store a wildcard or infinity in a bin");
  appendMsgpack(out, value);
  return Array.isArray(value) ? PARTICLE.LIST : PARTICLE.MAP;
}

function appendBytes(out: ByteBuffer, particleType: number, bytes: Uint8Array): number {
  out.append(bytes);
  return particleType;
}

function appendInteger(out: ByteBuffer, value: number): number {
  const at = out.reserve(8);
  writeI64(out.bytes, at, value);
  out.length = at + 8;
  return PARTICLE.INTEGER;
}

function appendBigInteger(out: ByteBuffer, value: bigint): number {
  const at = out.reserve(8);
  writeBigI64(out.bytes, at, value);
  out.length = at + 8;
  return PARTICLE.INTEGER;
}

function appendDouble(out: ByteBuffer, value: number): number {
  const at = out.reserve(8);
  new DataView(out.bytes.buffer, out.bytes.byteOffset + at, 8).setFloat64(0, value);
  out.length = at + 8;
  return PARTICLE.FLOAT;
}

/**
 * Reads a particle.
 *
 * @param type particle type
 * @param bytes buffer that holds the value; nothing of it is kept
 * @param range where the value stands
 * @throws {WireError} when the bytes don't fit the type
 */
export function decodeParticle(type: number, bytes: Uint8Array, range: { at: number; end: number }): Value {
  const { at, end } = range;
  switch (type) {
    case PARTICLE.NULL:
      return null;
    case PARTICLE.INTEGER:
      checkSize("integer", end - at, 8);
      return readI64(bytes, at);
    case PARTICLE.FLOAT:
      checkSize("float", end - at, 8);
      return new DataView(bytes.buffer, bytes.byteOffset + at, 8).getFloat64(0);
    case PARTICLE.BOOL:
      checkSize("bool", end - at, 1);
      return bytes[at] !== 0;
    case PARTICLE.STRING:
      return utf8Decode(bytes.subarray(at, end));
    case PARTICLE.BLOB:
      return bytes.slice(at, end);
    case PARTICLE.HLL:
      return new Hll(bytes.slice(at, end));
    case PARTICLE.LIST:
    case PARTICLE.MAP:
      return decodeMsgpack(bytes, at, end);
    case PARTICLE.GEOJSON:
      return decodeGeoJson(bytes, at, end);
    default:
      return new TypedBlob(type, bytes.slice(at, end));
  }
}

function decodeGeoJson(bytes: Uint8Array, at: number, end: number): GeoJson {
  const cellCount = end - at < 3 ? 0 : readU16(bytes, at + 1);
  const textAt = at + 3 + 8 * cellCount;
  if (textAt > end) throw new WireError(`A GeoJSON value of ${end - at} bytes announces ${cellCount} cells`);
  return new GeoJson(utf8Decode(bytes.subarray(textAt, end)));
}

function checkSize(what: string, haveBytes: number, wantBytes: number): void {
  if (haveBytes !== wantBytes) {
    throw new WireError(`A ${what} value has ${haveBytes} bytes: expected ${wantBytes}`);
  }
}
