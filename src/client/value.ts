/**
 * Values of bins as the client's users see them.
 *
 * | TypeScript                          | Bin      | Comes back as                                        |
 * | ----------------------------------- | -------- | ---------------------------------------------------- |
 * | `number` that is a safe integer     | integer  | `number`, or `bigint` beyond 2^53                     |
 * | any other `number`, {@linkcode Double} | float | `number`                                             |
 * | `bigint`                            | integer  | `number`, or `bigint` beyond 2^53                     |
 * | `string`, `boolean`                 | same     | same                                                 |
 * | `Uint8Array`                        | blob     | `Uint8Array`                                         |
 * | `Array`                             | list     | `Array`                                              |
 * | `Map`, plain object                 | map      | `Map`                                                |
 * | {@linkcode GeoJson}, {@linkcode Hll}, {@linkcode TypedBlob} | same | same                             |
 * | `null`                              | removes the bin | (nil inside lists and maps)                   |
 *
 * @module
 */

/** A value of a bin, or inside a list or map. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Double
  | GeoJson
  | Hll
  | TypedBlob
  | Extension
  | readonly Value[]
  | ReadonlyMap<Value, Value>
  | ValueObject;

/** A plain object as a map with text keys. */
export interface ValueObject {
  /** Values by key. */
  readonly [key: string]: Value;
}

/** Bins of a record by name. */
export type Bins = { [name: string]: Value };

/** A number that is stored as float even when it is whole. */
export class Double {
  /** The number. */
  readonly value: number;

  /**
   * Marks a number as float.
   *
   * @param value any number
   */
  constructor(value: number) {
    this.value = value;
  }
}

/** A GeoJSON text. */
export class GeoJson {
  /** The text, for example `{"type":"Point","coordinates":[8.5,47.4]}`. */
  readonly text: string;

  /**
   * Marks a text as GeoJSON; the server checks it.
   *
   * @param geometry the text, or an object to be turned into it
   */
  constructor(geometry: string | object) {
    this.text = typeof geometry === "string" ? geometry : JSON.stringify(geometry);
  }
}

/** A HyperLogLog value in the server's form. */
export class Hll {
  /** The bytes. */
  readonly bytes: Uint8Array;

  /**
   * Marks bytes as HLL; the server checks them.
   *
   * @param bytes as read from a server
   */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** A blob that carries the particle type of another language's client, or of a vector; in raw scans, of any bin. */
export class TypedBlob {
  /** Particle type: 7 to 12, or 16; any in raw scans. */
  readonly type: number;
  /** The bytes. */
  readonly bytes: Uint8Array;

  /**
   * Marks bytes with a particle type.
   *
   * @param type particle type: 7 Java, 8 C#, 9 Python, 10 Ruby, 11 PHP, 12 Erlang, 16 vector
   * @param bytes content
   */
  constructor(type: number, bytes: Uint8Array) {
    this.type = type;
    this.bytes = bytes;
  }
}

/** A marker that is legal only as an argument of list and map operations. */
export class Extension {
  /** Extension type byte. */
  readonly type: number;
  /** Its data. */
  readonly bytes: Uint8Array;

  /**
   * Makes a marker.
   *
   * @param type extension type, 0 to 255
   * @param bytes data
   */
  constructor(type: number, bytes: Uint8Array) {
    this.type = type;
    this.bytes = bytes;
  }
}

/** Matches every value in a list or map operation. */
export const WILDCARD: Extension = new Extension(0xff, new Uint8Array([0]));
/** Above every value in a range of a list or map operation. */
export const INFINITE: Extension = new Extension(0xff, new Uint8Array([1]));

const INTEGER_MIN = -(2n ** 63n);
const INTEGER_MAX = 2n ** 63n - 1n;

/** Writes a signed 64-bit integer in network order; `value` is a safe integer. */
export function writeI64(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  const low = value - high * 0x1_0000_0000;
  bytes[at] = high >> 24;
  bytes[at + 1] = high >> 16;
  bytes[at + 2] = high >> 8;
  bytes[at + 3] = high;
  bytes[at + 4] = low >>> 24;
  bytes[at + 5] = low >>> 16;
  bytes[at + 6] = low >>> 8;
  bytes[at + 7] = low;
}

/**
 * Writes a signed 64-bit integer in network order.
 *
 * @throws {RangeError} when the value does not fit into 64 bits
 */
export function writeBigI64(bytes: Uint8Array, at: number, value: bigint): void {
  if (value < INTEGER_MIN || value > INTEGER_MAX) {
    throw new RangeError(`Cannot store ${value}: integers have 64 bits, ${INTEGER_MIN} to ${INTEGER_MAX}`);
  }
  new DataView(bytes.buffer, bytes.byteOffset + at, 8).setBigInt64(0, value);
}

/** Reads a signed 64-bit integer in network order: a number when it is safe, else a bigint. */
export function readI64(bytes: Uint8Array, at: number): number | bigint {
  const high = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  const low = ((bytes[at + 4] << 24) | (bytes[at + 5] << 16) | (bytes[at + 6] << 8) | bytes[at + 7]) >>> 0;
  const value = high * 0x1_0000_0000 + low;
  if (Number.isSafeInteger(value)) return value;
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Whether a number is stored as integer: safe, and not the negative zero that only a float can hold. */
export function isStoredAsInteger(value: number): boolean {
  return Number.isSafeInteger(value) && !Object.is(value, -0);
}

/** A short text of any value for error messages. */
export function describeValue(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "object") return `an object of class ${value.constructor?.name ?? "none"}`;
  return `a value of type ${typeof value}`;
}

/** Whether a value is an object without a class of its own. */
export function isPlainObject(value: object): value is ValueObject {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
