/**
 * Lists, maps and arguments of operations in the server's dialect of msgpack: text and blobs carry their particle type
 * as first byte, ordered containers start with an extension element that readers skip.
 * Source: wire-protocol reference, section 4.6.
 *
 * @module
 */

import {
  ByteBuffer,
  copyBytes,
  MSGPACK_DEPTH_MAX,
  readU16,
  readU32,
  utf8,
  utf8Decode,
  WireError,
  writeU16,
} from "../base/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import {
  describeValue,
  Double,
  Extension,
  GeoJson,
  Hll,
  isPlainObject,
  isStoredAsInteger,
  readI64,
  TypedBlob,
  type Value,
  writeBigI64,
  writeI64,
} from "./value.ts";

/**
 * Appends a value.
 *
 * @param out receives the bytes
 * @param value the value
 * @throws {TypeError} when the value or one inside it is of an unknown kind
 * @throws {RangeError} when an integer has more than 64 bits, or lists and maps nest too deeply (or in a circle)
 */
export function appendMsgpack(out: ByteBuffer, value: Value): void {
  appendValue(out, value, 0);
}

/** A list of values as msgpack, for arguments of operations. */
export function encodeMsgpack(value: Value): Uint8Array {
  const out = new ByteBuffer(64);
  appendValue(out, value, 0);
  return out.toBytes();
}

function appendValue(out: ByteBuffer, value: Value, depth: number): void {
  switch (typeof value) {
    case "number":
      if (isStoredAsInteger(value)) appendInteger(out, value);
      else appendDouble(out, value);
      return;
    case "string":
      appendText(out, PARTICLE.STRING, value);
      return;
    case "boolean":
      out.appendU8(value ? 0xc3 : 0xc2);
      return;
    case "bigint":
      appendBigInteger(out, value);
      return;
    case "object":
      if (value === null) out.appendU8(0xc0);
      else appendObject(out, value, depth);
      return;
    default:
      throw new TypeError(`Cannot store ${describeValue(value)} in a list or map`);
  }
}

function appendObject(out: ByteBuffer, value: object, depth: number): void {
  if (value instanceof Uint8Array) appendBlob(out, PARTICLE.BLOB, value);
  else if (Array.isArray(value)) appendList(out, value, depth);
  else if (value instanceof Map) appendMap(out, value.size, value.entries(), depth);
  else if (value instanceof Double) appendDouble(out, value.value);
  else if (value instanceof GeoJson) appendText(out, PARTICLE.GEOJSON, value.text);
  else if (value instanceof Hll) appendBlob(out, PARTICLE.HLL, value.bytes);
  else if (value instanceof TypedBlob) appendBlob(out, value.type, value.bytes);
  else if (value instanceof Extension) appendExtension(out, value);
  else if (isPlainObject(value)) {
    const entries = Object.entries(value);
    appendMap(out, entries.length, entries, depth);
  } else throw new TypeError(`Cannot store ${describeValue(value)} in a list or map`);
}

function checkDepth(depth: number): void {
  if (depth >= MSGPACK_DEPTH_MAX) {
    throw new RangeError(`Cannot store lists and maps nested deeper than ${MSGPACK_DEPTH_MAX} levels`);
  }
}

function appendList(out: ByteBuffer, list: readonly Value[], depth: number): void {
  checkDepth(depth);
  appendCount(out, list.length, 0x90, 0xdc);
  for (let i = 0; i < list.length; i++) appendValue(out, list[i], depth + 1);
}

function appendMap(
  out: ByteBuffer,
  count: number,
  entries: Iterable<readonly [Value, Value]>,
  depth: number,
): void {
  checkDepth(depth);
  appendCount(out, count, 0x80, 0xde);
  for (const [key, value] of entries) {
    appendValue(out, key, depth + 1);
    appendValue(out, value, depth + 1);
  }
}

/** Counts up to 15 share a byte with the type; the 32-bit form's type follows the 16-bit form's. */
function appendCount(out: ByteBuffer, count: number, shortType: number, longType: number): void {
  if (count < 16) out.appendU8(shortType | count);
  else if (count < 0x1_0000) {
    out.appendU8(longType);
    out.appendU16(count);
  } else {
    out.appendU8(longType + 1);
    out.appendU32(count);
  }
}

