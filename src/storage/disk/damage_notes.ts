/**
 * What was found damaged, and what became of it. Blocks in which there may be more than was met are remembered, until
 * `damage_walk.ts` takes them.
 *
 * @module
 */

import { CorruptionError } from "../../base/mod.ts";
import type { DiskBlocks } from "./blocks.ts";
import type { DiskReports } from "./disk_reports.ts";

/** See the head of the file. */
export class DamageNotes {
  /** Blocks in which damage was met that can't be told to be of one record. */
  readonly blocks: Set<number> = new Set();
  readonly #blocks: DiskBlocks;
  readonly #reports: DiskReports;

  /**
   * @param blocks all blocks
   * @param reports counts, and tells
   */
  constructor(blocks: DiskBlocks, reports: DiskReports) {
    this.#blocks = blocks;
    this.#reports = reports;
  }

  /** Damaged records of a block were read from the shadow; the walk over damaged blocks stores them anew. */
  noteShadowRead(block: number): void {
    this.blocks.add(block);
    this.#reports.mended(this.#blocks.deviceOf[block], "its shadow");
  }

  /**
   * The records of a device are to be stored elsewhere, each as it is asked for: also those that are in memory still,
   * which this node tells others to have.
   */
  noteLost(device: number): void {
    const { devices, usedBytes } = this.#blocks;
    const { firstBlock, blockCount } = devices[device];
    for (let block = firstBlock; block < firstBlock + blockCount; block++) {
      if (usedBytes[block] > 0) this.blocks.add(block);
    }
  }

  /** A record that could not be read at a place was stored anew. */
  noteMended(location: number, from: string): void {
    this.#reports.mended(this.#deviceAt(location), from);
  }

  /** Nobody has the record that can't be read at a place. */
  noteUnmended(location: number): void {
    this.#reports.unmended(this.#deviceAt(location));
  }

  /** A record that is whole is not the one that the index says. */
  noteMismatch(location: number, { expected, found }: { expected: string; found: string }): void {
    const blocks = this.#blocks;
    const block = blocks.blockOf(location);
    const offsetBytes = blocks.deviceOffset(block) + blocks.offsetOf(location);
    const device = blocks.device(block).path;
    this.#reports.readFault(
      new CorruptionError({ device, offsetBytes, expected, found }),
      blocks.deviceOf[block],
    );
  }

  #deviceAt(location: number): number {
    return this.#blocks.deviceOf[this.#blocks.blockOf(location)];
  }
}
