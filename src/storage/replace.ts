/**
 * Records that come from another node: replica writes, duplicates, migration. Which copy of a record stays is decided
 * here, and alike on every node.
 *
 * | rule | first | second | third |
 * | ---- | ----- | ------ | ----- |
 * | replica write | later last update time | generation, with wrap-around | larger flat bytes |
 * | policy last-update-time | the same | | |
 * | policy generation, divergent copies | larger generation, as a plain number | later last update time | larger flat bytes |
 * | policy generation, copy of an ancestor | like last-update-time | | |
 * | policy, copy of a successor | the one that came | | |
 * | policy, copy of a predecessor | the one that is here | | |
 * | any policy, the record here was written in the present cluster | like last-update-time | | |
 *
 * Generations of copies that went different ways (both sides of a split wrote) say which side did more. Those of a copy
 * and its ancestor do not: a record that was deleted and made anew may have a lower generation than a stale copy, and is
 * newer all the same. The last resort, comparing bytes, has no meaning; it lets all nodes come to the same copy.
 *
 * A successor is a copy that has everything this one has, conflicts decided, and a predecessor is the reverse: what was
 * decided must not be decided again, by a node that knows less of where the copies come from.
 *
 * Tombstones are records without bins, and win and lose like others. Source: clustering reference, section 13.
 *
 * @module
 */

import { PLANTED, ResultCode } from "../base/mod.ts";
import type { ChangeOrigin } from "../port/mod.ts";
import { LOADED, type Waiter } from "./device.ts";
import { EntryRef } from "./entry.ts";
import { type FlatRecord, UNIT_SIZE_BYTES } from "./flat.ts";
import { measured, measureFlat } from "./flat_check.ts";
import { withSoundIndexes } from "./flat_index.ts";
import type { SetInfo } from "./sets.ts";
import type { NamespaceStore } from "./store.ts";

/** What became of a record from another node. */
export const REPLACED = {
  /** It is stored. */
  APPLIED: 0,
  /** The very same record is here already. */
  SAME: 1,
  /** The record here is the better one and stays. */
  LOCAL_BETTER: 2,
  /** A truncation mark covers it: nothing to store. */
  TRUNCATED: 3,
  /** There is no room, or too much waits to be written. */
  OUT_OF_SPACE: 4,
  /** It is no flat record, or one that can't be stored here; nothing changed. */
  MALFORMED: 5,
  /** Its set can't be made: there are too many. */
  NO_SET: 6,
  /** The bytes of the record here are not within reach; the waiter will be woken, and the caller starts again. */
  SUSPENDED: 7,
} as const;
/** What became of a record from another node. */
export type Replaced = (typeof REPLACED)[keyof typeof REPLACED];

/** How to decide between two copies. */
export interface ReplaceOptions {
  /** "lut" for replica writes; "policy" asks the namespace's `conflict-resolution-policy`. */
  rule: "lut" | "policy";
  /**
   * Whether the copies descend from different families, or one is an ancestor's of the other, or what the other copy is
   * to the one here. Only rule "policy" asks.
   */
  lineage: "divergent" | "ancestor" | "successor" | "predecessor";
  /** Cause of the change. */
  origin: ChangeOrigin;
  /** Woken when the answer was SUSPENDED. */
  waiter: Waiter;
}

/** A range of bytes that holds one flat record, padded or not. */
export interface FlatRange {
  /** The buffer; lent until the call returns. */
  bytes: Uint8Array;
  /** Offset of the record. */
  at: number;
  /** Offset after its last byte. */
  end: number;
}

/** Where the tree id is in a flat record. */
const TREE_ID_AT = 7;
const TREE_ID_BITS = 0xfc;

const entryHere = new EntryRef();

/**
 * Stores a record from another node, unless the one that is here is better. Publishes the change.
 *
 * @param range the record; anything may be in it
 * @returns one of {@linkcode REPLACED}; only APPLIED has changed anything
 */
export function replaceRecord(store: NamespaceStore, range: FlatRange, options: ReplaceOptions): Replaced {
  const sizeBytes = measureFlat(range.bytes, range.at, range.end);
  if (sizeBytes < 0) return REPLACED.MALFORMED;
  const mended = measured.hasIndex ? withSoundIndexes(range.bytes, range.at, sizeBytes) : undefined;
  const record = mended === undefined
    ? store.take(range.bytes, range.at, sizeBytes)
    : store.take(mended, 0, mended.length);
  if (!PLANTED.replaceIgnoresTruncation && isTruncated(store, record)) return REPLACED.TRUNCATED;
  const entry = entryHere;
  const exists = store.find(record.bytes, record.digestAt, entry);
  if (exists) {
    const order = compareCopies(store, { record, entry }, options);
    if (order === undefined) return REPLACED.SUSPENDED;
    if (order === 0) return REPLACED.SAME;
    if (order < 0) return REPLACED.LOCAL_BETTER;
  }
  const set = setOf(store, record);
  if (set === null) return REPLACED.NO_SET;
  const isCurrent = options.rule === "lut" || options.lineage === "successor";
  const resultCode = store.putTaken(entry, { exists, set, origin: options.origin, isCurrent });
  if (resultCode === ResultCode.OK) return REPLACED.APPLIED;
  return resultCode === ResultCode.RECORD_TOO_BIG ? REPLACED.MALFORMED : REPLACED.OUT_OF_SPACE;
}

