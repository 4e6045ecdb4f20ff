/**
 * Keeps the versions of a namespace's partitions where its records are, so that a node that starts again can say what its
 * copies are worth. The engine in memory has none: its copies end with the process.
 *
 * @module
 */

import type { VersionTable } from "./version.ts";

/** See the head of the file. */
export interface PartitionVersionKeeper {
  /** Versions as they were kept; undefined when nothing was. */
  load(): VersionTable | undefined;
  /**
   * Versions changed. Called for every change: an implementation gathers them, and keeps a version no later than the
   * records that were written under it.
   *
   * @param partition which; undefined for all
   */
  save(versions: VersionTable, partition: number | undefined): void;
}