function appendInteger(out: ByteBuffer, value: number): void {
  if (value >= 0) {
    if (value < 0x80) out.appendU8(value);
    else if (value < 0x100) appendTyped(out, 0xcc, 1, value);
    else if (value < 0x1_0000) appendTyped(out, 0xcd, 2, value);
    else if (value < 0x1_0000_0000) appendTyped(out, 0xce, 4, value);
    else appendLong(out, 0xcf, value);
  } else if (value >= -0x20) out.appendU8(value);
  else if (value >= -0x80) appendTyped(out, 0xd0, 1, value);
  else if (value >= -0x8000) appendTyped(out, 0xd1, 2, value);
  else if (value >= -0x8000_0000) appendTyped(out, 0xd2, 4, value);
  else appendLong(out, 0xd3, value);
}

function appendTyped(out: ByteBuffer, type: number, sizeBytes: number, value: number): void {
  out.appendU8(type);
  if (sizeBytes === 1) out.appendU8(value);
  else if (sizeBytes === 2) out.appendU16(value);
  else out.appendU32(value);
}

function appendLong(out: ByteBuffer, type: number, value: number): void {
  const at = out.reserve(9);
  out.bytes[at] = type;
  writeI64(out.bytes, at + 1, value);
  out.length = at + 9;
}

function appendBigInteger(out: ByteBuffer, value: bigint): void {
  const small = Number(value);
  if (Number.isSafeInteger(small)) return appendInteger(out, small);
  const at = out.reserve(9);
  out.bytes[at] = value < 0n ? 0xd3 : 0xcf;
  writeBigI64(out.bytes, at + 1, value);
  out.length = at + 9;
}

function appendDouble(out: ByteBuffer, value: number): void {
  const at = out.reserve(9);
  out.bytes[at] = 0xcb;
  new DataView(out.bytes.buffer, out.bytes.byteOffset + at + 1, 8).setFloat64(0, value);
  out.length = at + 9;
}

function appendText(out: ByteBuffer, particleType: number, text: string): void {
  if (text.length > 10) return appendBlob(out, particleType, utf8(text));
  const headAt = out.reserve(2 + text.length * 3);
  out.length = headAt + 1;
  out.appendU8(particleType);
  out.appendText(text);
  out.bytes[headAt] = 0xa0 | (out.length - headAt - 1);
}

function appendBlob(out: ByteBuffer, particleType: number, blob: Uint8Array): void {
  const sizeBytes = blob.length + 1;
  if (sizeBytes < 32) out.appendU8(0xa0 | sizeBytes);
  else if (sizeBytes < 0x100) appendTyped(out, 0xd9, 1, sizeBytes);
  else if (sizeBytes < 0x1_0000) appendTyped(out, 0xda, 2, sizeBytes);
  else appendTyped(out, 0xdb, 4, sizeBytes);
  out.appendU8(particleType);
  out.append(blob);
}

function appendExtension(out: ByteBuffer, extension: Extension): void {
  if (extension.bytes.length === 1) {
    out.appendU8(0xd4);
  } else {
    const at = out.reserve(3);
    out.bytes[at] = 0xc8;
    writeU16(out.bytes, at + 1, extension.bytes.length);
    out.length = at + 3;
  }
  out.appendU8(extension.type);
  out.append(extension.bytes);
}

/**
 * Reads one value that fills a range of bytes.
 *
 * @param bytes buffer
 * @param at offset of the value
 * @param end offset behind it
 * @returns the value, made of copies
 * @throws {WireError} when the bytes are not exactly one value, or nest too deeply
 */
export function decodeMsgpack(bytes: Uint8Array, at: number, end: number): Value {
  const reader = new MsgpackReader(bytes, at, end);
  const value = reader.value(0);
  if (reader.at !== end) {
    throw new WireError(`A list or map ends ${end - reader.at} bytes before its bin does`);
  }
  return value;
}

/** Stands for an ordering marker, which is no element. */
const MARKER = Symbol("ordering marker");

class MsgpackReader {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  value(depth: number): Value {
    const value = this.#element(depth);
    if (value === MARKER) throw new WireError("A list or map has an ordering marker where a value belongs");
    return value;
  }

