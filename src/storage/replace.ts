/**
 * Records that come from another node: replica writes, duplicates, migration. Which copy of a record stays is decided
 * here, and alike on every node.
 *
 * | rule | the record here | which one stays |
 * | ---- | --------------- | --------------- |
 * | replica | any | later last update time, then generation with wrap-around, then larger flat bytes |
 * | any | was written in the present cluster | the same |
 * | time | any other | the same |
 * | policy last-update-time | any other | the same |
 * | policy generation | any other | larger generation as a plain number, then later last update time, then larger bytes |
 * | time, policy; superseded | was here before anything was merged | the one that came |
 * | successor | any other | the one that came; neither when a truncation covers that |
 *
 * Each rule is a total order, so that in a merge of several copies by one rule their order makes no difference; which
 * rule a partition's merge has is decided once for all nodes, in `src/partition/lineage.ts`. The last resort, comparing
 * bytes, has no meaning; it lets all nodes come to the same copy. What was written in the present cluster has seen all
 * copies that there are to be merged, so that time, which never goes back, is right for it.
 *
 * A successor is a copy that has everything this one has, conflicts decided: nothing is decided once more. A superseded
 * copy is a subset of one that is merged into it, together with others that went other ways.
 *
 * Tombstones are records without bins, and win and lose like others. Source: clustering reference, section 13.
 *
 * @module
 */

import { ByteBuffer, DIGEST_SIZE_BYTES, PLANTED, ResultCode } from "../base/mod.ts";
import type { ChangeOrigin } from "../port/mod.ts";
import { BinTable } from "../record/mod.ts";
import { LOADED, type Waiter } from "./device.ts";
import { ENTRY_FLAG, EntryRef } from "./entry.ts";
import { encodeFlat, type FlatRecord, UNIT_SIZE_BYTES } from "./flat.ts";
import { measured, measureFlat } from "./flat_check.ts";
import { withSoundIndexes } from "./flat_index.ts";
import type { SetInfo } from "./sets.ts";
import { nextGeneration } from "./record_write.ts";
import type { NamespaceStore } from "./store.ts";

