/**
 * What a script sees of a record, and what it wants done with it. The record itself belongs to whoever calls.
 *
 * @module
 */

import type { BinTable } from "../record/mod.ts";

/** A record, or the place where one could be. */
export interface UdfRecord {
  /** Bins; not changed by the script. */
  readonly table: BinTable;
  /** Whether there is a record. */
  readonly exists: boolean;
  /** Generation, 0 for none. */
  readonly generation: number;
  /** Seconds until it expires, 0 for never. */
  readonly ttlS: number;
  /** Last update in ms since 2010. */
  readonly lastUpdateMs: number;
  /** Stored size. */
  readonly sizeBytes: number;
  /** Name of the set, undefined for none. */
  readonly setName: Uint8Array | undefined;
  /** Digest, 20 bytes. */
  readonly digest: Uint8Array;
  /** Stored key with its particle type in front, undefined for none. */
  readonly key: Uint8Array | undefined;
}

/** A value that a script has assigned to a bin. */
export interface UdfBin {
  /** Particle type. */
  type: number;
  /** Particle as a client would send it. */
  bytes: Uint8Array;
}

/** Answers of `aerospike:create`, `update` and `remove`. */
export const COMMIT_STATUS = { OK: 0, EXISTS: 1, ABSENT: 1, NOT_THERE_TO_UPDATE: -2 } as const;

/** What a script wants done with its record; nothing is done before the script has ended well. */
export class UdfChanges {
  /** Whether there would be a record afterwards. */
  present = false;
  /** Something is to be stored or removed. */
  changed = false;
  /** The bins that were there go. */
  clears = false;
  /** The key that is stored goes. */
  dropsKey = false;
  /** TTL in seconds or one of the TTL constants as the script gave it, undefined for the request's. */
  ttl: number | undefined;
  /** New values by bin name; undefined removes the bin. */
  readonly bins: Map<string, UdfBin | undefined> = new Map();

  /** Begins anew. */
  reset(present: boolean): void {
    this.present = present;
    this.changed = this.clears = this.dropsKey = false;
    this.ttl = undefined;
    this.bins.clear();
  }

  /** Takes note of a call such as `aerospike:create`; the status that it answers. */
  commit(operation: string): number {
    switch (operation) {
      case "create":
        if (this.present) return COMMIT_STATUS.EXISTS;
        this.present = true;
        break;
      case "update":
        if (!this.present) return COMMIT_STATUS.NOT_THERE_TO_UPDATE;
        break;
      default:
        if (!this.present) return COMMIT_STATUS.ABSENT;
        this.present = false;
        this.clears = true;
        this.bins.clear();
    }
    this.changed = true;
    return COMMIT_STATUS.OK;
  }
}
