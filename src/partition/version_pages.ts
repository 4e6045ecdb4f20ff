/**
 * Keeps versions in what storage remembers of each partition: the version's eight bytes, as on the wire. A version is on
 * the devices before any record that is stored after it.
 *
 * @module
 */

import { PARTITION_COUNT, readU32LE, writeU32LE } from "../base/mod.ts";
import { VersionTable } from "./version.ts";
import type { PartitionVersionKeeper } from "./version_keeper.ts";

const VERSION_SIZE_BYTES = 8;

/** A few bytes per partition that outlive the process. */
export interface PartitionBytes {
  /** The bytes of a partition, undefined when there are none. */
  get(partition: number): Uint8Array | undefined;
  /** Keeps bytes, which are copied; undefined forgets them. */
  set(partition: number, bytes: Uint8Array | undefined): void;
}

/** See the head of the file. */
export class VersionPages implements PartitionVersionKeeper {
  readonly #pages: PartitionBytes;
  readonly #bytes = new Uint8Array(VERSION_SIZE_BYTES);

  /** @param pages where versions are kept */
  constructor(pages: PartitionBytes) {
    this.#pages = pages;
  }

  /** See {@linkcode PartitionVersionKeeper}. */
  load(): VersionTable | undefined {
    const versions = new VersionTable();
    let isEmpty = true;
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      const bytes = this.#pages.get(partition);
      if (bytes?.length !== VERSION_SIZE_BYTES) continue;
      versions.setWords(partition, readU32LE(bytes, 0), readU32LE(bytes, 4));
      isEmpty = false;
    }
    return isEmpty ? undefined : versions;
  }

  /** See {@linkcode PartitionVersionKeeper}. */
  save(versions: VersionTable, partition: number | undefined): void {
    if (partition !== undefined) return this.#saveOne(versions, partition);
    for (let each = 0; each < PARTITION_COUNT; each++) this.#saveOne(versions, each);
  }

  #saveOne(versions: VersionTable, partition: number): void {
    const before = this.#pages.get(partition);
    const low = versions.low[partition];
    const high = versions.high[partition];
    if (!versions.exists(partition)) {
      if (before !== undefined) this.#pages.set(partition, undefined);
      return;
    }
    const isSame = before?.length === VERSION_SIZE_BYTES && readU32LE(before, 0) === low &&
      readU32LE(before, 4) === high;
    if (isSame) return;
    writeU32LE(this.#bytes, 0, low);
    writeU32LE(this.#bytes, 4, high);
    this.#pages.set(partition, this.#bytes);
  }
}
