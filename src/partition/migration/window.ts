/**
 * The records of one emigration that were sent and not yet acknowledged: a ring in typed arrays, numbered by insert id.
 * It is full when it has too many records or bytes; then the sender waits.
 *
 * @module
 */

import { assert, copyBytes, MIGRATE_UNACKED_COUNT_MAX, MIGRATE_UNACKED_SIZE_MAX } from "../../base/mod.ts";
import { META_SIZE_BYTES } from "./meta.ts";

const COUNT_FIRST = 64;

/** See the head of the file. Slots hold the digest, or the meta record of a removal. */
export class InsertWindow {
  /** Bytes that were sent and not acknowledged. */
  unackedBytes = 0;
  /** Records that were sent and not acknowledged. */
  unackedCount = 0;
  // Most transfers send nothing.
  #capacity = 0;
  #oldest = 0;
  #next = 0;
  #names = new Uint8Array(0);
  #sizes = new Uint32Array(0);
  #sentMs = new Float64Array(0);
  #isRemoval = new Uint8Array(0);

  /** Whether the sender has to wait. */
  get isFull(): boolean {
    return this.#next - this.#oldest >= MIGRATE_UNACKED_COUNT_MAX ||
      this.unackedBytes >= MIGRATE_UNACKED_SIZE_MAX;
  }

  /**
   * Takes an insert.
   *
   * @param name buffer with the digest, or with the meta record of a removal, at offset 0
   * @returns the insert id
   */
  add(
    name: Uint8Array,
    insert: { readonly sizeBytes: number; readonly nowMs: number; readonly isRemoval: boolean },
  ): number {
    if (this.#next - this.#oldest === this.#capacity) this.#grow();
    const id = this.#next++;
    const slot = id % this.#capacity;
    copyBytes(name, 0, this.#names, slot * META_SIZE_BYTES, name.length);
    // A slot without size is free, so that one that was acknowledged out of order is known.
    this.#sizes[slot] = Math.max(insert.sizeBytes, 1);
    this.#sentMs[slot] = insert.nowMs;
    this.#isRemoval[slot] = insert.isRemoval ? 1 : 0;
    this.unackedBytes += this.#sizes[slot];
    this.unackedCount++;
    return id;
  }

  #grow(): void {
    const from = this.#capacity;
    assert(from < MIGRATE_UNACKED_COUNT_MAX, "a full window takes nothing");
    const to = Math.max(COUNT_FIRST, from * 2);
    const names = new Uint8Array(to * META_SIZE_BYTES);
    const sizes = new Uint32Array(to);
    const sentMs = new Float64Array(to);
    const isRemoval = new Uint8Array(to);
    for (let id = this.#oldest; id < this.#next; id++) {
      copyBytes(
        this.#names,
        (id % from) * META_SIZE_BYTES,
        names,
        (id % to) * META_SIZE_BYTES,
        META_SIZE_BYTES,
      );
      sizes[id % to] = this.#sizes[id % from];
      sentMs[id % to] = this.#sentMs[id % from];
      isRemoval[id % to] = this.#isRemoval[id % from];
    }
    this.#capacity = to;
    this.#names = names;
    this.#sizes = sizes;
    this.#sentMs = sentMs;
    this.#isRemoval = isRemoval;
  }

  /** An insert was acknowledged, or needs no answer any more; false when it was not waiting for one. */
  settle(id: number): boolean {
    if (!this.has(id)) return false;
    const slot = id % this.#capacity;
    this.unackedBytes -= this.#sizes[slot];
    this.unackedCount--;
    this.#sizes[slot] = 0;
    while (this.#oldest < this.#next && this.#sizes[this.#oldest % this.#capacity] === 0) this.#oldest++;
    return true;
  }

  /** Whether an insert waits for its answer. */
  has(id: number): boolean {
    return id >= this.#oldest && id < this.#next && this.#sizes[id % this.#capacity] > 0;
  }

  /** Inserts that were sent at or before a time and wait for their answers, oldest first. */
  *sentBefore(timeMs: number): Generator<number> {
    const end = this.#next;
    for (let id = this.#oldest; id < end; id++) {
      if (this.has(id) && this.#sentMs[id % this.#capacity] <= timeMs) yield id;
    }
  }

  /** Notes that an insert was sent again. */
  resent(id: number, nowMs: number): void {
    this.#sentMs[id % this.#capacity] = nowMs;
  }

  /** Whether an insert is the removal of a record. */
  isRemoval(id: number): boolean {
    return this.#isRemoval[id % this.#capacity] === 1;
  }

  /** A view of an insert's digest, or of the meta record of a removal. */
  name(id: number): Uint8Array {
    const at = (id % this.#capacity) * META_SIZE_BYTES;
    return this.#names.subarray(at, at + META_SIZE_BYTES);
  }
}
