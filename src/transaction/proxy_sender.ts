/**
 * Requests that this node can't serve are sent on to the one that can; its answer goes to the client. The other node
 * never sends on what it was sent: it returns it, and names whom it believes to serve.
 *
 * ```
 * asked ── answer ──────────────► settled
 *   │
 *   └─ returned ─► evaluated anew ─► served here, or asked of another node,
 *                        ▲           or waits a little when nobody seems to serve
 *                        └──────────────────────┘
 * ```
 *
 * While a partition changes hands, its old and its new master may each send requests to the other; after some hops
 * each further one waits. A read that gets no answer is asked again, since a message is lost with a connection that
 * breaks; an answer to any of its questions serves. A write is asked once: the other node forgets which ones it has run
 * when it does not hear this one for a while, so that only the client can decide about one that is in doubt.
 * Source: clustering reference, section 14.2.
 *
 * @module
 */

import { ByteBuffer, copyBytes, PROXYING_COUNT_MAX, readU48, ResultCode } from "../base/mod.ts";
import {
  AS_MSG_HEADER_SIZE,
  FIELD,
  INFO2,
  type NodeId,
  opsEnd,
  PROTO_HEADER_SIZE,
  PROTO_TYPE_AS_MSG,
  type ProxyMessage,
  type RecordRequest,
  RequestWriter,
  turnClientMessage,
  writeProtoHeader,
} from "../wire/mod.ts";
import { CAUSE } from "./causes.ts";
import { type Namespace, STEP, type Step, type TransactionContext } from "./context.ts";
import { Deferral } from "./deferral.ts";
import { Errand } from "./errand.ts";
import type { PeerTask } from "./peer_types.ts";
import type { PeerTransactions } from "./peers.ts";
import type { Origin } from "./stats.ts";

/** Hops that a request makes at once. */
const FAST_HOP_COUNT_MAX = 3;
/** A request that found nobody is evaluated anew after this time, doubling. */
const RETRY_MIN_MS = 5;
const RETRY_MAX_MS = 80;
/** A read without an answer is asked again after this time, doubling. */
const READ_RETRY_MS = 200;
/** Smallest frame that is a reply. */
const REPLY_SIZE_MIN = PROTO_HEADER_SIZE + AS_MSG_HEADER_SIZE;

/** Requests that were sent on and have no answer yet. */
export class ProxySender {
  readonly #peers: PeerTransactions;
  readonly #requests = new Map<number, ProxyRequest>();

  /** @param peers sends messages */
  constructor(peers: PeerTransactions) {
    this.#peers = peers;
  }

  /** Requests that have no answer yet. */
  get count(): number {
    return this.#requests.size;
  }

  /** Sends a request on; DEFERRED, or DONE with a refusal when nobody serves the partition. */
  begin(context: TransactionContext, namespace: Namespace, partition: number): Step {
    const target = proxyTarget(this.#peers, namespace, partition);
    if (target === undefined || this.count >= PROXYING_COUNT_MAX) {
      namespace.stats.tsvcError[context.origin]++;
      context.refuse(target === undefined ? ResultCode.UNAVAILABLE : ResultCode.DEVICE_OVERLOAD, 0, 0);
      return STEP.DONE;
    }
    const { request } = context;
    const deferral = context.deferral = new Deferral();
    const nowMs = this.#peers.clock.monotonicMs();
    const proxied = new ProxyRequest(this.#peers, {
      namespace,
      partition,
      frame: clientFrame(request),
      digest: request.bytes.slice(context.digestAt, context.digestAt + 20),
      origin: context.origin,
      isWrite: (request.info2 & INFO2.WRITE) !== 0,
      startMs: nowMs,
      deadlineMs: nowMs + this.#peers.budgetMs(context, namespace),
      deferral,
      requests: this.#requests,
    });
    proxied.ask(target);
    return STEP.DEFERRED;
  }

  /** An answer, or a return, came; the message is lent until the call returns. */
  onAnswer(from: NodeId, message: ProxyMessage): void {
    this.#requests.get(message.transactionId)?.onAnswer(from, message);
  }

