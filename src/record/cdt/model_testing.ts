/**
 * Values as plain objects, their order and their bytes, written for tests in the most obvious way.
 *
 * @module
 */

import { ByteBuffer, type ResultCode, toHex } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { appendIndexed } from "./builder.ts";
import { isPersisted, plainSize, writePlain } from "./head.ts";
import { CdtMachine, runCdt } from "./mod.ts";

/** A list. */
export class ListModel {
  /** @param items its elements @param ordered whether it keeps them sorted */
  constructor(public items: Value[], public ordered = false) {}
}

/** A map; its entries are sorted by key. */
export class MapModel {
  /** @param entries keys and values @param flags of the header element */
  constructor(public entries: [Value, Value][], public flags = 0) {
    this.entries = [...entries].sort((left, right) => compare(left[0], right[0]));
  }
}

/** A float, to be told from an integer. */
export class Float {
  /** @param value the number */
  constructor(public value: number) {}
}

/** Any value. */
export type Value = null | boolean | bigint | Float | string | Uint8Array | ListModel | MapModel;

/** Place of a value's class in the order. */
function classOf(value: Value): number {
  if (value === null) return 1;
  if (typeof value === "boolean") return value ? 3 : 2;
  if (typeof value === "bigint") return value < 0n ? 4 : 5;
  if (typeof value === "string") return 6;
  if (value instanceof ListModel) return 7;
  if (value instanceof MapModel) return 8;
  return value instanceof Float ? 10 : 9;
}

function compareEach(left: Value[], right: Value[]): number {
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const order = compare(left[index], right[index]);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** The total order. */
export function compare(left: Value, right: Value): number {
  const difference = classOf(left) - classOf(right);
  if (difference !== 0) return difference;
  if (typeof left === "bigint") return left < (right as bigint) ? -1 : left > (right as bigint) ? 1 : 0;
  if (left instanceof Float) return left.value - (right as Float).value;
  if (left instanceof ListModel) return compareEach(left.items, (right as ListModel).items);
  if (left instanceof MapModel) {
    const other = right as MapModel;
    return left.entries.length - other.entries.length ||
      compareEach(left.entries.flat(), other.entries.flat());
  }
  const [first, second] = [toHex(encode(left)), toHex(encode(right))];
  // Texts in these tests are short: their one-byte heads tell nothing but the length.
  if (typeof left === "string" || left instanceof Uint8Array) {
    return first.slice(2) < second.slice(2) ? -1 : first.slice(2) > second.slice(2) ? 1 : 0;
  }
  return 0;
}

function integerBytes(value: bigint, wide: Form): number[] {
  const isNegative = value < 0n;
  if (wide === false && value >= -32n && value < 128n) return [Number(value & 0xffn)];
  for (
    const [bits, unsigned, signed] of [[8, 0xcc, 0xd0], [16, 0xcd, 0xd1], [32, 0xce, 0xd2], [64, 0xcf, 0xd3]]
  ) {
    const fits = isNegative ? value >= -(1n << BigInt(bits - 1)) : value < 1n << BigInt(bits);
    if (!fits || (wide !== false && bits < 64)) continue;
    const bytes = [isNegative ? signed : unsigned];
    for (let shift = bits - 8; shift >= 0; shift -= 8) bytes.push(Number((value >> BigInt(shift)) & 0xffn));
    return bytes;
  }
  throw new RangeError(`Cannot encode ${value}: it has more than 64 bits`);
}

function textBytes(tag: number, text: Uint8Array, wide: Form): number[] {
  const size = text.length + 1;
  const head = wide !== false ? [0xc5, size >> 8, size & 0xff] : size < 32 ? [0xa0 | size] : [0xd9, size];
  return [...head, tag, ...text];
}

function headBytes(count: number, lead: number, long: number, wide: Form): number[] {
  return wide !== false || count > 15 ? [long, count >> 8, count & 0xff] : [lead | count];
}

/** How values are encoded: as stored, in longer forms, or in longer forms and maps in another order. */
export type Form = false | true | "shuffled";

/**
 * Bytes of a value.
 *
 * @param wide use longer forms than needed, as a client may
 */
export function encode(value: Value, wide: Form = false): Uint8Array {
  return new Uint8Array(bytesOf(value, wide));
}

function bytesOf(value: Value, wide: Form): number[] {
  if (value === null) return [0xc0];
  if (typeof value === "boolean") return [value ? 0xc3 : 0xc2];
  if (typeof value === "bigint") return integerBytes(value, wide);
  if (typeof value === "string") return textBytes(3, new TextEncoder().encode(value), wide);
  if (value instanceof Uint8Array) return textBytes(4, value, wide);
  if (value instanceof Float) {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value.value);
    return [0xcb, ...new Uint8Array(view.buffer)];
  }
  if (value instanceof ListModel) {
    const count = value.items.length + (value.ordered ? 1 : 0);
    const header = value.ordered ? [0xc7, 0, 1] : [];
    return [
      ...headBytes(count, 0x90, 0xdc, wide),
      ...header,
      ...value.items.flatMap((item) => bytesOf(item, wide)),
    ];
  }
  const count = value.entries.length + (value.flags !== 0 ? 1 : 0);
  const header = value.flags !== 0 ? [0xc7, 0, value.flags, 0xc0] : [];
  // An unordered map may be sent in any order.
  const entries = wide === "shuffled" && value.flags === 0 ? [...value.entries].reverse() : value.entries;
  return [
    ...headBytes(count, 0x80, 0xde, wide),
    ...header,
    ...entries.flat().flatMap((item) => bytesOf(item, wide)),
  ];
}

