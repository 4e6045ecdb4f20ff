/**
 * Lists in fields of type 11: a msgpack list of unsigned integers, or of byte strings. Byte strings are written in the
 * old raw form (a0, d9, da, db), which is what stock nodes write; the newer binary form is read too.
 * Source: clustering reference, sections 3.3 and 9.5.
 *
 * @module
 */

import { type ByteBuffer, readU16, readU32, writeU64 } from "../base/mod.ts";
import { PEER_FIELD, type PeerReader, type PeerWriter } from "./peer_envelope.ts";
import { readSafeU64 } from "./peer_ids.ts";

/** Walks the values of one list. */
class ListCursor {
  readonly #reader: PeerReader;
  readonly #id: number;
  #at: number;
  readonly #end: number;

  constructor(reader: PeerReader, id: number) {
    this.#reader = reader;
    this.#id = id;
    this.#at = reader.valueAt;
    this.#end = reader.valueAt + reader.valueSize;
  }

  /** Number of values, at most `countMax` and at most as many as there are bytes left. */
  header(countMax: number): number {
    const type = this.#byte();
    const count = type >= 0x90 && type <= 0x9f
      ? type & 0x0f
      : type === 0xdc
      ? this.#number(2)
      : type === 0xdd
      ? this.#number(4)
      : this.#fail("is not a list");
    if (count > countMax) return this.#fail(`has ${count} values, at most ${countMax} are taken`);
    if (count > this.#end - this.#at) return this.#fail("promises more values than there are bytes");
    return count;
  }

  uint(): number {
    const type = this.#byte();
    if (type <= 0x7f) return type;
    if (type >= 0xcc && type <= 0xcf) return this.#number(1 << (type - 0xcc));
    return this.#fail("has a value that is not an unsigned integer");
  }

  /** A view of a byte string; null for nil. */
  blob(): Uint8Array | null {
    const type = this.#byte();
    if (type === 0xc0) return null;
    const sizeBytes = this.#blobSize(type);
    if (sizeBytes > this.#end - this.#at) this.#fail("ends inside a value");
    const at = this.#at;
    this.#at = Math.min(this.#end, at + sizeBytes);
    return this.#reader.bytes.subarray(at, this.#at);
  }

  finish(): void {
    if (this.#at !== this.#end) this.#fail("goes on after its last value");
  }

  #blobSize(type: number): number {
    if (type >= 0xa0 && type <= 0xbf) return type & 0x1f;
    if (type === 0xd9 || type === 0xc4) return this.#number(1);
    if (type === 0xda || type === 0xc5) return this.#number(2);
    if (type === 0xdb || type === 0xc6) return this.#number(4);
    return this.#fail("has a value that is not a byte string");
  }

  #byte(): number {
    return this.#at < this.#end ? this.#reader.bytes[this.#at++] : this.#fail("ends inside a value");
  }

  #number(sizeBytes: number): number {
    const at = this.#at;
    if (sizeBytes > this.#end - at) return this.#fail("ends inside a value");
    this.#at = at + sizeBytes;
    const { bytes } = this.#reader;
    if (sizeBytes === 1) return bytes[at];
    if (sizeBytes === 2) return readU16(bytes, at);
    if (sizeBytes === 4) return readU32(bytes, at);
    const value = readSafeU64(bytes, at);
    return value < 0 ? this.#fail("has a value of 2^53 or more") : value;
  }

  #fail(fault: string): 0 {
    this.#reader.fail(`field ${this.#id} ${fault}`);
    this.#at = this.#end;
    return 0;
  }
}

/** A list of unsigned integers below 2^53; undefined when the field is absent. */
export function readUintList(reader: PeerReader, id: number, countMax: number): number[] | undefined {
  if (!reader.find(id, PEER_FIELD.MSGPACK)) return undefined;
  const cursor = new ListCursor(reader, id);
  const values: number[] = [];
  for (let count = cursor.header(countMax); count > 0 && reader.fault === ""; count--) {
    values.push(cursor.uint());
  }
  cursor.finish();
  return values;
}

/** A list of byte strings as views into the message, null for nil; undefined when the field is absent. */
export function readBlobList(
  reader: PeerReader,
  id: number,
  countMax: number,
): (Uint8Array | null)[] | undefined {
  if (!reader.find(id, PEER_FIELD.MSGPACK)) return undefined;
  const cursor = new ListCursor(reader, id);
  const values: (Uint8Array | null)[] = [];
  for (let count = cursor.header(countMax); count > 0 && reader.fault === ""; count--) {
    values.push(cursor.blob());
  }
  cursor.finish();
  return values;
}

/** Writes a list of unsigned integers, each in its shortest form. */
export function writeUintList(writer: PeerWriter, id: number, values: readonly number[] | undefined): void {
  if (values === undefined) return;
  writer.beginValue(id, PEER_FIELD.MSGPACK);
  appendListHeader(writer.out, values.length);
  for (const value of values) appendUint(writer.out, value);
  writer.endValue();
}

/** Writes a list of byte strings; null becomes nil. */
export function writeBlobList(
  writer: PeerWriter,
  id: number,
  values: readonly (Uint8Array | null)[] | undefined,
): void {
  if (values === undefined) return;
  writer.beginValue(id, PEER_FIELD.MSGPACK);
  appendListHeader(writer.out, values.length);
  for (const value of values) appendBlob(writer.out, value);
  writer.endValue();
}

function appendListHeader(out: ByteBuffer, count: number): void {
  if (count <= 0x0f) {
    out.appendU8(0x90 | count);
  } else if (count <= 0xffff) {
    out.appendU8(0xdc);
    out.appendU16(count);
  } else {
    out.appendU8(0xdd);
    out.appendU32(count);
  }
}

function appendUint(out: ByteBuffer, value: number): void {
  if (value <= 0x7f) {
    out.appendU8(value);
  } else if (value <= 0xff) {
    out.appendU8(0xcc);
    out.appendU8(value);
  } else if (value <= 0xffff) {
    out.appendU8(0xcd);
    out.appendU16(value);
  } else if (value <= 0xffff_ffff) {
    out.appendU8(0xce);
    out.appendU32(value);
  } else {
    out.appendU8(0xcf);
    const at = out.reserve(8);
    writeU64(out.bytes, at, value);
    out.length = at + 8;
  }
}

function appendBlob(out: ByteBuffer, value: Uint8Array | null): void {
  if (value === null) {
    out.appendU8(0xc0);
    return;
  }
  if (value.length <= 0x1f) {
    out.appendU8(0xa0 | value.length);
  } else if (value.length <= 0xff) {
    out.appendU8(0xd9);
    out.appendU8(value.length);
  } else if (value.length <= 0xffff) {
    out.appendU8(0xda);
    out.appendU16(value.length);
  } else {
    out.appendU8(0xdb);
    out.appendU32(value.length);
  }
  out.append(value);
}
