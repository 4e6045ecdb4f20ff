/**
 * The bytes of a simulated file in pages. Pages that were never written are not there and read as zeros, and copies of a
 * content share their pages until one of them writes: most of a file is empty, and what is synced is mostly what is
 * written.
 *
 * @module
 */

/** What devices write most is single pages of this size. */
const PAGE_SIZE_BYTES = 4 * 1024;

/** Where the used part of a content ends is told in multiples of this. */
const USED_STEP_BYTES = 16 * 1024;

/** A content of some size. */
export class DiskPages {
  #sizeBytes = 0;
  /** Undefined for a page of zeros. */
  #pages: (Uint8Array | undefined)[] = [];
  /** Pages that no other content has. */
  #own = new Set<Uint8Array>();

  /** Bytes, with those that were never written. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** End of the last page that was written, rounded up. */
  get usedEndBytes(): number {
    const endBytes = PAGE_SIZE_BYTES * (1 + this.#pages.findLastIndex((page) => page !== undefined));
    return Math.min(this.#sizeBytes, Math.ceil(endBytes / USED_STEP_BYTES) * USED_STEP_BYTES);
  }

  /** The same content, which goes its own way from now on. */
  copy(): DiskPages {
    const copy = new DiskPages();
    copy.#sizeBytes = this.#sizeBytes;
    copy.#pages = this.#pages.slice();
    this.#own = new Set();
    return copy;
  }

  /** Copies bytes from a place to the target, as many as there are; gives their number. */
  read(offset: number, target: Uint8Array): number {
    const count = Math.max(0, Math.min(target.length, this.#sizeBytes - offset));
    for (let at = 0; at < count;) {
      const from = (offset + at) % PAGE_SIZE_BYTES;
      const length = Math.min(count - at, PAGE_SIZE_BYTES - from);
      const page = this.#pages[Math.floor((offset + at) / PAGE_SIZE_BYTES)];
      if (page === undefined) target.fill(0, at, at + length);
      else target.set(page.subarray(from, from + length), at);
      at += length;
    }
    return count;
  }

  /** Writes bytes at a place; the content grows when they end behind it. */
  write(offset: number, source: Uint8Array): void {
    this.#sizeBytes = Math.max(this.#sizeBytes, offset + source.length);
    for (let at = 0; at < source.length;) {
      const from = (offset + at) % PAGE_SIZE_BYTES;
      const length = Math.min(source.length - at, PAGE_SIZE_BYTES - from);
      this.#writable(Math.floor((offset + at) / PAGE_SIZE_BYTES)).set(source.subarray(at, at + length), from);
      at += length;
    }
  }

  /** Cuts the content, or lets it grow by zeros. */
  resize(sizeBytes: number): void {
    if (sizeBytes < this.#sizeBytes) {
      const pageCount = Math.ceil(sizeBytes / PAGE_SIZE_BYTES);
      this.#pages.length = Math.min(this.#pages.length, pageCount);
      const rest = sizeBytes % PAGE_SIZE_BYTES;
      if (rest > 0 && this.#pages[pageCount - 1] !== undefined) this.#writable(pageCount - 1).fill(0, rest);
    }
    this.#sizeBytes = sizeBytes;
  }

  /** Turns one bit over. */
  flip(offset: number): void {
    this.#writable(Math.floor(offset / PAGE_SIZE_BYTES))[offset % PAGE_SIZE_BYTES] ^= 1;
  }

  /**
   * The first place where a byte is not zero, from `offset` to the end and then from `fromBytes` on; `offset` when there
   * is none.
   */
  findUsed(offset: number, fromBytes: number): number {
    return this.#findUsedFrom(offset) ?? this.#findUsedFrom(fromBytes) ?? offset;
  }

  #findUsedFrom(offset: number): number | undefined {
    const first = Math.floor(offset / PAGE_SIZE_BYTES);
    for (let index = first; index < this.#pages.length; index++) {
      const from = index === first ? offset % PAGE_SIZE_BYTES : 0;
      const found = this.#pages[index]?.findIndex((byte, at) => at >= from && byte !== 0) ?? -1;
      if (found >= 0) return index * PAGE_SIZE_BYTES + found;
    }
    return undefined;
  }

  #writable(index: number): Uint8Array {
    const page = this.#pages[index];
    if (page !== undefined && this.#own.has(page)) return page;
    const own = page === undefined ? new Uint8Array(PAGE_SIZE_BYTES) : page.slice();
    while (this.#pages.length < index) this.#pages.push(undefined);
    this.#pages[index] = own;
    this.#own.add(own);
    return own;
  }
}
