/**
 * The seam between records and where their bytes are: a device answers "here" or "pending". The in-memory device always
 * answers "here"; a device on disk, and the one that tests use, may not. Whoever gets "pending" drops everything it knows
 * about the record and starts again from the digest when it is woken.
 *
 * @module
 */

import type { Clock } from "../port/mod.ts";
import type { Arena } from "./arena.ts";
import type { EntryRef } from "./entry.ts";

/** Something that waits for a record's bytes. */
export interface Waiter {
  /** The bytes asked for are here: they stay here until this call returns. */
  wake(): void;
}

/** Answers to the question for a record's bytes. */
export const LOADED = {
  /** The waiter will be woken. */
  PENDING: 0,
  /** They are here now. */
  HERE: 1,
  /** They can't be read, or are damaged; that was reported. */
  FAILED: 2,
} as const;
/** One of {@linkcode LOADED}. */
export type Loaded = (typeof LOADED)[keyof typeof LOADED];

/** Gets records that can't be read from elsewhere. */
export interface Mender {
  /**
   * A record can't be read.
   *
   * @param entry its entry; lent
   * @param waiter woken when the answer is PENDING: the record may be readable then; undefined when nobody waits
   * @returns FAILED when there is no hope for now
   */
  mend(entry: EntryRef, waiter: Waiter | undefined): Loaded;
}

/** Gives access to the bytes of flat records. */
export interface RecordDevice {
  /** Buffer of the record last loaded; valid until the turn ends or the device is used again. */
  readonly bytes: Uint8Array;
  /** Offset of that record in `bytes`. */
  readonly at: number;
  /**
   * Brings a record within reach.
   *
   * @param location where it is
   * @param units its size in 16-byte units
   * @param waiter woken once, in a later turn, when the answer is PENDING
   */
  load(location: number, units: number, waiter: Waiter): Loaded;
}

/** Records in memory. */
export class MemoryDevice implements RecordDevice {
  /** See {@linkcode RecordDevice.bytes}. */
  bytes: Uint8Array = new Uint8Array(0);
  /** See {@linkcode RecordDevice.at}. */
  at = 0;
  readonly #arena: Arena;

  /** @param arena the blocks */
  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** See {@linkcode RecordDevice.load}; always HERE. */
  load(location: number, _units: number, _waiter: Waiter): Loaded {
    this.bytes = this.#arena.block(location);
    this.at = this.#arena.offset(location);
    return LOADED.HERE;
  }
}

/**
 * A device that answers "pending" to every first question, as a slow disk would. It proves that every path that reads
 * a record can be suspended; tests and the simulator use it.
 */
export class PendingDevice implements RecordDevice {
  /** Questions that were answered "pending". */
  pendingCount = 0;
  readonly #inner: RecordDevice;
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #here = new Set<number>();

  /**
   * @param inner device with the bytes
   * @param clock wakes the waiters
   * @param delayMs time that each read takes
   */
  constructor(inner: RecordDevice, clock: Clock, delayMs = 0) {
    this.#inner = inner;
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** See {@linkcode RecordDevice.bytes}. */
  get bytes(): Uint8Array {
    return this.#inner.bytes;
  }

  /** See {@linkcode RecordDevice.at}. */
  get at(): number {
    return this.#inner.at;
  }

  /** See {@linkcode RecordDevice.load}. */
  load(location: number, units: number, waiter: Waiter): Loaded {
    if (this.#here.has(location)) return this.#inner.load(location, units, waiter);
    this.pendingCount++;
    this.#clock.after(this.#delayMs, () => {
      this.#here.add(location);
      try {
        waiter.wake();
      } finally {
        this.#here.delete(location);
      }
    });
    return LOADED.PENDING;
  }
}
