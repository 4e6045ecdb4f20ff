/**
 * Records that stay although their time is over, because another replica may not have their present version yet.
 *
 * A version that expires goes without a trace. If a replica has missed it, that one still has the version before, which
 * may live on for ever, and nobody could tell it any more. So a record waits with expiring until its writes and repairs
 * have ended; on a replica, which does not know how its master fared, as long as it would send on what it has from a
 * master that is gone; and where copies are being merged until that is over, since another one may have an older version.
 * Clients don't see what has expired. Eviction, which makes room at once and goes as deep on all nodes, waits for what is
 * known to be missing alone.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, partitionId, ResultCode } from "../base/mod.ts";
import type { EntryRef } from "../storage/mod.ts";
import type { Namespace } from "./context.ts";
import type { PeerTransactions } from "./peers.ts";

const digest = new Uint8Array(DIGEST_SIZE_BYTES);

/**
 * Tells the stores of a node which records other nodes may lack.
 *
 * @param recentMs milliseconds for which a replica answers for what it has from its master
 */
export function keepUnsettled(peers: PeerTransactions, recentMs: number): void {
  for (const namespace of peers.namespaces) {
    namespace.store.isUnsettled = (entry, cause) =>
      cause === "eviction"
        ? isUnsettled(peers, { namespace, entry, recentMs: 0 })
        : isMerging(namespace, entry) || isUnsettled(peers, { namespace, entry, recentMs });
  }
}

function isMerging({ partitions }: Namespace, entry: EntryRef): boolean {
  entry.copyDigest(digest, 0);
  return partitions.isMerging(partitionId(digest));
}

function isUnsettled(
  { repairs }: PeerTransactions,
  { namespace, entry, recentMs }: { namespace: Namespace; entry: EntryRef; recentMs: number },
): boolean {
  const { partitions, inFlight, store } = namespace;
  entry.copyDigest(digest, 0);
  const partition = partitionId(digest);
  if (!partitions.hasOtherReplicas(partition)) return false;
  if (inFlight.isHeld(digest, 0) || repairs.has(namespace, digest)) return true;
  const isMaster = partitions.admit(partition) === ResultCode.OK;
  return !isMaster && entry.lastUpdateMs > store.nowMs() - recentMs;
}