  /** A node is not heard any more; its next process knows nothing of what was asked of this one. */
  onDeparted(node: NodeId): void {
    for (const request of this.#requests.values()) request.onDeparted(node);
  }

  /** The cluster changed. */
  onCluster(): void {
    for (const request of [...this.#requests.values()]) request.onCluster();
  }
}

/** Who serves a partition as far as this node knows; undefined when that is nobody else. */
export function proxyTarget(
  { self }: PeerTransactions,
  { partitions }: Namespace,
  partition: number,
): NodeId | undefined {
  const master = partitions.workingMaster(partition);
  const target = master === self ? partitions.finalMaster(partition) : master;
  return target === self ? undefined : target;
}

interface ProxyRequestOptions {
  readonly namespace: Namespace;
  readonly partition: number;
  /** The client's message with a proto header. */
  readonly frame: Uint8Array;
  readonly digest: Uint8Array;
  readonly origin: Origin;
  readonly isWrite: boolean;
  readonly startMs: number;
  readonly deadlineMs: number;
  readonly deferral: Deferral;
  /** Where it is found by its id. */
  readonly requests: Map<number, ProxyRequest>;
}

class ProxyRequest implements PeerTask {
  dueMs: number;
  #id: number;
  /** Ids of earlier questions to the same node. */
  #earlierIds: number[] = [];
  readonly #peers: PeerTransactions;
  readonly #options: ProxyRequestOptions;
  /** Who is asked; undefined while nobody is. */
  #target: NodeId | undefined;
  /** Who was asked left, and may be back. */
  #hasTargetLeft = false;
  #isRunningHere = false;
  #hopCount = 0;
  #retryMs = RETRY_MIN_MS;
  #readRetryMs = READ_RETRY_MS;

  constructor(peers: PeerTransactions, options: ProxyRequestOptions) {
    this.#peers = peers;
    this.#options = options;
    this.#id = peers.nextId();
    options.requests.set(this.#id, this);
    this.dueMs = options.deadlineMs;
    peers.timer.add(this);
  }

  ask(target: NodeId): void {
    // Each question has an id of its own: a node that returned one must not run it when its message comes again.
    if (this.#hopCount++ > 0) {
      this.#forgetIds();
      this.#takeId();
    }
    this.#send(target);
  }

  #takeId(): void {
    this.#id = this.#peers.nextId();
    this.#options.requests.set(this.#id, this);
  }

  #forgetIds(): void {
    for (const id of [this.#id, ...this.#earlierIds]) this.#options.requests.delete(id);
    this.#earlierIds = [];
  }

  #send(target: NodeId): void {
    const { frame, digest, isWrite, deadlineMs } = this.#options;
    const message = frame.slice();
    // A client's message that was decoded can be turned round, but for fields that nobody reads.
    if (!turnClientMessage(message, "big")) return this.#end(ResultCode.PARAMETER);
    this.#target = target;
    this.#hasTargetLeft = false;
    const result = this.#peers.send(target, {
      type: "proxy",
      kind: "request",
      transactionId: this.#id,
      digest,
      message,
    });
    if (result === "full" || result === "unknown-node") this.#evaluateLater();
    else this.#wait(isWrite ? deadlineMs : this.#peers.clock.monotonicMs() + this.#readRetryMs);
  }

  #wait(dueMs: number): void {
    this.dueMs = Math.min(dueMs, this.#options.deadlineMs);
    this.#peers.timer.add(this);
  }

  #evaluateLater(): void {
    this.#target = undefined;
    this.#wait(this.#peers.clock.monotonicMs() + this.#retryMs);
    this.#retryMs = Math.min(RETRY_MAX_MS, this.#retryMs * 2);
  }

