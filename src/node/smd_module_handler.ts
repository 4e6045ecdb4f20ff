/**
 * One module of the cluster-wide metadata, as the node acts on it.
 *
 * @module
 */

import type { SmdStoredItem } from "../cluster/mod.ts";

/** An item, as far as the node acts on it; a value of null removes. */
export type SmdChange = Pick<SmdStoredItem, "key" | "value">;

/** What the node does with the items of a module. */
export interface SmdModuleHandler {
  /** Number of the module. */
  readonly module: number;
  /** What is lost when its items can't be kept, as the beginning of a sentence. */
  readonly subject: string;
  /**
   * Acts on items: on those that were kept, before any record is there, then on all that the cluster agrees on. Doing so
   * again changes nothing.
   */
  apply(items: readonly SmdChange[]): void;
}
