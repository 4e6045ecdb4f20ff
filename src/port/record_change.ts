/**
 * Port: record change.
 *
 * @module
 */

/** Who caused a change of a record. */
export type ChangeOrigin =
  | "client"
  | "replica"
  | "migration"
  | "xdr"
  | "expiry"
  | "eviction"
  | "truncate"
  | "cold-start"
  | "tomb-raider";

/**
 * One change of one record, published by storage after it has happened. Secondary indexes, set indexes, XDR and
 * statistics subscribe. The same object is reused for every change: copy what you keep.
 */
export interface RecordChange {
  /** Buffer that holds the digest. */
  digest: Uint8Array;
  /** Offset of the digest in it. */
  digestAt: number;
  /** Handle of the record's index entry, before and after; of the former entry when the record is gone. */
  handle: number;
  /** There was a record, or a tombstone, before. */
  existed: boolean;
  /**
   * The record before, in flat form; undefined when there was none, or when it is on a device and was not read. Lent
   * until the subscriber returns.
   */
  old: Uint8Array | undefined;
  /** The record after, in flat form; undefined when it is gone. Lent until the subscriber returns. */
  new: Uint8Array | undefined;
  /** Cause. */
  origin: ChangeOrigin;
}

/** Receives every change in the order in which they happened; must not throw and must not wait. */
export type RecordChangeSubscriber = (change: RecordChange) => void;
