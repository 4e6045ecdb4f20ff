/**
 * A client's request that is run from its bytes, without a session: one that another node sent on, or one that came
 * back from there.
 *
 * @module
 */

import { ByteBuffer, ResultCode } from "../base/mod.ts";
import type { Waiter } from "../storage/mod.ts";
import { FIELD, INFO1, PROTO_HEADER_SIZE, ReplyWriter } from "../wire/mod.ts";
import { CAUSE } from "./causes.ts";
import { type Namespace, STEP, TransactionContext } from "./context.ts";
import type { Deferral } from "./deferral.ts";
import { whenDurable } from "./durable.ts";
import type { PeerTask } from "./peer_types.ts";
import type { PeerTransactions } from "./peers.ts";
import { findNamespace, runTransaction } from "./run.ts";
import type { Origin } from "./stats.ts";

const NOTHING = new Uint8Array(0);

/** What an {@linkcode Errand} is made of. */
export interface ErrandOptions {
  /** The request with its proto header, as clients send it; the errand's own. */
  readonly frame: Uint8Array;
  /** Where it came from. */
  readonly origin: Origin;
  /** Monotonic time at which it must have ended; Infinity leaves that to the request. */
  readonly deadlineMs: number;
  /** Told of the reply, a whole frame. */
  readonly onReply: (frame: Uint8Array) => void;
  /** Told that the request can't be served here. */
  readonly onReturned: (namespace: Namespace) => void;
}

/** One request; one of its two callbacks is called, once. */
export class Errand implements Waiter, PeerTask {
  /** See {@linkcode PeerTask}. */
  dueMs = Infinity;
  readonly #peers: PeerTransactions;
  readonly #options: ErrandOptions;
  readonly #out = new ByteBuffer(128);
  readonly #context: TransactionContext;
  #namespace: Namespace | undefined;
  #isOver = false;

  /** @param options the request, and who is told of its end */
  constructor(peers: PeerTransactions, options: ErrandOptions) {
    this.#peers = peers;
    this.#options = options;
    this.#context = new TransactionContext({ reply: new ReplyWriter(this.#out), waiter: this });
    this.#context.origin = options.origin;
    this.#context.isProxied = true;
  }

  /** Runs it. */
  begin(): void {
    const { frame, deadlineMs } = this.#options;
    const { request } = this.#context;
    if (!request.decode(frame, PROTO_HEADER_SIZE, frame.length)) return this.#refuse(ResultCode.PARAMETER);
    // A batch or query is never sent on as one.
    if ((request.info1 & INFO1.BATCH) !== 0 || !request.has(FIELD.DIGEST)) {
      return this.#refuse(ResultCode.PARAMETER);
    }
    this.#namespace = findNamespace(request, this.#peers.namespaces);
    if (this.#namespace === undefined) return this.#refuse(ResultCode.NAMESPACE);
    const ownMs = this.#peers.clock.monotonicMs() + this.#peers.budgetMs(this.#context, this.#namespace);
    this.dueMs = Math.min(deadlineMs, ownMs);
    this.wake();
    if (!this.#isOver) this.#peers.timer.add(this);
  }

  /** See {@linkcode Waiter}: the transaction starts, or starts again. */
  wake(): void {
    if (this.#isOver || this.#namespace === undefined) return;
    // After a sleep the others may have gone on; whoever sent the request on asks them.
    if (this.#peers.isFenced) return this.#giveBack();
    const { reply } = this.#context;
    this.#out.reset();
    reply.beginProto();
    reply.beginMessage();
    const step = runTransaction(this.#context, this.#namespace);
    if (step === STEP.SUSPENDED) return;
    reply.endProto();
    const frame = this.#out.toBytes();
    const deferral = step === STEP.DONE ? undefined : this.#context.takeDeferral();
    // In this turn: what is to be synced is known until somebody else's transaction runs.
    whenDurable(this.#namespace.store, () => {
      if (deferral === undefined) this.#end(frame);
      else deferral.whenSettled(() => this.#endDeferred(deferral, frame));
    });
  }

  #endDeferred({ resultCode, frame }: Deferral, written: Uint8Array): void {
    if (resultCode === ResultCode.OK) this.#end(frame ?? written);
    else this.#refuse(resultCode!);
  }

  /** See {@linkcode PeerTask}: its time is over. */
  onDue(): void {
    for (const { inFlight } of this.#peers.namespaces) inFlight.abandon(this);
    const namespace = this.#namespace!;
    namespace.stats.tsvcTimeout[this.#context.origin]++;
    this.#refuse(namespace.refusals.note(CAUSE.suspendedTimeout));
  }

  #giveBack(): void {
    // It may have been woken because the record is its own now.
    this.#namespace!.inFlight.abandon(this);
    this.#context.isReturned = true;
    this.#end(NOTHING);
  }

  #refuse(resultCode: number): void {
    this.#out.reset();
    this.#context.reply.frame({ resultCode });
    this.#end(this.#out.toBytes());
  }

  #end(frame: Uint8Array): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#peers.timer.remove(this);
    if (this.#context.isReturned) this.#options.onReturned(this.#namespace!);
    else this.#options.onReply(frame);
  }
}
