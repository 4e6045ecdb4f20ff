/**
 * Conditions that a secondary index answers. Source: wire-protocol reference, section 3.3.
 *
 * @module
 */

import { utf8 } from "../base/mod.ts";
import { FIELD, PARTICLE, type RequestWriter } from "../wire/mod.ts";
import { encodeMsgpack } from "./msgpack_values.ts";
import type { ContextStep } from "./operation.ts";
import { describeValue, GeoJson, type Value, writeBigI64 } from "./value.ts";

/** What an index is about: the bin itself, the elements of its list, the keys or the values of its map. */
export type IndexCollection = "default" | "list" | "mapkeys" | "mapvalues";

/** A condition on one bin. Exactly one of `equals`, `between` and `geo` is given. */
export interface Where {
  /** Bin; empty only when `index` is given. */
  bin: string;
  /** Integer, text or bytes that the bin, or an element of it, equals. */
  equals?: number | bigint | string | Uint8Array;
  /** Lowest and highest integer, both included. */
  between?: readonly [number | bigint, number | bigint];
  /** A region: points within it are found; a point: regions that contain it are found. */
  geo?: GeoJson;
  /** What the index is about; the bin itself when absent. */
  collection?: IndexCollection;
  /** Way to a nested value, outermost first, as the index was made. */
  context?: readonly ContextStep[];
  /** Name of the index, where the bin alone does not say which. */
  index?: string;
}

const COLLECTION_CODE: Readonly<Record<IndexCollection, number>> = {
  default: 0,
  list: 1,
  mapkeys: 2,
  mapvalues: 3,
};
const BIN_NAME_SIZE_MAX = 15;
const RANGE_VALUE_SIZE_MAX = 1024 * 1024;

/**
 * Appends the fields of a condition to a request.
 *
 * @throws {TypeError | RangeError} when the condition is none that an index answers
 */
export function writeWhere(writer: RequestWriter, where: Where): void {
  const { type, low, high } = rangeOf(where);
  const bin = utf8(where.bin);
  if (bin.length > BIN_NAME_SIZE_MAX) {
    throw new RangeError(`Cannot query bin "${where.bin}": names of bins have at most 15 bytes`);
  }
  if (where.index !== undefined) writer.textField(FIELD.INDEX_NAME, where.index);
  const at = writer.beginField(FIELD.INDEX_RANGE);
  const { buffer } = writer;
  buffer.appendU8(1);
  buffer.appendU8(bin.length);
  buffer.append(bin);
  buffer.appendU8(type);
  for (const value of [low, high]) {
    buffer.appendU32(value.length);
    buffer.append(value);
  }
  writer.endField(at);
  const collection = COLLECTION_CODE[where.collection ?? "default"];
  if (collection !== 0) writer.field(FIELD.INDEX_TYPE, Uint8Array.of(collection));
  if (where.context !== undefined && where.context.length > 0) {
    writer.field(FIELD.INDEX_CONTEXT, encodeContext(where.context));
  }
}

/** A way to a nested value, as fields and definitions of indexes carry it. */
export function encodeContext(context: readonly ContextStep[]): Uint8Array {
  return encodeMsgpack(context.flatMap((step): Value[] => [step.type, step.value]));
}

function rangeOf(where: Where): { type: number; low: Uint8Array; high: Uint8Array } {
  const given = [where.equals, where.between, where.geo].filter((one) => one !== undefined).length;
  if (given !== 1) throw new TypeError("A condition has exactly one of equals, between and geo");
  if (where.between !== undefined) {
    const [low, high] = where.between;
    if (low > high) throw new RangeError(`Cannot query from ${low} to ${high}: the range is empty`);
    return { type: PARTICLE.INTEGER, low: integerBytes(low), high: integerBytes(high) };
  }
  const value = where.geo ?? where.equals!;
  if (typeof value === "number" || typeof value === "bigint") {
    const bytes = integerBytes(value);
    return { type: PARTICLE.INTEGER, low: bytes, high: bytes };
  }
  const [type, bytes] = value instanceof GeoJson
    ? [PARTICLE.GEOJSON, utf8(value.text)]
    : value instanceof Uint8Array
    ? [PARTICLE.BLOB, value]
    : [PARTICLE.STRING, utf8(value)];
  if (bytes.length > RANGE_VALUE_SIZE_MAX) {
    throw new RangeError(`Cannot query for a value of ${bytes.length} bytes: at most 1 MiB`);
  }
  return { type, low: bytes, high: bytes };
}

function integerBytes(value: number | bigint): Uint8Array {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new TypeError(`Cannot query for ${describeValue(value)} that is no integer: indexes hold integers`);
  }
  const bytes = new Uint8Array(8);
  writeBigI64(bytes, 0, BigInt(value));
  return bytes;
}
