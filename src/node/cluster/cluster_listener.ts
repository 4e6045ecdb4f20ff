/**
 * Who hears what becomes of the cluster.
 *
 * @module
 */

import type { ExchangeResult, FabricTarget, NodeId } from "../../cluster/mod.ts";

/** Told what becomes of the cluster; calls come in the order of registration. */
export interface ClusterListener {
  /**
   * The cluster changed or was lost: migrations stop at once, and partition versions stay as they are until the next
   * `onBalanced` or `onBlocked`.
   */
  onPause?(): void;
  /** This node is about to tell what it has: versions may change until the call returns, and then not until the commit. */
  onExchange?(): void;
  /** The exchange was committed and all partition tables follow their new balance; migrations may begin. */
  onBalanced?(view: ExchangeResult): void;
  /** The node is in no cluster; it serves from its old tables for a while. */
  onOrphaned?(): void;
  /** In no cluster for too long: the tables were blocked and serve nobody. */
  onBlocked?(): void;
  /** A peer and channel of the fabric that was overloaded has room again. */
  onDrain?(target: FabricTarget): void;
  /** A node is heard, or no longer. */
  onAdjacent?(node: NodeId, isAdjacent: boolean): void;
}
