/**
 * The bytes of a simulated file, in pages that copies of the file share until one of them writes: a copy costs a pointer
 * per page, so that a disk can be copied at each of its writes.
 *
 * @module
 */

const PAGE_SIZE_BYTES = 16 * 1024;

/** See the head of the file. What was never written is zeros and takes no memory. */
export class PagedBytes {
  /** Size in bytes. */
  length: number;
  readonly #pages: (Uint8Array | undefined)[];
  /** Pages that no copy shares. */
  #isOwn: boolean[];

  /** @param length size in bytes */
  constructor(length = 0, pages: (Uint8Array | undefined)[] = []) {
    this.length = length;
    this.#pages = pages;
    this.#isOwn = [];
  }

  /** The same bytes; what is written to one of the two is not seen in the other. */
  copy(): PagedBytes {
    this.#isOwn = [];
    return new PagedBytes(this.length, this.#pages.slice());
  }

  /** Makes it longer, with zeros, or shorter. */
  resize(length: number): void {
    const last = Math.floor(length / PAGE_SIZE_BYTES);
    if (length < this.length) {
      if (this.#pages[last] !== undefined) this.#ownPage(last).fill(0, length % PAGE_SIZE_BYTES);
      this.#pages.length = Math.min(this.#pages.length, last + 1);
      this.#isOwn.length = Math.min(this.#isOwn.length, last + 1);
    }
    this.length = length;
  }

  /** Copies bytes out; as many as there are from `offset` on. */
  read(offset: number, target: Uint8Array): number {
    const count = Math.max(0, Math.min(target.length, this.length - offset));
    for (let at = 0; at < count;) {
      const page = this.#pages[Math.floor((offset + at) / PAGE_SIZE_BYTES)];
      const from = (offset + at) % PAGE_SIZE_BYTES;
      const size = Math.min(count - at, PAGE_SIZE_BYTES - from);
      if (page === undefined) target.fill(0, at, at + size);
      else target.set(page.subarray(from, from + size), at);
      at += size;
    }
    return count;
  }

  /** Copies bytes in; it gets longer when it must. */
  write(offset: number, source: Uint8Array): void {
    this.length = Math.max(this.length, offset + source.length);
    for (let at = 0; at < source.length;) {
      const from = (offset + at) % PAGE_SIZE_BYTES;
      const size = Math.min(source.length - at, PAGE_SIZE_BYTES - from);
      this.#ownPage(Math.floor((offset + at) / PAGE_SIZE_BYTES)).set(source.subarray(at, at + size), from);
      at += size;
    }
  }

  /** All bytes as one array, to look at or to damage: what is changed in it is changed in the file. */
  flat(): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(this.length / PAGE_SIZE_BYTES) * PAGE_SIZE_BYTES);
    for (let page = 0; page * PAGE_SIZE_BYTES < bytes.length; page++) {
      const own = bytes.subarray(page * PAGE_SIZE_BYTES, (page + 1) * PAGE_SIZE_BYTES);
      const old = this.#pages[page];
      if (old !== undefined) own.set(old);
      this.#pages[page] = own;
      this.#isOwn[page] = true;
    }
    return bytes.subarray(0, this.length);
  }

  #ownPage(page: number): Uint8Array {
    const old = this.#pages[page];
    if (old !== undefined && this.#isOwn[page]) return old;
    this.#isOwn[page] = true;
    return this.#pages[page] = old?.slice() ?? new Uint8Array(PAGE_SIZE_BYTES);
  }
}
