/**
 * What a call answers: nothing, a number, or some bytes with a particle type. Bytes lie where the container or the
 * parameter lies, or in the buffer in which the call builds things.
 * Source: data type reference, section 2.4.
 *
 * @module
 */

import { type ByteBuffer, copyBytes, ResultCode, writeU32 } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { CLASS, classOf, floatValue, parsed, readInteger, readText, splitFloat, TAG } from "./value.ts";

/** Bytes of a GeoJSON particle before its text, when it has no cells. */
const GEOJSON_HEADER_SIZE = 3;

/** One call's answer; made once and set again for each call. */
export class CdtResult {
  /** Particle type; NULL when there is no value. */
  type: number = PARTICLE.NULL;
  /** Upper word of a number. */
  high = 0;
  /** Lower word of a number; 0 or 1 of a bool. */
  low = 0;
  /** Offset of the bytes. */
  at = 0;
  /** Bytes of a value that is no number. */
  sizeBytes = 0;
  /** Buffer of the bytes; undefined when they are in the call's own buffer, which may still move. */
  #lent: Uint8Array | undefined;
  #out: ByteBuffer | undefined;

  /** Answers nothing; later bytes of the answer are built in `out`. */
  reset(out: ByteBuffer): void {
    this.#out = out;
    this.type = PARTICLE.NULL;
  }

  /** The buffer that `at` counts in. */
  get bytes(): Uint8Array {
    return this.#lent ?? this.#out!.bytes;
  }

  /** Answers an integer. */
  setInteger(value: number): void {
    this.setWords(PARTICLE.INTEGER, Math.floor(value / 0x1_0000_0000) | 0, value | 0);
  }

  /** Answers a number by its words. */
  setWords(type: number, high: number, low: number): void {
    this.type = type;
    this.high = high;
    this.low = low;
  }

  /** Answers a bool. */
  setBool(value: boolean): void {
    this.setWords(PARTICLE.BOOL, 0, value ? 1 : 0);
  }

  /** Answers bytes of a buffer that stays as it is. */
  setLent(type: number, bytes: Uint8Array, at: number, sizeBytes: number): void {
    this.type = type;
    this.#lent = bytes;
    this.at = at;
    this.sizeBytes = sizeBytes;
  }

  /** Answers bytes that were built in the call's buffer. */
  setBuilt(type: number, at: number, sizeBytes: number): void {
    this.type = type;
    this.#lent = undefined;
    this.at = at;
    this.sizeBytes = sizeBytes;
  }

  /**
   * Answers a list's element, a map's key or value, as a particle of its own type.
   *
   * @returns OK, or UNKNOWN for an extension, which is no particle
   */
  setElement(bytes: Uint8Array, at: number, end: number): ResultCode {
    switch (classOf(bytes, at)) {
      case CLASS.NIL:
        this.type = PARTICLE.NULL;
        return ResultCode.OK;
      case CLASS.FALSE:
      case CLASS.TRUE:
        this.setBool(bytes[at] === 0xc3);
        return ResultCode.OK;
      case CLASS.NEGATIVE:
      case CLASS.INTEGER:
        readInteger(bytes, at);
        this.setWords(PARTICLE.INTEGER, parsed.high, parsed.low);
        return ResultCode.OK;
      case CLASS.FLOAT:
        splitFloat(floatValue(bytes, at));
        this.setWords(PARTICLE.FLOAT, parsed.high, parsed.low);
        return ResultCode.OK;
      case CLASS.STRING:
      case CLASS.BYTES:
        this.#setText(bytes, at);
        return ResultCode.OK;
      case CLASS.GEOJSON:
        this.#setGeoJson(bytes, at);
        return ResultCode.OK;
      case CLASS.LIST:
        this.setLent(PARTICLE.LIST, bytes, at, end - at);
        return ResultCode.OK;
      case CLASS.MAP:
        this.setLent(PARTICLE.MAP, bytes, at, end - at);
        return ResultCode.OK;
      default:
        return ResultCode.UNKNOWN;
    }
  }

  #setText(bytes: Uint8Array, at: number): void {
    readText(bytes, at);
    const { textAt, textSize } = parsed;
    if (textSize === 0) this.setLent(PARTICLE.BLOB, bytes, textAt, 0);
    else this.setLent(particleOfTag(bytes[textAt]), bytes, textAt + 1, textSize - 1);
  }

  /** A GeoJSON text gets the particle's header, without cells. */
  #setGeoJson(bytes: Uint8Array, at: number): void {
    readText(bytes, at);
    const textSize = parsed.textSize - 1;
    const out = this.#out!;
    const start = out.reserve(GEOJSON_HEADER_SIZE + textSize);
    out.bytes.fill(0, start, start + GEOJSON_HEADER_SIZE);
    copyBytes(bytes, parsed.textAt + 1, out.bytes, start + GEOJSON_HEADER_SIZE, textSize);
    out.length = start + GEOJSON_HEADER_SIZE + textSize;
    this.setBuilt(PARTICLE.GEOJSON, start, GEOJSON_HEADER_SIZE + textSize);
  }

  /** Bytes of the answer as they go to a client. */
  wireSize(): number {
    switch (this.type) {
      case PARTICLE.NULL:
        return 0;
      case PARTICLE.BOOL:
        return 1;
      case PARTICLE.INTEGER:
      case PARTICLE.FLOAT:
        return 8;
      default:
        return this.sizeBytes;
    }
  }

  /** Writes the answer as it goes to a client; `wireSize` bytes. */
  writeWire(target: Uint8Array, at: number): void {
    switch (this.type) {
      case PARTICLE.NULL:
        return;
      case PARTICLE.BOOL:
        target[at] = this.low;
        return;
      case PARTICLE.INTEGER:
      case PARTICLE.FLOAT:
        writeU32(target, at, this.high);
        writeU32(target, at + 4, this.low);
        return;
      default:
        copyBytes(this.bytes, this.at, target, at, this.sizeBytes);
    }
  }
}

/** Particle type of a tagged string's content. */
function particleOfTag(tag: number): number {
  if (tag === TAG.STRING) return PARTICLE.STRING;
  if (tag === TAG.HLL) return PARTICLE.HLL;
  return tag >= PARTICLE.JAVA_BLOB && tag < PARTICLE.ERLANG_BLOB ? tag : PARTICLE.BLOB;
}