  onAnswer(from: NodeId, message: ProxyMessage): void {
    if (from !== this.#target) return;
    if (message.kind === "return") return this.#onReturned(message.redirect);
    const frame = message.message;
    if (frame === undefined || !isReply(frame)) return this.#end(ResultCode.UNKNOWN);
    this.#end(ResultCode.OK, frame.slice());
  }

  #onReturned(redirect: NodeId | undefined): void {
    const asked = this.#target;
    const isNew = redirect !== undefined && redirect !== this.#peers.self && redirect !== asked;
    if (this.#hopCount >= FAST_HOP_COUNT_MAX) this.#evaluateLater();
    else if (isNew && !this.#isServedHere) this.ask(redirect);
    else if (this.#isServedHere) this.#runHere();
    else this.#evaluateLater();
  }

  get #isServedHere(): boolean {
    const { namespace, partition } = this.#options;
    return namespace.partitions.admit(partition) === ResultCode.OK;
  }

  /** Looks at the table anew. */
  #evaluate(): void {
    if (this.#isServedHere) return this.#runHere();
    const target = proxyTarget(this.#peers, this.#options.namespace, this.#options.partition);
    if (target === undefined) this.#evaluateLater();
    else if (target === this.#target) this.#askAgain(target);
    else this.ask(target);
  }

  #askAgain(target: NodeId): void {
    this.#readRetryMs *= 2;
    this.#earlierIds.push(this.#id);
    this.#takeId();
    this.#send(target);
  }

  #runHere(): void {
    const { frame, origin, deadlineMs } = this.#options;
    this.#isRunningHere = true;
    this.#target = undefined;
    this.#peers.timer.remove(this);
    new Errand(this.#peers, {
      frame,
      origin,
      deadlineMs,
      onReply: (reply) => this.#end(ResultCode.OK, reply),
      onReturned: () => {
        this.#isRunningHere = false;
        this.#evaluateLater();
      },
    }).begin();
  }

  onDue(nowMs: number): void {
    if (nowMs < this.#options.deadlineMs) return this.#evaluate();
    this.#end(this.#options.namespace.refusals.note(CAUSE.proxyTimeout));
  }

  onDeparted(node: NodeId): void {
    if (node === this.#target) this.#hasTargetLeft = true;
  }

  onCluster(): void {
    if (this.#isRunningHere) return;
    if (this.#target !== undefined && this.#peers.isMember(this.#target) && !this.#hasTargetLeft) return;
    // Who was asked is gone, and with it the knowledge of what it did.
    if (this.#target !== undefined && this.#options.isWrite) {
      return this.#end(this.#options.namespace.refusals.note(CAUSE.proxyTimeout));
    }
    this.#evaluateLater();
  }

  #end(resultCode: number, frame?: Uint8Array): void {
    const { namespace, origin, deferral, startMs } = this.#options;
    this.#peers.timer.remove(this);
    this.#forgetIds();
    if (namespace.settings.enableHistProxy) {
      const tookMs = this.#peers.clock.monotonicMs() - startMs;
      namespace.stats.histograms.proxy.add(tookMs * namespace.latencyScale);
    }
    namespace.peerStats.addProxy(origin, resultCode);
    deferral.settle(resultCode, frame);
  }
}

/** Whether some bytes are a frame with at least the header of a reply. */
function isReply(frame: Uint8Array): boolean {
  return frame.length >= REPLY_SIZE_MIN && frame[1] === PROTO_TYPE_AS_MSG &&
    readU48(frame, 2) === frame.length - PROTO_HEADER_SIZE && frame[PROTO_HEADER_SIZE] === AS_MSG_HEADER_SIZE;
}

/** A client's message as a frame of its own: as it came, or made of a row of a batch. */
function clientFrame(request: RecordRequest): Uint8Array {
  const { bytes, headerAt, end } = request;
  if (headerAt < 0) return rowFrame(request);
  const frame = new Uint8Array(PROTO_HEADER_SIZE + end - headerAt);
  writeProtoHeader(frame, 0, { type: PROTO_TYPE_AS_MSG, bodySizeBytes: end - headerAt });
  copyBytes(bytes, headerAt, frame, PROTO_HEADER_SIZE, end - headerAt);
  return frame;
}

function rowFrame(request: RecordRequest): Uint8Array {
  const { bytes, opsAt, opCount, end } = request;
  const out = new ByteBuffer(256);
  const writer = new RequestWriter(out);
  const { info1, info2, info3, info4, generation, recordTtl, transactionTtlMs } = request;
  writer.begin({ info1, info2, info3, info4, generation, recordTtl, transactionTtlMs });
  for (let type = 0; type < request.fieldAt.length; type++) {
    const payload = type === FIELD.BATCH || type === FIELD.BATCH_WITH_SET ? undefined : request.field(type);
    if (payload !== undefined) writer.field(type, payload);
  }
  writer.rawOps(bytes.subarray(opsAt, opsEnd(bytes, opsAt, { opCount, end })), opCount);
  writer.finish();
  return out.toBytes();
}