/**
 * Stores a copy of a record that can't be read here, whatever version it is of.
 *
 * @param range the copy; anything may be in it
 * @param entry points at the record that can't be read
 * @returns one of {@linkcode REPLACED}; only APPLIED has changed anything
 */
export function restoreRecord(store: NamespaceStore, range: FlatRange, entry: EntryRef): Replaced {
  const sizeBytes = measureFlat(range.bytes, range.at, range.end);
  if (sizeBytes < 0) return REPLACED.MALFORMED;
  const record = store.take(range.bytes, range.at, sizeBytes);
  if (!entry.hasDigest(record.bytes, record.digestAt)) return REPLACED.MALFORMED;
  if (isTruncated(store, record)) return REPLACED.TRUNCATED;
  const set = setOf(store, record);
  if (set === null) return REPLACED.NO_SET;
  const isCurrent = entry.writeEpoch === store.writeEpoch;
  const resultCode = store.putTaken(entry, { exists: true, set, origin: "replica", isCurrent });
  return resultCode === ResultCode.OK ? REPLACED.APPLIED : REPLACED.OUT_OF_SPACE;
}

/**
 * Compares what is known of two copies without their bytes.
 *
 * @param policy which of the two rules of `conflict-resolution-policy`
 * @returns positive when the first is better, negative when the second is, 0 when bytes must decide
 */
export function compareVersions(
  first: { generation: number; lastUpdateMs: number },
  second: { generation: number; lastUpdateMs: number },
  policy: "generation" | "last-update-time",
): number {
  const byTime = first.lastUpdateMs - second.lastUpdateMs;
  if (policy === "last-update-time") return byTime || wrappedOrder(first.generation, second.generation);
  return first.generation - second.generation || byTime;
}

/** Order of two generations that may have wrapped around: positive when the first is ahead by up to 32767. */
function wrappedOrder(first: number, second: number): number {
  return ((first - second) << 16) >> 16;
}

/** Positive when the record that came is better, undefined when the stored bytes must be read first. */
function compareCopies(
  store: NamespaceStore,
  copies: { record: FlatRecord; entry: EntryRef },
  { rule, lineage, waiter }: ReplaceOptions,
): number | undefined {
  const { record, entry } = copies;
  if (rule === "policy" && lineage === "predecessor") return -1;
  const isOlder = entry.writeEpoch !== store.writeEpoch;
  const byPolicy = rule === "policy" &&
    ((isOlder && lineage === "divergent") || PLANTED.generationAgainstAncestor);
  const policy = byPolicy ? store.settings.conflictResolutionPolicy : "last-update-time";
  const order = compareVersions(record, entry, policy);
  if (order !== 0 && rule === "policy" && isOlder && lineage === "successor") return 1;
  if (order !== 0) return PLANTED.replicaTakesOlder && rule === "lut" ? 1 : order;
  if (PLANTED.wrongTieBreak) return -1;
  const loaded = store.loadHere(entry, waiter);
  if (loaded === LOADED.PENDING) return undefined;
  // What can't be read any more is mended by a copy that should be the same.
  if (loaded === LOADED.FAILED) return 1;
  const byBytes = compareBytes(record, store.flat);
  return rule === "policy" && isOlder && lineage === "successor" ? Math.abs(byBytes) : byBytes;
}

/** Compares two padded records: the larger first differing byte, then the longer record. */
function compareBytes(first: FlatRecord, second: FlatRecord): number {
  const sizeDifference = first.sizeUnits - second.sizeUnits;
  const sizeBytes = Math.min(first.sizeUnits, second.sizeUnits) * UNIT_SIZE_BYTES;
  for (let index = 0; index < sizeBytes; index++) {
    // The tree id is each node's own, and may be another than when the record was stored.
    const mask = index === TREE_ID_AT ? ~TREE_ID_BITS : 0xff;
    const difference = (first.bytes[first.at + index] & mask) - (second.bytes[second.at + index] & mask);
    if (difference !== 0) return difference;
  }
  return sizeDifference;
}

function isTruncated(store: NamespaceStore, record: FlatRecord): boolean {
  const { lastUpdateMs } = record;
  if (lastUpdateMs <= store.truncateLutMs) return true;
  if (record.setSize === 0) return false;
  const set = store.sets.find(record.bytes, record.setAt, record.setSize);
  return set !== undefined && lastUpdateMs <= set.truncateLutMs;
}

/** The record's set; null when it can't be made. */
function setOf(store: NamespaceStore, record: FlatRecord): SetInfo | undefined | null {
  if (record.setSize === 0) return undefined;
  return store.sets.findOrCreate(record.bytes, record.setAt, record.setSize) ?? null;
}
