/**
 * What the supervisor of a namespace has done and found: counters and flags that statistics read. The names are the
 * stock server's in camel case. Source: server-operations reference, section 9.2.
 *
 * @module
 */

/** Counters and flags of background work. */
export class Supervision {
  /** Records removed because their void-time had passed. */
  expiredObjects = 0;
  /** Records removed to make room. */
  evictedObjects = 0;
  /** Records removed because they were truncated. */
  truncatedObjects = 0;
  /** Tombstones removed because they were old enough. */
  raidedTombstones = 0;
  /** How long the last expiry cycle took, in ms; statistics show seconds. */
  nsupCycleMs = 0;
  /** Share of the records that the last expiry cycle removed, in percent. */
  nsupCycleDeletedPct = 0;
  /** Expiry cycles finished. */
  nsupCycleCount = 0;
  /** Remaining life below which records were evicted last, in seconds. */
  evictTtlS = 0;
  /** Void-time up to which records were evicted here, in seconds since 2010; 0 for none. */
  evictVoidTime = 0;
  /** Void-time up to which the nodes have agreed to evict; 0 for none. */
  smdEvictVoidTime = 0;
  /** Use is above a mark for eviction. */
  hwmBreached = false;
  /** Why writes are stopped; empty when they are not. */
  stopWritesReason = "";

  /**
   * Takes what the nodes have agreed on.
   *
   * @param voidTime seconds since 2010; 0 to forget how deep evictions went
   */
  agreeEviction(voidTime: number): void {
    this.smdEvictVoidTime = voidTime;
    this.evictVoidTime = Math.min(this.evictVoidTime, voidTime);
    if (voidTime === 0) this.evictTtlS = 0;
  }
}
