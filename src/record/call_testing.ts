/**
 * Helpers for tests of bit and HyperLogLog calls: calls as msgpack, and an edit of a value that lies between other
 * bytes.
 *
 * @module
 */

import { ByteBuffer, writeU16, writeU32 } from "../base/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { ByteRange, CallResult, ValueEdit } from "./call.ts";

/** A parameter: bytes already carry their type byte. */
export type TestParameter = number | bigint | boolean | null | Uint8Array | readonly TestParameter[];

/** Encodes a call. */
export function encodeCall(parameters: TestParameter): Uint8Array {
  const out = new ByteBuffer(64);
  append(out, parameters);
  return out.toBytes();
}

function append(out: ByteBuffer, value: TestParameter): void {
  if (value === null) out.appendU8(0xc0);
  else if (typeof value === "boolean") out.appendU8(value ? 0xc3 : 0xc2);
  else if (typeof value === "number" || typeof value === "bigint") appendInteger(out, BigInt(value));
  else if (value instanceof Uint8Array) {
    appendHeader(out, value.length, { fix: 0xa0, fixMax: 31, wide: 0xda });
    out.append(value);
  } else {
    const list = value as readonly TestParameter[];
    appendHeader(out, list.length, { fix: 0x90, fixMax: 15, wide: 0xdc });
    for (const item of list) append(out, item);
  }
}

function appendHeader(
  out: ByteBuffer,
  count: number,
  form: { fix: number; fixMax: number; wide: number },
): void {
  const at = out.reserve(5);
  if (count <= form.fixMax) {
    out.appendU8(form.fix | count);
  } else if (count < 0x1_0000) {
    out.bytes[at] = form.wide;
    writeU16(out.bytes, at + 1, count);
    out.length = at + 3;
  } else {
    out.bytes[at] = form.wide + 1;
    writeU32(out.bytes, at + 1, count);
    out.length = at + 5;
  }
}

function appendInteger(out: ByteBuffer, value: bigint): void {
  if (value >= -32n && value <= 127n) {
    out.appendU8(Number(BigInt.asUintN(8, value)));
    return;
  }
  const at = out.reserve(9);
  out.bytes[at] = value < 0n ? 0xd3 : 0xcf;
  new DataView(out.bytes.buffer).setBigUint64(at + 1, BigInt.asUintN(64, value));
  out.length = at + 9;
}

/** A value and the calls made on it, one after the other. */
export class TestValue {
  /** The edit. */
  readonly edit: ValueEdit = new ValueEdit(new ByteBuffer(16));
  /** The last answer. */
  readonly result: CallResult = new CallResult();
  readonly #call = new ByteRange();
  #type: number;
  #owned = false;

  /** @param type particle type of the value, or of what a call makes when there is none */
  constructor(type: number, value?: Uint8Array) {
    this.#type = type;
    this.edit.type = value === undefined ? PARTICLE.NULL : type;
    if (value !== undefined) {
      const bytes = new Uint8Array(value.length + 9).fill(0x5a);
      bytes.set(value, 4);
      this.edit.old.set(bytes, 4, value.length);
    }
  }

  /** The value; undefined when there is none. */
  value(): Uint8Array | undefined {
    const { old } = this.edit;
    if (this.edit.type === PARTICLE.NULL) return undefined;
    return old.bytes.slice(old.at, old.at + old.sizeBytes);
  }

  /** Makes a call, encoded or not; a new value takes the place of the old one. */
  run(
    operation: (call: ByteRange, edit: ValueEdit, result: CallResult) => number,
    call: TestParameter | Uint8Array,
    options: { sizeMaxBytes?: number } = {},
  ): number {
    const { edit } = this;
    const encoded = call instanceof Uint8Array ? call : encodeCall(call);
    const bytes = new Uint8Array(encoded.length + 7).fill(0x5a);
    bytes.set(encoded, 3);
    this.#call.set(bytes, 3, encoded.length);
    this.result.setNone();
    edit.start(edit.type, this.#owned, options.sizeMaxBytes ?? 1 << 20);
    const code = operation(this.#call, edit, this.result);
    if (code === 0 && edit.isChanged) {
      edit.type = this.#type;
      edit.old.set(edit.out.bytes, edit.newAt, edit.newSizeBytes);
      // As in a bin table: what was built last may be changed in place.
      this.#owned = edit.newAt + edit.newSizeBytes === edit.out.length;
    }
    return code;
  }

  /** The last answer: an integer, bytes, a float, or undefined. */
  answer(): bigint | Uint8Array | number | undefined {
    const { type, high, low, at, sizeBytes } = this.result;
    const words = (BigInt(high) << 32n) | BigInt(low >>> 0);
    if (type === PARTICLE.INTEGER) return words;
    if (type === PARTICLE.FLOAT) {
      const view = new DataView(new ArrayBuffer(8));
      view.setBigInt64(0, words);
      return view.getFloat64(0);
    }
    return type === PARTICLE.NULL ? undefined : this.edit.out.bytes.slice(at, at + sizeBytes);
  }
}
