/**
 * The sketches that a call is about: those of a request, then the bin's. They are visited where they lie, so that a
 * request with very many costs no memory. Source: collection reference, sections 6.4 and 6.5.
 *
 * @module
 */

import { assert, HLL_LIST_COUNT_MAX } from "../../base/mod.ts";
import { CallReader, stringHeaderSize } from "../call.ts";
import { HllView, INDEX_BITS_MAX } from "./layout.ts";

/** A list of sketches; made once and filled again. */
export class HllList {
  /** Number of sketches. */
  count = 0;
  /** Index bits that all of them have. */
  indexBits = 0;
  /** Minhash bits if all have the same, else 0. */
  minhashBits = 0;
  /** The sketch that `next` has moved to. */
  readonly view: HllView = new HllView();
  readonly #reader = new CallReader();
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #sizeBytes = 0;
  /** Sketches in the request. */
  #requestCount = 0;
  /** Sketches that follow those of the request. */
  readonly #added = [new HllView(), new HllView()];
  #addedCount = 0;
  #index = 0;
  #pair: HllList | undefined;

  /**
   * Takes the sketches of a request: a list, or one alone.
   *
   * @returns false when one of them is malformed, or there is none
   */
  open(bytes: Uint8Array, at: number, sizeBytes: number): boolean {
    this.#bytes = bytes;
    this.#at = at;
    this.#sizeBytes = sizeBytes;
    this.#addedCount = 0;
    this.#requestCount = 1;
    if (!this.#isAlone()) {
      if (!this.#reader.open(bytes, at, sizeBytes)) return false;
      this.#requestCount = this.#reader.left;
    }
    if (this.#requestCount === 0 || this.#requestCount > HLL_LIST_COUNT_MAX) return false;
    this.#clear();
    this.rewind();
    for (let index = 0; index < this.#requestCount; index++) {
      if (!this.#readNext()) return false;
      this.#include(this.view);
    }
    return true;
  }

  #isAlone(): boolean {
    return this.#sizeBytes > 0 && stringHeaderSize(this.#bytes[this.#at]) > 0;
  }

  #clear(): void {
    this.count = 0;
    this.indexBits = INDEX_BITS_MAX;
    this.minhashBits = 0;
  }

  #include(view: HllView): void {
    this.indexBits = Math.min(this.indexBits, view.indexBits);
    if (this.count === 0) this.minhashBits = view.minhashBits;
    else if (this.minhashBits !== view.minhashBits) this.minhashBits = 0;
    this.count++;
  }

  /** Adds a sketch behind the others; it must stay where it is. */
  add(view: HllView): void {
    assert(this.#addedCount < this.#added.length, "A list takes two sketches besides a request's");
    this.#copy(view, this.#added[this.#addedCount++]);
    this.#include(view);
  }

  #copy(from: HllView, to: HllView): void {
    to.bytes = from.bytes;
    to.at = from.at;
    to.indexBits = from.indexBits;
    to.minhashBits = from.minhashBits;
  }

  /** Starts before the first sketch. */
  rewind(): void {
    this.#index = 0;
    if (this.#requestCount === 0) return;
    const reader = this.#reader;
    if (this.#isAlone()) {
      reader.bytes = this.#bytes;
      reader.at = this.#at;
      reader.end = this.#at + this.#sizeBytes;
      reader.left = 1;
    } else {
      reader.open(this.#bytes, this.#at, this.#sizeBytes);
    }
  }

  /** Moves to the next sketch; false when there is none. */
  next(): boolean {
    if (this.#index === this.count) return false;
    if (this.#index < this.#requestCount) return this.#readNext();
    this.#copy(this.#added[this.#index++ - this.#requestCount], this.view);
    return true;
  }

  /** The type byte before a sketch's bytes is skipped, whatever it is. */
  #readNext(): boolean {
    const reader = this.#reader;
    this.#index++;
    return reader.string() && this.view.decode(reader.bytes, reader.dataAt + 1, reader.dataSize - 1);
  }

  /** Points a view to one sketch. */
  load(index: number, view: HllView): void {
    this.rewind();
    for (let at = 0; at <= index; at++) this.next();
    this.#copy(this.view, view);
  }

  /** A list of two of the sketches, valid until the next call. */
  pair(left: number, right: number): HllList {
    const pair = this.#pair ??= new HllList();
    pair.#requestCount = 0;
    pair.#addedCount = 0;
    pair.#clear();
    this.load(left, this.view);
    pair.add(this.view);
    this.load(right, this.view);
    pair.add(this.view);
    return pair;
  }
}
