/**
 * Nodes that look at the record: its bins, its key, and what is known of it besides.
 * Source: the expression reference, section 8.4.
 *
 * @module
 */

import { BIN_NAME_SIZE_MAX, CITRUSLEAF_EPOCH_S, readU16, readU32 } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { multiplyBy, setWhole } from "./integer.ts";
import { type ExpNode, giveBool, giveSmall, type MaybeNode, type Run } from "./node.ts";
import { EXP, EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import { particleOfType } from "./encode.ts";
import type { ExpScope } from "./scope.ts";
import { ExpValue, wordsToFloat } from "./value.ts";

/** Bytes of a GeoJSON particle before its cells. */
const GEOJSON_HEAD_SIZE = 3;

/** Makes a node that gives a bin's value. */
export function binNode(type: number, name: Uint8Array): MaybeNode {
  if (type > EXP_TYPE.HLL || name.length > BIN_NAME_SIZE_MAX) return undefined;
  const particle = particleOfType(type);
  const run: Run = (scope, out) => {
    if (!scope.hasBins) return UNKNOWN;
    const { table } = scope;
    const row = table.find(name, 0, name.length);
    if (row < 0 || table.type[row] !== particle || particle === PARTICLE.NULL) return UNKNOWN;
    switch (type) {
      case EXP_TYPE.INT:
      case EXP_TYPE.BOOL:
        out.high = table.high[row];
        out.low = table.low[row];
        return type;
      case EXP_TYPE.FLOAT:
        out.float = wordsToFloat(table.high[row], table.low[row]);
        return type;
      default:
        out.setRange(table.valueBuffer(row), table.valueAt[row], table.valueSize[row]);
        if (type === EXP_TYPE.GEOJSON) skipCells(out);
        return type;
    }
  };
  return { type, run };
}

/** Leaves of a GeoJSON particle its text. */
function skipCells(out: ExpValue): void {
  const skipped = GEOJSON_HEAD_SIZE + readU16(out.bytes, out.at + 1) * 8;
  out.at += skipped;
  out.size -= skipped;
}

/** Makes a node that gives a bin's particle type, 0 when it is missing. */
export function binTypeNode(name: Uint8Array): MaybeNode {
  if (name.length > BIN_NAME_SIZE_MAX) return undefined;
  const run: Run = (scope, out) => {
    if (!scope.hasBins) return UNKNOWN;
    const row = scope.table.find(name, 0, name.length);
    return giveSmall(out, row < 0 ? PARTICLE.NULL : scope.table.type[row]);
  };
  return { type: EXP_TYPE.INT, run };
}

/** Makes a node that gives the stored key. */
export function keyNode(type: number): MaybeNode {
  if (type !== EXP_TYPE.INT && type !== EXP_TYPE.STRING && type !== EXP_TYPE.BLOB) return undefined;
  const particle = particleOfType(type);
  const run: Run = (scope, out) => {
    if (!scope.hasBins) return UNKNOWN;
    const key = scope.facts.key();
    if (key === undefined || key[0] !== particle) return UNKNOWN;
    if (type === EXP_TYPE.INT) {
      out.high = readU32(key, 1) | 0;
      out.low = readU32(key, 5) | 0;
    } else {
      out.setRange(key, 1, key.length - 1);
    }
    return type;
  };
  return { type, run };
}

/** Makes "digest modulo"; the divisor is a signed 32-bit number other than 0. */
export function digestModuloNode(divisor: number): MaybeNode {
  if (divisor === 0) return undefined;
  return { type: EXP_TYPE.INT, run: (scope, out) => giveSmall(out, scope.facts.digestTail % divisor) };
}

const NS_PER_MS = whole(1_000_000);
const NS_PER_S = whole(1_000_000_000);

function whole(value: number): ExpValue {
  const out = new ExpValue();
  setWhole(out, value);
  return out;
}

function giveWhole(out: ExpValue, value: number): number {
  setWhole(out, value);
  return EXP_TYPE.INT;
}

function lastUpdate(scope: ExpScope, out: ExpValue): number {
  setWhole(out, scope.facts.lastUpdateMs + CITRUSLEAF_EPOCH_S * 1000);
  multiplyBy(out, NS_PER_MS);
  return EXP_TYPE.INT;
}

function sinceUpdate(scope: ExpScope, out: ExpValue): number {
  const { facts } = scope;
  return giveWhole(out, Math.max(0, facts.nowMs - facts.lastUpdateMs));
}

function voidTime(scope: ExpScope, out: ExpValue): number {
  const seconds = scope.facts.voidTime;
  if (seconds === 0) return giveSmall(out, -1);
  setWhole(out, seconds + CITRUSLEAF_EPOCH_S);
  multiplyBy(out, NS_PER_S);
  return EXP_TYPE.INT;
}

function ttl(scope: ExpScope, out: ExpValue): number {
  const { facts } = scope;
  if (facts.voidTime === 0) return giveSmall(out, -1);
  return giveWhole(out, Math.max(0, facts.voidTime - Math.floor(facts.nowMs / 1000)));
}

function setName(scope: ExpScope, out: ExpValue): number {
  const name = scope.facts.setName;
  out.setRange(name, 0, name.length);
  return EXP_TYPE.STRING;
}

/** What is known of a record, by operation. */
const FACTS: Readonly<Record<number, ExpNode>> = {
  [EXP.DEVICE_SIZE]: {
    type: EXP_TYPE.INT,
    run: (scope, out) => giveWhole(out, scope.facts.isInMemory ? 0 : scope.facts.sizeBytes),
  },
  [EXP.MEMORY_SIZE]: {
    type: EXP_TYPE.INT,
    run: (scope, out) => giveWhole(out, scope.facts.isInMemory ? scope.facts.sizeBytes : 0),
  },
  [EXP.RECORD_SIZE]: { type: EXP_TYPE.INT, run: (scope, out) => giveWhole(out, scope.facts.sizeBytes) },
  [EXP.LAST_UPDATE]: { type: EXP_TYPE.INT, run: lastUpdate },
  [EXP.SINCE_UPDATE]: { type: EXP_TYPE.INT, run: sinceUpdate },
  [EXP.VOID_TIME]: { type: EXP_TYPE.INT, run: voidTime },
  [EXP.TTL]: { type: EXP_TYPE.INT, run: ttl },
  [EXP.SET_NAME]: { type: EXP_TYPE.STRING, run: setName },
  [EXP.KEY_EXISTS]: { type: EXP_TYPE.BOOL, run: (scope, out) => giveBool(out, scope.facts.hasKey) },
  [EXP.IS_TOMBSTONE]: { type: EXP_TYPE.BOOL, run: (scope, out) => giveBool(out, scope.facts.isTombstone) },
};

/** The node that gives what is known of the record. */
export function factNode(op: number): MaybeNode {
  return FACTS[op];
}
