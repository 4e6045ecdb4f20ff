/**
 * The values under which one record is in one index: 64-bit numbers, sorted, each once.
 *
 * @module
 */

import { flipSign } from "./tree_key.ts";

/** Values that a list keeps room for between uses. */
const KEPT_COUNT_MAX = 16 * 1024;

/** A list that is filled again for each record. */
export class KeyList {
  /** Values. */
  count = 0;
  // Lower word first: on little-endian machines, which are all there are, the pairs are 64-bit numbers.
  #words = new Uint32Array(32);
  #numbers = new BigUint64Array(this.#words.buffer);

  /** Empties the list. */
  clear(): void {
    this.count = 0;
    if (this.#words.length > KEPT_COUNT_MAX * 2) this.#resize(32);
  }

  /** Adds a value in two words, the upper one as a signed number has it. */
  add(high: number, low: number): void {
    if (this.count * 2 === this.#words.length) this.#resize(this.count * 4);
    this.#words[this.count * 2] = low;
    this.#words[this.count * 2 + 1] = flipSign(high);
    this.count++;
  }

  /** Sorts the values and leaves each once. */
  sort(): void {
    if (this.count < 2) return;
    this.#numbers.subarray(0, this.count).sort();
    const words = this.#words;
    let kept = 1;
    for (let index = 1; index < this.count; index++) {
      const low = words[index * 2];
      const high = words[index * 2 + 1];
      if (low === words[kept * 2 - 2] && high === words[kept * 2 - 1]) continue;
      words[kept * 2] = low;
      words[kept * 2 + 1] = high;
      kept++;
    }
    this.count = kept;
  }

  /** Upper word of a value, top bit turned over. */
  high(index: number): number {
    return this.#words[index * 2 + 1];
  }

  /** Lower word of a value. */
  low(index: number): number {
    return this.#words[index * 2];
  }

  #resize(wordCount: number): void {
    const words = new Uint32Array(wordCount);
    words.set(this.#words.subarray(0, Math.min(wordCount, this.count * 2)));
    this.#words = words;
    this.#numbers = new BigUint64Array(words.buffer);
  }
}