/** What a call came to. */
export interface Outcome {
  /** Result code. */
  code: ResultCode;
  /** Particle type and bytes of the answer, as text. */
  answer: string;
  /** The container afterwards, as text; empty when there is none. */
  after: string;
}

const machine = new CdtMachine();

/** How a call is run. */
export interface RunOptions {
  /** As a modifying operation. */
  mayModify: boolean;
  /** The container is a map, also when its bytes don't say so. */
  isMap?: boolean;
}

/**
 * Runs a call on a container that lies between other bytes, and once more when it has a persisted index: that must make
 * no difference.
 *
 * @param before the container's bytes, undefined when there is none
 */
export function run(before: Uint8Array | undefined, call: Uint8Array, options: RunOptions): Outcome {
  const outcome = runOnce(before, call, options);
  if (before === undefined) return outcome;
  const indexed = runOnce(withIndex(before), call, options);
  if (JSON.stringify(indexed) !== JSON.stringify(outcome)) {
    throw new Error(`With an index: ${JSON.stringify(indexed)}, without: ${JSON.stringify(outcome)}`);
  }
  return outcome;
}

/** A container as it is stored with a persisted index. */
export function withIndex(container: Uint8Array): Uint8Array {
  const out = new ByteBuffer();
  const sizeBytes = appendIndexed({ bytes: container, at: 0, end: container.length }, out);
  if (sizeBytes < 0) throw new Error("The container is damaged");
  const stored = out.bytes.slice(out.length - sizeBytes, out.length);
  return stored;
}

/** What clients see of a stored container; its index must be the one that its content gives. */
export function plain(stored: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(plainSize(stored, 0, stored.length));
  writePlain(stored, 0, stored.length, bytes, 0);
  if (isPersisted(stored, 0, stored.length) && toHex(withIndex(bytes)) !== toHex(stored)) {
    throw new Error(`The index is not that of the content: ${toHex(stored)}`);
  }
  return bytes;
}

/** Runs a call once and gives the container as clients see it. */
export function runOnce(
  before: Uint8Array | undefined,
  call: Uint8Array,
  options: RunOptions,
): Outcome {
  const bytes = new Uint8Array((before?.length ?? 0) + 6).fill(0xc1);
  bytes.set(before ?? [], 3);
  const out = new ByteBuffer(16);
  out.append(new Uint8Array([0xc1, 0xc1]));
  const lead = before?.[0] ?? 0;
  const isMap = options.isMap ?? ((lead & 0xf0) === 0x80 || lead >= 0xde);
  const target = {
    type: before === undefined ? PARTICLE.NULL : isMap ? PARTICLE.MAP : PARTICLE.LIST,
    bytes,
    at: 3,
    end: bytes.length - 3,
  };
  const request = { bytes: call, at: 0, end: call.length, mayModify: options.mayModify };
  const code = runCdt(machine, target, request, out);
  const isSame = before === undefined || toHex(bytes, 3, bytes.length - 3) === toHex(before);
  if (!isSame) throw new Error("The old container has changed");
  const after = code === 0 && machine.isChanged
    ? toHex(plain(out.bytes.slice(machine.newAt, machine.newAt + machine.newSize)))
    : before === undefined
    ? ""
    : toHex(plain(before));
  return { code, answer: code === 0 ? answerText() : "", after };
}

function answerText(): string {
  const { result } = machine;
  if (result.type === PARTICLE.NULL) return "";
  const bytes = new Uint8Array(result.wireSize());
  result.writeWire(bytes, 0);
  return `${result.type}:${toHex(bytes)}`;
}

/** A value as an answer. */
export function answerOf(value: Value): string {
  if (value === null) return "";
  const bytes = encode(value);
  if (typeof value === "boolean") return `${PARTICLE.BOOL}:${value ? "01" : "00"}`;
  if (typeof value === "bigint") {
    return `${PARTICLE.INTEGER}:${BigInt.asUintN(64, value).toString(16).padStart(16, "0")}`;
  }
  if (value instanceof Float) return `${PARTICLE.FLOAT}:${toHex(bytes, 1)}`;
  if (typeof value === "string") return `${PARTICLE.STRING}:${toHex(new TextEncoder().encode(value))}`;
  if (value instanceof Uint8Array) return `${PARTICLE.BLOB}:${toHex(value)}`;
  return `${value instanceof ListModel ? PARTICLE.LIST : PARTICLE.MAP}:${toHex(bytes)}`;
}

/** A call's bytes. */
export function callOf(code: number, params: Value[], wide: Form = false): Uint8Array {
  return encode(new ListModel([BigInt(code), ...params]), wide);
}
