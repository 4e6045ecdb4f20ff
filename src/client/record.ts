/**
 * Records as the client returns them, made from replies.
 *
 * @module
 */

import { CITRUSLEAF_EPOCH_S } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";
import { decodeOp, type ReplyMessage, type ReplyOp } from "../wire/mod.ts";
import { decodeParticle } from "./particle.ts";
import { type Bins, TypedBlob, type Value } from "./value.ts";

/** What is known about a record beside its bins. */
export interface RecordMeta {
  /** Number of writes, 1 to 65535 and around; 0 after a delete. */
  generation: number;
  /** Seconds until the record expires; -1 never. */
  ttlS: number;
}

/** A record as it was read. */
export interface ClientRecord extends RecordMeta {
  /** Bins by name. Where operate answers several times for one bin, the last answer. */
  bins: Bins;
}

/** One answer of operate. */
export interface OperationResult {
  /** Bin. */
  bin: string;
  /** Result; null where there is none. */
  value: Value;
}

/** What operate returns. */
export interface OperateRecord extends ClientRecord {
  /** Answers in the order of the operations that have one. */
  results: OperationResult[];
}

/** Shared: an operation is looked at only while its value is being read. */
const op: ReplyOp = { op: 0, particleType: 0, name: "", valueAt: 0, end: 0 };

/** Generation and TTL of a reply. */
export function readMeta(message: ReplyMessage, clock: Clock): RecordMeta {
  return { generation: message.generation, ttlS: ttlOf(message.voidTime, clock) };
}

/** The record in a reply. */
export function readRecord(message: ReplyMessage, clock: Clock): ClientRecord {
  return { bins: readBins(message), generation: message.generation, ttlS: ttlOf(message.voidTime, clock) };
}

/** The record in a reply, with bins as they are on the wire. */
export function readRawRecord(message: ReplyMessage, clock: Clock): ClientRecord {
  const bins: Bins = {};
  let at = message.opsAt;
  for (let count = message.opCount; count > 0; count--) {
    const next = decodeOp(message.bytes, at, op);
    setBin(bins, op.name, new TypedBlob(op.particleType, message.bytes.slice(op.valueAt, next)));
    at = next;
  }
  return { bins, generation: message.generation, ttlS: ttlOf(message.voidTime, clock) };
}

/** The record in a reply to operate. */
export function readOperate(message: ReplyMessage, clock: Clock): OperateRecord {
  const bins: Bins = {};
  const results: OperationResult[] = [];
  forEachBin(message, (bin, value) => {
    setBin(bins, bin, value);
    results.push({ bin, value });
  });
  return { bins, generation: message.generation, ttlS: ttlOf(message.voidTime, clock), results };
}

/** Seconds left until a void-time; a time that has passed by this clock counts as one second. */
export function ttlOf(voidTime: number, clock: Clock): number {
  if (voidTime === 0) return -1;
  return Math.max(1, voidTime + CITRUSLEAF_EPOCH_S - Math.floor(clock.wallMs() / 1000));
}

function readBins(message: ReplyMessage): Bins {
  const bins: Bins = {};
  let at = message.opsAt;
  for (let count = message.opCount; count > 0; count--) {
    const next = decodeOp(message.bytes, at, op);
    setBin(bins, op.name, decodeParticle(op.particleType, message.bytes, { at: op.valueAt, end: next }));
    at = next;
  }
  return bins;
}

function forEachBin(message: ReplyMessage, visit: (bin: string, value: Value) => void): void {
  let at = message.opsAt;
  for (let count = message.opCount; count > 0; count--) {
    const next = decodeOp(message.bytes, at, op);
    visit(op.name, decodeParticle(op.particleType, message.bytes, { at: op.valueAt, end: next }));
    at = next;
  }
}

/** A bin may be called `__proto__`, which plain assignment would not store. */
function setBin(bins: Bins, name: string, value: Value): void {
  if (name === "__proto__") {
    Object.defineProperty(bins, name, { value, enumerable: true, configurable: true, writable: true });
  } else bins[name] = value;
}
