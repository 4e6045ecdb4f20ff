/**
 * Whether a write that waits for its replicas asks them again. Few of the messages between nodes are lost for good, since
 * the fabric sends once more what a broken connection may have lost: what became of a write says little about it. So it
 * is looked at itself: a write that ends in doubt, after four times the first pause or longer, has asked more than once.
 *
 * @module
 */
import { ResultCode } from "../base/mod.ts";
import type { AerieNode } from "../node/mod.ts";
import type { ReplicaWrite } from "../transaction/mod.ts";
import { RW_OPERATION } from "../wire/mod.ts";
import type { ClusterMember } from "./cluster_members.ts";

/** A write that has lasted for so many first pauses has been due for another round. */
const PAUSE_COUNT = 4;
/** A write that could not be read at once, to be sent, begins later than its time does. */
const LATE_MAX_MS = 5;

/** What a write, or anything else that expects answers, has asked. */
interface Asked {
  readonly firstUs: number;
  lastUs: number;
  /** Moments at which it has asked somebody. */
  roundCount: number;
}

/** See the head of the file. */
export class RetryWatch {
  readonly #watched = new WeakSet<AerieNode>();

  /** Looks at a node after an event of its process; listens to it from then on. */
  watch(member: ClusterMember): void {
    const node = member.node!;
    if (this.#watched.has(node)) return;
    this.#watched.add(node);
    const { peers } = node;
    const { simulation } = member.machine.world;
    const byAsk = new WeakMap<object, Asked>();
    const byId = new Map<number, Asked>();
    const expect = peers.expect.bind(peers);
    peers.expect = (ask) => {
      const { nowUs } = simulation;
      const asked = byAsk.get(ask) ?? { firstUs: nowUs, lastUs: -1, roundCount: 0 };
      byAsk.set(ask, asked);
      const id = expect(ask);
      byId.set(id, asked);
      return id;
    };
    const forget = peers.forget.bind(peers);
    peers.forget = (id) => {
      byId.delete(id);
      forget(id);
    };
    const rwMessage = peers.rwMessage.bind(peers);
    peers.rwMessage = (namespace, operation, id) => {
      const asked = operation === RW_OPERATION.WRITE ? byId.get(id) : undefined;
      if (asked !== undefined && asked.lastUs !== simulation.nowUs) {
        asked.lastUs = simulation.nowUs;
        asked.roundCount++;
      }
      return rwMessage(namespace, operation, id);
    };
    const onWriteEnded = peers.onWriteEnded.bind(peers);
    peers.onWriteEnded = (write) => {
      const asked = byAsk.get(write as unknown as object);
      if (write.resultCode === ResultCode.TIMEOUT && asked !== undefined) checkAsked(member, write, asked);
      onWriteEnded(write);
    };
  }
}

function checkAsked(member: ClusterMember, write: ReplicaWrite, asked: Asked): void {
  const { simulation } = member.machine.world;
  const beginUs = write.beginMs * 1000;
  if (asked.roundCount !== 1 || asked.firstUs - beginUs > LATE_MAX_MS * 1000) return;
  // What was due while the process stood still was due no more when it went on.
  if (member.sleep !== undefined && member.sleep.untilUs >= beginUs) return;
  const lastedMs = (simulation.nowUs - beginUs) / 1000;
  const { transactionRetryMs } = member.node!.settings.service;
  if (lastedMs < transactionRetryMs * PAUSE_COUNT) return;
  simulation.fail(
    new Error(
      `A write at ${member.id} has asked its replicas once in ${lastedMs.toFixed(0)} ms, and is in doubt`,
    ),
  );
}
