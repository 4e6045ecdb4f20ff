/**
 * Helpers for tests of expressions: terms that read like the reference's tables, their msgpack, and records to
 * evaluate them over.
 *
 * @module
 */

import { ByteBuffer, toHex, utf8, utf8Decode } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { BinTable, SOURCE } from "../bin_table.ts";
import { EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import { compileExpression, type ExpProgram } from "./program.ts";
import { ExpScope, NO_FACTS, type RecordFacts } from "./scope.ts";
import { ExpValue, floatWords, writeFloat } from "./value.ts";

/** A text without type byte: a name, a pattern. */
export class Name {
  /** @param text the name */
  constructor(readonly text: string) {}
}

/** A float; plain numbers are integers. */
export class Float {
  /** @param value the float */
  constructor(readonly value: number) {}
}

/** A map, ordered by key when it says so; its entries are in order already. */
export class TestMap {
  /** @param entries keys and values */
  constructor(readonly entries: readonly (readonly [Term, Term])[], readonly isOrdered = true) {}
}

/** Bytes that are msgpack already. */
export class Raw {
  /** @param bytes msgpack */
  constructor(readonly bytes: Uint8Array) {}
}

/** An expression, or a part of one: numbers are integers, texts carry their type byte, lists are operations. */
export type Term =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Name
  | Float
  | TestMap
  | Raw
  | readonly Term[];

/** Msgpack of a term. */
export function encodeTerm(term: Term): Uint8Array {
  const out = new ByteBuffer(64);
  append(out, term);
  return out.toBytes();
}

function append(out: ByteBuffer, term: Term): void {
  if (term === null) out.appendU8(0xc0);
  else if (typeof term === "boolean") out.appendU8(term ? 0xc3 : 0xc2);
  else if (typeof term === "number" || typeof term === "bigint") appendInteger(out, BigInt(term));
  else if (typeof term === "string") appendText(out, utf8(`\x03${term}`));
  else if (term instanceof Uint8Array) appendText(out, Uint8Array.of(PARTICLE.BLOB, ...term));
  else if (term instanceof Name) appendText(out, utf8(term.text));
  else if (term instanceof Raw) out.append(term.bytes);
  else if (term instanceof Float) {
    out.appendU8(0xcb);
    const at = out.reserve(8);
    writeFloat(out.bytes, at, term.value);
    out.length = at + 8;
  } else if (term instanceof TestMap) appendMap(out, term);
  else {
    out.appendU8(0xdc);
    out.appendU16((term as readonly Term[]).length);
    for (const item of term as readonly Term[]) append(out, item);
  }
}

function appendInteger(out: ByteBuffer, value: bigint): void {
  if (value >= -32n && value < 128n) return out.appendU8(Number(BigInt.asUintN(8, value)));
  out.appendU8(value < 0n ? 0xd3 : 0xcf);
  out.appendU32(Number(BigInt.asUintN(32, value >> 32n)));
  out.appendU32(Number(BigInt.asUintN(32, value)));
}

function appendText(out: ByteBuffer, bytes: Uint8Array): void {
  out.appendU8(0xda);
  out.appendU16(bytes.length);
  out.append(bytes);
}

function appendMap(out: ByteBuffer, { entries, isOrdered }: TestMap): void {
  out.appendU8(0xde);
  out.appendU16(entries.length + (isOrdered ? 1 : 0));
  if (isOrdered) out.append(Uint8Array.of(0xc7, 0, 1, 0xc0));
  for (const [key, value] of entries) {
    append(out, key);
    append(out, value);
  }
}

/** The reference to a bin. */
export function bin(type: number, name: string): Term {
  return [81, type, new Name(name)];
}

/** A literal list. */
export function quote(...items: readonly Term[]): Term {
  return [126, items];
}

/** A value of a bin; numbers are integers. */
export type BinValue = bigint | number | boolean | string | Uint8Array | Float | TestMap | readonly Term[];

/** A scope over a record with these bins. */
export function scopeOf(
  bins: Readonly<Record<string, BinValue>>,
  facts: Partial<RecordFacts> = {},
): ExpScope {
  const table = new BinTable();
  const names = utf8(Object.keys(bins).join(""));
  table.reset(names, names);
  let nameAt = 0;
  for (const [name, value] of Object.entries(bins)) {
    const row = table.add(SOURCE.REQUEST, nameAt, name.length);
    nameAt += name.length;
    setBin(table, row, value);
  }
  const scope = new ExpScope({ ...NO_FACTS, ...facts }, table);
  scope.hasBins = true;
  return scope;
}

function setBin(table: BinTable, row: number, value: BinValue): void {
  if (typeof value === "boolean") table.setNumber(row, PARTICLE.BOOL, 0, value ? 1 : 0);
  else if (typeof value === "bigint" || typeof value === "number") {
    const big = BigInt(value);
    const high = Number(BigInt.asIntN(32, big >> 32n));
    table.setNumber(row, PARTICLE.INTEGER, high, Number(BigInt.asIntN(32, big)));
  } else if (value instanceof Float) {
    table.setNumber(row, PARTICLE.FLOAT, ...floatWords(value.value));
  } else {
    const [type, bytes] = rangeOf(value);
    const at = table.scratch.length;
    table.scratch.append(bytes);
    table.setRange(row, type, SOURCE.SCRATCH, at, bytes.length);
  }
}

function rangeOf(value: string | Uint8Array | TestMap | readonly Term[]): [number, Uint8Array] {
  if (typeof value === "string") return [PARTICLE.STRING, utf8(value)];
  if (value instanceof Uint8Array) return [PARTICLE.BLOB, value];
  return [value instanceof TestMap ? PARTICLE.MAP : PARTICLE.LIST, encodeTerm(value)];
}

/** The program of a term that is right. */
export function compiled(term: Term): ExpProgram {
  const program = compileExpression(encodeTerm(term));
  if (typeof program === "number") throw new Error(`Refused with ${program}: ${toHex(encodeTerm(term))}`);
  return program;
}

/** What an evaluation gave; `"unknown"`, or a value of JavaScript. Lists and maps come as their bytes. */
export type Outcome = "unknown" | "remove" | null | boolean | bigint | Float | { text: string } | Uint8Array;

/** Evaluates a term over a record. */
export function evaluate(term: Term, scope: ExpScope): Outcome {
  const out = new ExpValue();
  scope.beginWork();
  const kind = compiled(term).run(scope, out);
  switch (kind) {
    case UNKNOWN:
      return "unknown";
    case EXP_TYPE.REMOVE:
      return "remove";
    case EXP_TYPE.NIL:
      return null;
    case EXP_TYPE.BOOL:
      return out.low === 1;
    case EXP_TYPE.INT:
      return (BigInt(out.high) << 32n) | BigInt(out.low >>> 0);
    case EXP_TYPE.FLOAT:
      return new Float(out.float);
    case EXP_TYPE.STRING:
    case EXP_TYPE.GEOJSON:
      return { text: utf8Decode(out.range()) };
    default:
      return out.range().slice();
  }
}