  #element(depth: number): Value | typeof MARKER {
    const type = this.#bytes[this.#take(1)];
    if (type < 0x80) return type;
    if (type < 0x90) return this.#map(type & 0x0f, depth);
    if (type < 0xa0) return this.#list(type & 0x0f, depth);
    if (type < 0xc0) return this.#blob(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    return this.#long(type, depth);
  }

  #long(type: number, depth: number): Value | typeof MARKER {
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xd9:
        return this.#blob(this.#u8());
      case 0xc5:
      case 0xda:
        return this.#blob(this.#u16());
      case 0xc6:
      case 0xdb:
        return this.#blob(this.#u32());
      case 0xdc:
        return this.#list(this.#u16(), depth);
      case 0xdd:
        return this.#list(this.#u32(), depth);
      case 0xde:
        return this.#map(this.#u16(), depth);
      case 0xdf:
        return this.#map(this.#u32(), depth);
      default:
        return this.#numberOrExtension(type);
    }
  }

  #numberOrExtension(type: number): Value | typeof MARKER {
    switch (type) {
      case 0xca:
        return this.#view(4).getFloat32(0);
      case 0xcb:
        return this.#view(8).getFloat64(0);
      case 0xcc:
        return this.#u8();
      case 0xcd:
        return this.#u16();
      case 0xce:
        return this.#u32();
      case 0xcf:
        return this.#u64();
      case 0xd0:
        return this.#view(1).getInt8(0);
      case 0xd1:
        return this.#view(2).getInt16(0);
      case 0xd2:
        return this.#view(4).getInt32(0);
      case 0xd3:
        return readI64(this.#bytes, this.#take(8));
      case 0xc7:
        return this.#extension(this.#u8());
      case 0xc8:
        return this.#extension(this.#u16());
      case 0xc9:
        return this.#extension(this.#u32());
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (type - 0xd4));
      default:
        throw new WireError(`A list or map contains the unused type byte 0x${type.toString(16)}`);
    }
  }

  #extension(sizeBytes: number): Value | typeof MARKER {
    const at = this.#take(sizeBytes + 1);
    const type = this.#bytes[at];
    if (type !== 0xff) return MARKER;
    return new Extension(type, this.#bytes.slice(at + 1, at + 1 + sizeBytes));
  }

  #list(count: number, depth: number): Value {
    this.#enter(count, depth);
    const list: Value[] = [];
    for (let i = 0; i < count; i++) {
      const value = this.#element(depth + 1);
      if (value === MARKER) {
        if (i > 0) throw new WireError("A list has an ordering marker behind its first element");
      } else list.push(value);
    }
    return list;
  }

  #map(count: number, depth: number): Value {
    this.#enter(count * 2, depth);
    const map = new Map<Value, Value>();
    for (let i = 0; i < count; i++) {
      const key = this.#element(depth + 1);
      const value = this.value(depth + 1);
      if (key === MARKER) {
        if (i > 0) throw new WireError("A map has an ordering marker behind its first element");
      } else map.set(key, value);
    }
    return map;
  }

  /** Every element needs at least a byte: a count that promises more than is left is refused before any work. */
  #enter(count: number, depth: number): void {
    if (depth >= MSGPACK_DEPTH_MAX) {
      throw new WireError(`A list or map nests deeper than ${MSGPACK_DEPTH_MAX} levels`);
    }
    if (count > this.#end - this.at) {
      throw new WireError(`A list or map announces ${count} elements in ${this.#end - this.at} bytes`);
    }
  }

  #blob(sizeBytes: number): Value {
    const at = this.#take(sizeBytes);
    if (sizeBytes === 0) return "";
    return typedBytes(this.#bytes[at], this.#bytes, at + 1, at + sizeBytes);
  }

  #u8(): number {
    return this.#bytes[this.#take(1)];
  }

  #u16(): number {
    return readU16(this.#bytes, this.#take(2));
  }

  #u32(): number {
    return readU32(this.#bytes, this.#take(4));
  }

  #u64(): number | bigint {
    const at = this.#take(8);
    if (this.#bytes[at] < 0x80) return readI64(this.#bytes, at);
    return (BigInt(readU32(this.#bytes, at)) << 32n) | BigInt(readU32(this.#bytes, at + 4));
  }

  #view(sizeBytes: number): DataView {
    const at = this.#take(sizeBytes);
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, sizeBytes);
  }

  #take(sizeBytes: number): number {
    const at = this.at;
    if (sizeBytes > this.#end - at) {
      throw new WireError(`A list or map has ${this.#end - at} bytes left where it needs ${sizeBytes}`);
    }
    this.at = at + sizeBytes;
    return at;
  }
}

/** Text or blob of a particle type, as it stands in lists and maps. */
function typedBytes(particleType: number, bytes: Uint8Array, start: number, end: number): Value {
  switch (particleType) {
    case PARTICLE.STRING:
      return utf8Decode(bytes.subarray(start, end));
    case PARTICLE.BLOB:
      return bytes.slice(start, end);
    case PARTICLE.GEOJSON:
      return new GeoJson(utf8Decode(bytes.subarray(start, end)));
    case PARTICLE.HLL:
      return new Hll(bytes.slice(start, end));
    default: {
      const copy = new Uint8Array(end - start);
      copyBytes(bytes, start, copy, 0, end - start);
      return new TypedBlob(particleType, copy);
    }
  }
}
