/**
 * Reads the pages of an index checkpoint into the index. The page file is read in the order of
 * its frames, in long pieces, whatever the order of the pages.
 *
 * @module
 */

import type { Clock, Compute, DiskFile } from "../../port/mod.ts";
import { ENTRY_FLAG, ENTRY_WORD_COUNT, EntryRef, WORD } from "../entry.ts";
import { PAGE_ENTRY_COUNT, PAGE_WORD_COUNT, type PrimaryIndex } from "../index.ts";
import { START_SLICE_MS } from "./block_loader.ts";
import { FRAME_SIZE_BYTES } from "./checkpoint_frames.ts";
import type { CheckpointMap } from "./checkpoint_map.ts";

/** Frames that are read at a time. */
const READ_FRAME_COUNT = 1024;
/** Unused frames that are read along with others rather than passed over. */
const GAP_FRAME_COUNT = 16;
/** Reads that are under way while another one's pages are looked at. */
const READ_AHEAD_COUNT = 2;

/** What reading an image needs. */
export interface ImageOptions {
  /** Which frame holds which page. */
  map: CheckpointMap;
  /** The page file. */
  file: DiskFile;
  /** The index, with room for the pages. */
  index: PrimaryIndex;
  /** Slices. */
  clock: Clock;
  /** Checksums. */
  compute: Compute;
  /** Called for each entry that is in use; may change it. False when there can't be such an entry. */
  take: (entry: EntryRef) => boolean;
  /** Called now and then with the share that is read, in percent. */
  onProgress: (pct: number) => void;
}

/** Consecutive frames that are read at once. */
interface Piece {
  frame: number;
  count: number;
}

/** See the head of the file. */
export class CheckpointImage {
  readonly #options: ImageOptions;
  /** Page + 1 of each frame. */
  readonly #pageOf: Uint32Array;
  readonly #entry = new EntryRef();
  #sliceEndMs = 0;

  /** @param options the map and where pages go */
  constructor(options: ImageOptions) {
    this.#options = options;
    const { pageFrames } = options.map;
    this.#pageOf = new Uint32Array(pageFrames.reduce((most, frame) => Math.max(most, frame), 0));
    for (let page = 0; page < pageFrames.length; page++) {
      if (pageFrames[page] > 0) this.#pageOf[pageFrames[page] - 1] = page + 1;
    }
  }

  /** Reads all pages; why the checkpoint is no use, undefined when it is sound. */
  async read(): Promise<string | undefined> {
    const { clock, file, onProgress } = this.#options;
    this.#sliceEndMs = clock.monotonicMs() + START_SLICE_MS;
    const pieces = this.#pieces();
    const reads: Promise<Uint8Array | Error>[] = [];
    for (let place = 0; place < pieces.length; place++) {
      while (reads.length <= READ_AHEAD_COUNT && place + reads.length < pieces.length) {
        reads.push(readPiece(file, pieces[place + reads.length]));
      }
      const bytes = await reads.shift()!;
      if (bytes instanceof Error) {
        await Promise.all(reads);
        return bytes.message;
      }
      const objection = await this.#takePiece(pieces[place], bytes);
      if (objection !== undefined) {
        await Promise.all(reads);
        return objection;
      }
      onProgress(Math.floor((place + 1) * 100 / pieces.length));
    }
    return undefined;
  }

  #pieces(): Piece[] {
    const pieces: Piece[] = [];
    for (let frame = 0; frame < this.#pageOf.length; frame++) {
      if (this.#pageOf[frame] === 0) continue;
      const last = pieces.at(-1);
      const gap = last === undefined ? Infinity : frame - last.frame - last.count;
      if (last !== undefined && gap <= GAP_FRAME_COUNT && frame - last.frame < READ_FRAME_COUNT) {
        last.count = frame - last.frame + 1;
      } else {
        pieces.push({ frame, count: 1 });
      }
    }
    return pieces;
  }

  async #takePiece({ frame, count }: Piece, bytes: Uint8Array): Promise<string | undefined> {
    const { clock, compute, map, index } = this.#options;
    const words = new Uint32Array(bytes.buffer);
    for (let place = 0; place < count; place++) {
      const page = this.#pageOf[frame + place] - 1;
      if (page < 0) continue;
      const content = bytes.subarray(place * FRAME_SIZE_BYTES, (place + 1) * FRAME_SIZE_BYTES);
      const found = compute.crc32(content);
      if (found !== map.pageChecksums[page]) {
        const [expected, actual] = [map.pageChecksums[page], found].map((sum) =>
          sum.toString(16).padStart(8, "0")
        );
        return `page ${page} is damaged: expected checksum ${expected}, found ${actual}`;
      }
      const target = index.page(page);
      target.set(words.subarray(place * PAGE_WORD_COUNT, (place + 1) * PAGE_WORD_COUNT));
      const objection = this.#judgePage(page, target);
      if (objection !== undefined) return objection;
      if (place % 64 === 63 && clock.monotonicMs() >= this.#sliceEndMs) {
        await new Promise<void>((resolve) => clock.nextTurn(resolve));
        this.#sliceEndMs = clock.monotonicMs() + START_SLICE_MS;
      }
    }
    return undefined;
  }

  #judgePage(page: number, words: Uint32Array): string | undefined {
    const entry = this.#entry;
    entry.words = words;
    const { take } = this.#options;
    for (let place = 0; place < PAGE_ENTRY_COUNT; place++) {
      entry.base = place * ENTRY_WORD_COUNT;
      if (entry.sizeUnits === 0) continue;
      entry.handle = page * PAGE_ENTRY_COUNT + place;
      // What is true of the run that wrote it: the cluster it was in, and what the tomb raider was about.
      if (words[entry.base + WORD.SET_AND_TREE] >>> 24 !== 0) entry.setWriteEpoch(0);
      if ((entry.flags & (ENTRY_FLAG.DOOMED | ENTRY_FLAG.UNCONFIRMED)) !== 0) {
        entry.setFlags(ENTRY_FLAG.DOOMED | ENTRY_FLAG.UNCONFIRMED, false);
      }
      if (take(entry)) continue;
      return `entry ${entry.handle} points at location ${entry.location}, where nothing was ever written`;
    }
    return undefined;
  }
}

/** Never rejects: several reads are under way while one is waited for. */
async function readPiece(file: DiskFile, { frame, count }: Piece): Promise<Uint8Array | Error> {
  const bytes = new Uint8Array(count * FRAME_SIZE_BYTES);
  try {
    const countBytes = await file.read(frame * FRAME_SIZE_BYTES, bytes);
    return countBytes === bytes.length ? bytes : new Error("the page file is too short");
  } catch (error) {
    return error as Error;
  }
}
