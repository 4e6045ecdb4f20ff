/**
 * Asks one node for its copy of a record, as duplicate resolution does.
 *
 * @module
 */

import { ResultCode } from "../base/mod.ts";
import { type FlatRange, FlatRecord, measureFlat } from "../storage/mod.ts";
import { type NodeId, RW_OPERATION, type RwMessage } from "../wire/mod.ts";
import type { Namespace } from "./context.ts";
import type { PeerTransactions, RwAsk } from "./peers.ts";

/** What a {@linkcode CopyRequest} is made of. */
export interface CopyRequestOptions {
  /** Namespace of the record. */
  readonly namespace: Namespace;
  /** Its digest; kept by reference. */
  readonly digest: Uint8Array;
  /** Who is asked. */
  readonly node: NodeId;
  /** Told of the copy, which is well-formed and lent until the call returns; not called when there is none. */
  readonly onRecord: (range: FlatRange) => void;
}

/** One question. Nobody waits for it: whoever asked tries again in his own time. */
export class CopyRequest implements RwAsk {
  readonly #peers: PeerTransactions;
  readonly #options: CopyRequestOptions;
  #id = -1;

  /** @param options what is asked of whom */
  constructor(peers: PeerTransactions, options: CopyRequestOptions) {
    this.#peers = peers;
    this.#options = options;
  }

  /** Sends the question. */
  begin(): void {
    const { namespace, digest, node } = this.#options;
    this.#id = this.#peers.expect(this);
    const message = this.#peers.rwMessage(namespace, RW_OPERATION.DUPLICATE, this.#id);
    message.digest.set(digest);
    this.#peers.sendRw(node, message);
  }

  /** The answer is not wanted any more. */
  cancel(): void {
    this.#peers.forget(this.#id);
  }

  /** See {@linkcode RwAsk}. */
  onAck(from: NodeId, message: RwMessage): void {
    if (from !== this.#options.node || message.operation !== RW_OPERATION.DUPLICATE_ACK) return;
    this.cancel();
    const { record } = message;
    if (message.resultCode !== ResultCode.OK || !record.isPresent) return;
    if (measureFlat(record.bytes, record.at, record.end) >= 0) this.#options.onRecord(record);
  }

  /** See {@linkcode RwAsk}. */
  onCluster(): void {
    this.cancel();
  }
}

const flat = new FlatRecord();

/** Last update time of a well-formed flat record, in ms since 2010. */
export function lastUpdateOf({ bytes, at }: { bytes: Uint8Array; at: number }): number {
  flat.open(bytes, at);
  return flat.lastUpdateMs;
}

/** Generation and last update time of a well-formed flat record. */
export function versionOf(
  { bytes, at }: { bytes: Uint8Array; at: number },
): { generation: number; lastUpdateMs: number } {
  flat.open(bytes, at);
  return { generation: flat.generation, lastUpdateMs: flat.lastUpdateMs };
}
