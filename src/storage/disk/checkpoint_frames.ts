/**
 * Frames of the page file of an index checkpoint: which page is where, and which frames must not be overwritten because
 * the valid checkpoint, or one that may be, uses them.
 *
 * @module
 */

/** Bytes of a frame. */
export const FRAME_SIZE_BYTES = 4096;

const FRAME_STATE = {
  /** It holds the last written copy of a page. */
  CURRENT: 1,
  /** A checkpoint that is on the disk, or may be, uses it. */
  HELD: 2,
} as const;

/** See the head of the file. */
export class FrameTable {
  /** Frame + 1 of each page, 0 for none; valid up to `pageCount`. */
  pageFrames: Uint32Array;
  /** Checksum of each page as it was last written. */
  pageChecksums: Uint32Array;
  #pageCount: number;
  #states = new Uint8Array(1024);
  #frameCount = 0;
  #next = 0;

  /** @param pageFrames as they are in the checkpoint that is on the disk; empty when there is none */
  constructor(pageFrames: Uint32Array = new Uint32Array(0), pageChecksums: Uint32Array = new Uint32Array(0)) {
    this.pageFrames = pageFrames;
    this.pageChecksums = pageChecksums;
    this.#pageCount = pageFrames.length;
    for (const frame of pageFrames) {
      if (frame !== 0) this.#add(frame - 1, FRAME_STATE.CURRENT | FRAME_STATE.HELD);
    }
  }

  /** Pages that were ever written. */
  get pageCount(): number {
    return this.#pageCount;
  }

  /** Frames up to the last one that was ever used. */
  get frameCount(): number {
    return this.#frameCount;
  }

  /** The frame of a page, -1 for none. */
  frameOf(page: number): number {
    return page < this.#pageCount ? this.pageFrames[page] - 1 : -1;
  }

  /** Searches for free frames from the beginning again. */
  rewind(): void {
    this.#next = 0;
  }

  /** Gives a page another frame: the lowest that is free, from the last one given on. */
  place(page: number, checksum: number): number {
    while (this.#next < this.#frameCount && this.#states[this.#next] !== 0) this.#next++;
    const frame = this.#next++;
    this.#add(frame, FRAME_STATE.CURRENT);
    this.#ensurePage(page);
    const before = this.pageFrames[page];
    if (before !== 0) this.#states[before - 1] &= ~FRAME_STATE.CURRENT;
    this.pageFrames[page] = frame + 1;
    this.pageChecksums[page] = checksum;
    return frame;
  }

  /** A checkpoint with the present frames is about to be written: whether it succeeds or not, they stay. */
  hold(): void {
    for (let frame = 0; frame < this.#frameCount; frame++) {
      if ((this.#states[frame] & FRAME_STATE.CURRENT) !== 0) this.#states[frame] |= FRAME_STATE.HELD;
    }
  }

  /** It is on the disk: what only earlier ones used is free. */
  release(): void {
    for (let frame = 0; frame < this.#frameCount; frame++) {
      this.#states[frame] = (this.#states[frame] & FRAME_STATE.CURRENT) !== 0
        ? FRAME_STATE.CURRENT | FRAME_STATE.HELD
        : 0;
    }
  }

  #add(frame: number, state: number): void {
    if (frame >= this.#states.length) {
      const states = new Uint8Array(Math.max(2 * this.#states.length, frame + 1));
      states.set(this.#states);
      this.#states = states;
    }
    this.#states[frame] |= state;
    this.#frameCount = Math.max(this.#frameCount, frame + 1);
  }

  #ensurePage(page: number): void {
    if (page >= this.pageFrames.length) {
      const size = Math.max(64, 2 * this.pageFrames.length, page + 1);
      this.pageFrames = grown(this.pageFrames, size);
      this.pageChecksums = grown(this.pageChecksums, size);
    }
    this.#pageCount = Math.max(this.#pageCount, page + 1);
  }
}

function grown(values: Uint32Array, size: number): Uint32Array {
  const result = new Uint32Array(size);
  result.set(values);
  return result;
}
