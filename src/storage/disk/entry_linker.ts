/**
 * Puts an index together from the entries of a checkpoint that is not complete. Its pages were taken at different times:
 * links are worthless, a record may have two entries, and an entry may tell of a record that is in no block any more.
 *
 * An entry that points into a block that will be replayed is unconfirmed: it is in the index for what it knows of older
 * copies, but it counts only when the replay finds its record, or something newer. What is left unconfirmed at the end is
 * removed. docs/format/checkpoint.md says why.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES } from "../../base/mod.ts";
import { ENTRY_FLAG, EntryRef, WORD } from "../entry.ts";
import { PAGE_ENTRY_COUNT, type PrimaryIndex } from "../index.ts";
import { isOutlived } from "../copy_order.ts";
import type { NamespaceStore } from "../store.ts";
import { DISK_BLOCK } from "./blocks.ts";
import type { DiskSpace } from "./disk_space.ts";

/** Words that a record's entry keeps when it moves to another place in the index. */
const KEPT_WORDS = [
  WORD.LOCATION,
  WORD.SIZE,
  WORD.VOID_TIME,
  WORD.LUT_LOW,
  WORD.LUT_HIGH_GENERATION_FLAGS,
  WORD.SET_AND_TREE,
  WORD.ORDER_LOW,
  WORD.ORDER_HIGH,
];

/** See the head of the file. */
export class EntryLinker {
  readonly #store: NamespaceStore;
  readonly #index: PrimaryIndex;
  readonly #disk: DiskSpace;
  readonly #isReplayed: Uint8Array;
  readonly #unconfirmed: number[] = [];
  readonly #entry = new EntryRef();
  readonly #known = new EntryRef();
  readonly #digest = new Uint8Array(DIGEST_SIZE_BYTES);
  readonly #digests = new Uint8Array(DIGEST_SIZE_BYTES * PAGE_ENTRY_COUNT);
  readonly #digestAts = Uint32Array.from(
    { length: PAGE_ENTRY_COUNT },
    (_, place) => place * DIGEST_SIZE_BYTES,
  );

  /**
   * @param store its index has the pages, and no trees
   * @param isReplayed not 0 for blocks that will be replayed
   */
  constructor(store: NamespaceStore, isReplayed: Uint8Array) {
    this.#store = store;
    this.#index = store.index;
    this.#disk = store.disk!;
    this.#isReplayed = isReplayed;
  }

  /** Takes the entries of a page; free ones can be used again. */
  takePage(page: number): void {
    const entry = this.#entry;
    this.#warm(page);
    for (let place = 0; place < PAGE_ENTRY_COUNT; place++) {
      const handle = page * PAGE_ENTRY_COUNT + place;
      if (handle === 0) continue;
      this.#index.moveTo(entry, handle);
      if (entry.sizeUnits === 0) this.#index.reuse(handle);
      else this.#take(entry);
    }
  }

  #warm(page: number): void {
    let count = 0;
    for (let place = 0; place < PAGE_ENTRY_COUNT; place++) {
      this.#index.moveTo(this.#entry, page * PAGE_ENTRY_COUNT + place);
      if (this.#entry.sizeUnits === 0) continue;
      this.#entry.copyDigest(this.#digests, count * DIGEST_SIZE_BYTES);
      count++;
    }
    this.#index.warm(this.#digests, this.#digestAts, count);
  }

  /** After the replay: removes what was not found; how many there were. */
  dropUnconfirmed(): number {
    const entry = this.#entry;
    const { blocks } = this.#disk;
    let count = 0;
    for (const handle of this.#unconfirmed) {
      this.#index.moveTo(entry, handle);
      if (entry.sizeUnits === 0 || (entry.flags & ENTRY_FLAG.UNCONFIRMED) === 0) continue;
      if (blocks.state[blocks.blockOf(entry.location)] === DISK_BLOCK.BAD) {
        // Nobody knows what the block holds: reading the record must fail, not find nothing.
        entry.setFlags(ENTRY_FLAG.UNCONFIRMED, false);
        this.#disk.claim(entry.location, entry.sizeUnits);
        continue;
      }
      count++;
      this.#store.counts.adjustEntry(entry, -1);
      entry.copyDigest(this.#digest, 0);
      this.#index.remove(this.#digest, 0);
    }
    return count;
  }

  #take(entry: EntryRef): void {
    const known = this.#known;
    if (this.#isReplayed[this.#disk.blocks.blockOf(entry.location)] !== 0) {
      entry.setFlags(ENTRY_FLAG.UNCONFIRMED, true);
    }
    if (this.#index.link(entry, known)) {
      this.#count(entry);
      return;
    }
    if (isBetter(entry, known)) {
      const outlived = isOutlived(known, entry.voidTime);
      this.#uncount(known);
      this.#copy(entry, known);
      if (outlived) known.setFlags(ENTRY_FLAG.OUTLIVED, true);
      this.#count(known);
    } else if (isOutlived(entry, known.voidTime)) {
      known.setFlags(ENTRY_FLAG.OUTLIVED, true);
    }
    this.#index.touch(known.handle);
    this.#index.discard(entry.handle);
  }

  #count(entry: EntryRef): void {
    this.#store.counts.adjustEntry(entry, 1);
    if ((entry.flags & ENTRY_FLAG.UNCONFIRMED) === 0) this.#disk.claim(entry.location, entry.sizeUnits);
    else this.#unconfirmed.push(entry.handle);
  }

  #uncount(entry: EntryRef): void {
    this.#store.counts.adjustEntry(entry, -1);
    if ((entry.flags & ENTRY_FLAG.UNCONFIRMED) === 0) this.#disk.release(entry.location, entry.sizeUnits);
  }

  #copy(source: EntryRef, target: EntryRef): void {
    for (const word of KEPT_WORDS) target.words[target.base + word] = source.words[source.base + word];
  }
}

/** Whether the first of two entries of a record counts; of two that are equal the one whose record is there. */
function isBetter(entry: EntryRef, known: EntryRef): boolean {
  if (entry.orderMs !== known.orderMs) return entry.orderMs > known.orderMs;
  if (entry.lastUpdateMs !== known.lastUpdateMs) return entry.lastUpdateMs > known.lastUpdateMs;
  if (entry.generation !== known.generation) return entry.generation > known.generation;
  if (entry.voidTime !== known.voidTime) return entry.voidTime > known.voidTime;
  return (entry.flags & ENTRY_FLAG.UNCONFIRMED) < (known.flags & ENTRY_FLAG.UNCONFIRMED);
}