/** What became of a record from another node. */
export const REPLACED = {
  /** It is stored. */
  APPLIED: 0,
  /** The very same record is here already. */
  SAME: 1,
  /** The record here is the better one and stays. */
  LOCAL_BETTER: 2,
  /** A truncation mark covers it: nothing to store, and what a successor was to replace is removed. */
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
  /** See the head of the file; "policy" asks the namespace's `conflict-resolution-policy`. */
  rule: "replica" | "time" | "policy" | "successor";
  /** What is here from before the merge is a subset of what comes. */
  isSuperseded?: boolean;
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
const NO_BINS = new BinTable();
const NO_BYTES = new Uint8Array(0);
const TRUNCATION = { origin: "truncate" } as const;

/**
 * Stores a record from another node, unless the one that is here is better. Publishes the change.
 *
 * @param range the record; anything may be in it
 * @returns one of {@linkcode REPLACED}; only APPLIED, and TRUNCATED of a successor, have changed anything
 */
export function replaceRecord(store: NamespaceStore, range: FlatRange, options: ReplaceOptions): Replaced {
  const sizeBytes = measureFlat(range.bytes, range.at, range.end);
  if (sizeBytes < 0) return REPLACED.MALFORMED;
  const mended = measured.hasIndex ? withSoundIndexes(range.bytes, range.at, sizeBytes) : undefined;
  const record = mended === undefined
    ? store.take(range.bytes, range.at, sizeBytes)
    : store.take(mended, 0, mended.length);
  const isTruncated = store.isTruncatedTime(record.lastUpdateMs, record);
  if (isTruncated && !PLANTED.replaceIgnoresTruncation) {
    return options.rule === "successor" ? removeSuperseded(store, record) : REPLACED.TRUNCATED;
  }
  const entry = entryHere;
  const exists = store.find(record.bytes, record.digestAt, entry);
  if (exists) {
    const isGone = store.isTruncated(entry) && !PLANTED.replaceIgnoresTruncation;
    const order = isGone ? 1 : compareCopies(store, { record, entry }, options);
    if (order === undefined) return REPLACED.SUSPENDED;
    if (order === 0) {
      if (isMerge(options) && !isWritten(store, entry)) entry.setWriteEpoch(store.mergedEpoch);
      return REPLACED.SAME;
    }
    if (order < 0) return REPLACED.LOCAL_BETTER;
  }
  const set = setOf(store, record);
  if (set === null) return REPLACED.NO_SET;
  const writeEpoch = isMerge(options) ? store.mergedEpoch : store.writeEpoch;
  const resultCode = store.putTaken(entry, { exists, set, origin: options.origin, writeEpoch });
  if (resultCode === ResultCode.OK) return REPLACED.APPLIED;
  return resultCode === ResultCode.RECORD_TOO_BIG ? REPLACED.MALFORMED : REPLACED.OUT_OF_SPACE;
}

/**
 * Removes what the source of a covered record has decided against: a merge came before the truncation there, and left a
 * copy that is gone now. To keep the other one here alone would part the copies.
 */
function removeSuperseded(store: NamespaceStore, { bytes, digestAt }: FlatRecord): Replaced {
  const entry = entryHere;
  const isGone = !store.find(bytes, digestAt, entry) || isWritten(store, entry) || store.isTruncated(entry);
  if (isGone) return REPLACED.TRUNCATED;
  const digest = bytes.slice(digestAt, digestAt + DIGEST_SIZE_BYTES);
  return removeLeftOver(store, digest, 0, entry) ? REPLACED.TRUNCATED : REPLACED.OUT_OF_SPACE;
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
  if (store.isTruncatedTime(record.lastUpdateMs, record)) return REPLACED.TRUNCATED;
  const set = setOf(store, record);
  if (set === null) return REPLACED.NO_SET;
  const { writeEpoch } = entry;
  const resultCode = store.putTaken(entry, {
    exists: true,
    set,
    origin: "replica",
    writeEpoch,
    isMended: true,
  });
  return resultCode === ResultCode.OK ? REPLACED.APPLIED : REPLACED.OUT_OF_SPACE;
}

/**
 * Stores a tombstone that can't be read here anew: all that it says is in its entry, so that no other node is needed. Others
 * may have removed theirs, while an older copy on a device of this one is still held back by it.
 *
 * @param entry points at the tombstone
 * @returns false when there is no room for it, or a truncation covers it
 */
export function restoreTombstone(store: NamespaceStore, entry: EntryRef): boolean {
  const digest = new Uint8Array(DIGEST_SIZE_BYTES);
  entry.copyDigest(digest, 0);
  const { generation, lastUpdateMs } = entry;
  const set = store.sets.byId(entry.setId)?.nameBytes ?? NO_BYTES;
  const out = new ByteBuffer();
  const meta = { generation, lastUpdateMs, voidTime: 0, set, key: undefined, treeId: 0 };
  encodeFlat(out, digest, 0, meta, NO_BINS);
  return restoreRecord(store, { bytes: out.bytes, at: 0, end: out.length }, entry) === REPLACED.APPLIED;
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

/**
 * Time between the writes of a tombstone and of a record after which generations say nothing of the two: whoever wrote the
 * record may not have known the tombstone any more, which goes by its age. Half of that age, since clocks may differ.
 */
export function forgottenAfterMs({ settings }: NamespaceStore): number {
  return settings.tombRaiderEligibleAge * 1000 / 2;
}

/** Positive when a record that comes outlives the tombstone that is here, negative when it is the other way round, else 0. */
function compareOutlived(store: NamespaceStore, record: FlatRecord, entry: EntryRef): number {
  const comesTombstone = record.binCount === 0;
  if (comesTombstone === entry.isTombstone) return 0;
  const laterMs = record.lastUpdateMs - entry.lastUpdateMs;
  if (comesTombstone) return laterMs < -forgottenAfterMs(store) ? -1 : 0;
  return laterMs > forgottenAfterMs(store) ? 1 : 0;
}

/** Order of two generations that may have wrapped around: positive when the first is ahead by up to 32767. */
function wrappedOrder(first: number, second: number): number {
  return ((first - second) << 16) >> 16;
}

function isMerge({ rule }: ReplaceOptions): boolean {
  return rule === "policy" || rule === "time";
}

function isWritten(store: NamespaceStore, entry: EntryRef): boolean {
  return entry.writeEpoch === store.writeEpoch;
}

/**
 * Whether a record is what a superseded copy had before the merge, so that it counts for nothing beside what comes.
 *
 * @param isSuperseded the copy was a subset of one that is merged
 */
export function isLeftOver(store: NamespaceStore, entry: EntryRef, isSuperseded: boolean): boolean {
  return isSuperseded && !isWritten(store, entry) && entry.writeEpoch !== store.mergedEpoch;
}

/**
 * Removes what a copy has alone beside one that has everything: it was deleted or expired there. A device keeps a
 * tombstone, hardly newer, because a start would find the record again, unless that ends by itself or a truncation
 * covers it; a tombstone stays.
 *
 * @returns false when it stays: there is no room for the tombstone
 */
export function removeLeftOver(
  store: NamespaceStore,
  digest: Uint8Array,
  at: number,
  entry: EntryRef,
): boolean {
  if (store.isTruncated(entry)) return store.expunge(digest, at, entry, TRUNCATION);
  const endsByItself = entry.voidTime !== 0 && (entry.flags & ENTRY_FLAG.OUTLIVED) === 0;
  const { keepsOldCopies } = store.space;
  if (keepsOldCopies && entry.isTombstone) return true;
  if (!keepsOldCopies || endsByItself) {
    store.remove(digest, at, entry, "migration");
    return true;
  }
  const version = {
    lastUpdateMs: entry.lastUpdateMs + 1,
    generation: nextGeneration(entry.generation),
  };
  return store.bury(digest, at, entry, { origin: "migration", version }) === ResultCode.OK;
}

/** Positive when the record that came is better, undefined when the stored bytes must be read first. */
function compareCopies(
  store: NamespaceStore,
  copies: { record: FlatRecord; entry: EntryRef },
  options: ReplaceOptions,
): number | undefined {
  const { record, entry } = copies;
  const { rule, waiter, isSuperseded = false } = options;
  const isOlder = !isWritten(store, entry);
  const byPolicy = (rule === "policy" && isOlder) || (PLANTED.generationAgainstAncestor && isMerge(options));
  const policy = byPolicy ? store.settings.conflictResolutionPolicy : "last-update-time";
  const outlived = policy === "generation" ? compareOutlived(store, record, entry) : 0;
  const order = outlived || compareVersions(record, entry, policy);
  const comes = rule === "successor" ? isOlder : isMerge(options) && isLeftOver(store, entry, isSuperseded);
  if (order !== 0 && comes) return 1;
  if (order !== 0) return PLANTED.replicaTakesOlder && rule === "replica" ? 1 : order;
  if (PLANTED.wrongTieBreak) return -1;
  const loaded = store.loadLasting(entry, waiter);
  if (loaded === LOADED.PENDING) return undefined;
  // What can't be read any more is mended by a copy that should be the same.
  if (loaded === LOADED.FAILED) return 1;
  const byBytes = compareBytes(record, store.flat);
  return comes ? Math.abs(byBytes) : byBytes;
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

/** The record's set; null when it can't be made. */
function setOf(store: NamespaceStore, record: FlatRecord): SetInfo | undefined | null {
  if (record.setSize === 0) return undefined;
  return store.sets.findOrCreate(record.bytes, record.setAt, record.setSize) ?? null;
}
