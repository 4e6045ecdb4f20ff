/**
 * Counters of what involves other nodes, per namespace. The names are the stock server's in camel case.
 * Source: server-operations reference, section 9.2.
 *
 * @module
 */

import { PEER_NODE_COUNT_MAX, ResultCode } from "../base/mod.ts";
import type { NodeId } from "../wire/mod.ts";
import { KIND, type Kind, ORIGIN, type Origin } from "./stats.ts";

/** Outcomes of requests that were sent on. */
export interface ProxyCounts {
  /** Answered by the other node, whatever the answer. */
  complete: number;
  /** Nobody could be asked. */
  error: number;
  /** No answer in time. */
  timeout: number;
}

/** Counters of one namespace. */
export class PeerStats {
  /** Requests of clients that were sent on. */
  readonly clientProxy: ProxyCounts = { complete: 0, error: 0, timeout: 0 };
  /** Rows of batches that were sent on. */
  readonly batchSubProxy: ProxyCounts = { complete: 0, error: 0, timeout: 0 };
  /** Requests that waited for the duplicates of their record. */
  dupResAsk = 0;
  /** Requests for a duplicate that this node answered by reading a record. */
  dupResRespondRead = 0;
  /** Those that its index answered. */
  dupResRespondNoRead = 0;
  /** Replica writes sent again, by origin and kind. */
  readonly replWriteRetransmits: Float64Array = new Float64Array(20);
  /** Questions for duplicates sent again, by origin and kind. */
  readonly dupResRetransmits: Float64Array = new Float64Array(20);
  /** Replicas that were mended later. */
  reReplSuccess = 0;
  /** Attempts to mend a replica that it refused. */
  reReplError = 0;
  /** Attempts to mend a replica that were not answered. */
  reReplTimeout = 0;
  /** Writes whose replicas did not all answer in time: the client was told TIMEOUT, in doubt. */
  inDoubt = 0;

  /** Replica writes that were confirmed at the first question and how long that took in all, by node; kept for health checks. */
  readonly replicaTimes: Map<NodeId, { sumMs: number; count: number }> = new Map();

  /** Notes how long a replica needed to confirm a write. */
  noteReplicaTime(node: NodeId, durationMs: number): void {
    const time = this.replicaTimes.get(node);
    if (time === undefined) {
      if (this.replicaTimes.size < PEER_NODE_COUNT_MAX) {
        this.replicaTimes.set(node, { sumMs: durationMs, count: 1 });
      }
      return;
    }
    time.sumMs += durationMs;
    time.count++;
  }

  /** Counts the end of a request that was sent on. */
  addProxy(origin: Origin, resultCode: number): void {
    const counts = origin === ORIGIN.BATCH ? this.batchSubProxy : this.clientProxy;
    if (resultCode === ResultCode.OK) counts.complete++;
    else if (resultCode === ResultCode.TIMEOUT) counts.timeout++;
    else counts.error++;
  }
}

/** Slot of an origin and kind in the counters of retransmits. */
export function retransmitSlot(origin: Origin, kind: Kind = KIND.WRITE): number {
  return origin * 4 + kind;
}
